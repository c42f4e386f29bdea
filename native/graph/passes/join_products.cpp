#include <map>
#include <tuple>

#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/packed_product.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {
/// Nodes between two products beyond which they stay apart: results of all would be held until the last is read, and every layer of a
/// decoder reads what the encoder gave.
constexpr size_t kNear = 8;
}  // namespace

/// Products of the same rows with packed weights, as those that make queries, keys and values, become one node, which packs the
/// rows once for all. Their results stay values, so that it does not matter who reads them. Where activations are to be computed
/// again, each product is one by itself.
bool joinProducts(Graph& graph, const PassContext& context) {
  if (!isForProcessor(context) || !hasFastKernel("joinedMatMul", context) || context.recomputation != nullptr) return false;
  std::map<std::tuple<ValueId, int64_t, bool>, std::vector<std::vector<size_t>>> groups;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (!isProduct(&node) || !hasPackedWeights(graph, node)) continue;
    const ValueId x = node.inputs[0];
    if (graph.type(x).dtype != DType::F32 || graph.shape(x).rank() < 2 || graph.shape(x).count() * 4 < kFewBytes) continue;
    std::vector<std::vector<size_t>>& runs = groups[{x, node.attributes.integer("transposeB"), multipliesBf16(node)}];
    if (runs.empty() || n - runs.back().back() > kNear) runs.emplace_back();
    runs.back().push_back(n);
  }
  std::vector<char> gone(graph.nodes.size(), 0);
  bool changed = false;
  const auto join = [&](const auto& key, const std::vector<size_t>& members) {
    if (members.size() < 2) return;
    // The first stands where the rows are known, and that is all they need.
    Node joined;
    joined.op = &op("joinedMatMul");
    joined.name = graph.nodes[members[0]].name;
    joined.inputs = {std::get<0>(key)};
    joined.attributes.set("transposeB", std::get<1>(key));
    if (std::get<2>(key)) joined.attributes.set("products", std::string("bf16"));
    for (const size_t n : members) {
      joined.inputs.push_back(graph.nodes[n].inputs[1]);
      joined.outputs.push_back(graph.nodes[n].outputs[0]);
      gone[n] = n != members[0];
    }
    graph.nodes[members[0]] = std::move(joined);
    changed = true;
  };
  for (const auto& [key, runs] : groups)
    for (const std::vector<size_t>& members : runs) join(key, members);
  if (changed) dropNodes(graph, gone);
  return changed;
}

}  // namespace ascribe::passes
