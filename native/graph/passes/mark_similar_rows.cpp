#include "graph/op.h"
#include "graph/passes/all.h"

namespace ascribe::passes {

namespace {

/// Every row is made of the same two, number by number: perturbed copies of one example.
bool mixesTwoRows(const Graph& graph, const Node& node) {
  if (node.op->name != "where" || graph.shape(node.outputs[0]).rank() == 0) return false;
  const Shape& mixed = graph.shape(node.outputs[0]);
  const auto isOneRow = [&](ValueId id) {
    const Shape& shape = graph.shape(id);
    return shape.rank() < mixed.rank() || shape[0] == 1;
  };
  return mixed[0] > 1 && isOneRow(node.inputs[1]) && isOneRow(node.inputs[2]);
}

}  // namespace

/// Marks convolutions of perturbed copies, which may have most of their numbers in common from one row to the next.
bool markSimilarRows(Graph& graph, const PassContext&) {
  std::vector<char> similar(graph.values.size(), 0);
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (mixesTwoRows(graph, node)) similar[static_cast<size_t>(node.outputs[0])] = 1;
    if (node.op->name != "conv" && node.op->name != "fusedConv") continue;
    if (!similar[static_cast<size_t>(node.inputs[0])]) continue;
    node.attributes.set("similarRows", int64_t{1});
    changed = true;
  }
  return changed;
}

}  // namespace ascribe::passes
