#include "graph/freeze.h"

#include <algorithm>

#include "graph/convert.h"
#include "graph/op.h"

namespace ascribe {

namespace {

/// Smaller ones are widened: they cost nothing, and what is constant can be folded.
constexpr int64_t kLeastElements = 1024;

/// How a node may read a weight in its storage type.
bool readsStorage(const Graph& graph, const Node& node, size_t operand) {
  if (node.op->name == "matMul") return operand == 1 && node.inputs[0] != node.inputs[1] && graph.type(node.inputs[0]).dtype == DType::F32;
  if (node.op->name == "gather") return operand == 0 && node.attributes.integer("axis") == 0;
  return node.op->name == "gatherGrad" && operand == 2;  // the shape alone
}

std::vector<char> keepable(const Graph& graph) {
  std::vector<char> keep(graph.values.size(), 0);
  for (const Parameter& parameter : graph.parameters) {
    const Value& value = graph.value(parameter.value);
    keep[static_cast<size_t>(parameter.value)] = value.kind == ValueKind::Parameter && value.type.dtype == DType::F32 && isStorageOnly(parameter.source.dtype()) &&
                                                 value.type.shape.rank() == 2 && value.type.shape.count() >= kLeastElements && !value.pinned;
  }
  for (const Node& node : graph.nodes)
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNone && node.op->name != "vjp" && !readsStorage(graph, node, i)) keep[static_cast<size_t>(node.inputs[i])] = 0;
  for (ValueId id : graph.outputs) keep[static_cast<size_t>(id)] = 0;
  return keep;
}

void readStorage(Graph& graph, const std::vector<char>& kept) {
  for (Node& node : graph.nodes) {
    if (node.op->name == "matMul" && kept[static_cast<size_t>(node.inputs[1])]) node.op = &op("storedMatMul");
    if (node.op->name == "gather" && kept[static_cast<size_t>(node.inputs[0])]) {
      node.op = &op("storedGather");
      node.attributes = {};
    }
  }
}

}  // namespace

void freeze(Graph& graph, const FreezeOptions& options) {
  std::vector<char> left(graph.values.size(), 0);
  if (!options.wantedToo)
    for (const Node& node : graph.nodes)
      if (node.op->name == "vjp")
        for (ValueId id : node.inputs) left[static_cast<size_t>(id)] = 1;
  const std::vector<char> kept = options.keepStorage ? keepable(graph) : std::vector<char>(graph.values.size(), 0);
  for (const Parameter& parameter : graph.parameters) {
    Value& v = graph.value(parameter.value);
    const auto at = static_cast<size_t>(parameter.value);
    if (v.kind != ValueKind::Parameter || left[at] || (kept[at] && !options.wantedToo)) continue;
    v.kind = ValueKind::Constant;
    v.storage = static_cast<int32_t>(graph.constants.size());
    if (kept[at]) v.type.dtype = parameter.source.dtype();
    graph.constants.push_back(parameter.source.dtype() == v.type.dtype ? parameter.source : convert(parameter.source, v.type.dtype));
  }
  if (options.wantedToo) readStorage(graph, kept);
}

}  // namespace ascribe
