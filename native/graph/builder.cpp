#include "graph/builder.h"

#include <cstdio>

#include "graph/verify.h"
#include "runtime/error.h"

namespace ascribe {

void inferNode(Graph& graph, Node& node) {
  std::vector<ValueType> types;
  for (ValueId id : node.outputs) types.push_back(graph.type(id));
  InferContext context(graph, node, types);
  try {
    node.op->infer(context);
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.rfind("node ", 0) == 0) throw;
    throw Error(error.code(), "node " + (node.name.empty() ? "(unnamed)" : node.name) + " (" + node.op->name + "): " + message,
                error.hint());
  }
  for (size_t i = 0; i < types.size(); ++i) graph.value(node.outputs[i]).type = types[i];
}

ValueId Builder::node(std::string_view name, std::vector<ValueId> inputs, Attributes attributes) {
  return nodes(name, std::move(inputs), 1, std::move(attributes))[0];
}

std::vector<ValueId> Builder::nodes(std::string_view name, std::vector<ValueId> inputs, int outputs, Attributes attributes) {
  const OpSchema& schema = op(name);
  graph_.addNode(schema, std::move(inputs), std::move(attributes), outputs);
  Node& node = graph_.nodes.back();
  verifyNode(graph_, node);
  inferNode(graph_, node);
  return node.outputs;
}

ValueId Builder::reshape(ValueId a, const Shape& to) {
  if (shape(a) == to) return a;
  // With allowZero a 0 is an empty axis; without it would copy the operand's.
  return node("reshape", {a, integers({to.begin(), to.end()})}, {{"allowZero", int64_t{1}}});
}

ValueId Builder::reshapeLike(ValueId a, ValueId like, int leading) {
  Shape to;
  for (int i = 0; i < leading; ++i) to.push(shape(a)[i]);
  for (int64_t dim : shape(like)) to.push(dim);
  if (shape(a) == to) return a;
  return node("reshapeLike", {a, like}, {{"leading", int64_t{leading}}});
}

ValueId Builder::sumTo(ValueId a, ValueId like, int leading) {
  Shape to;
  for (int i = 0; i < leading; ++i) to.push(shape(a)[i]);
  for (int64_t dim : shape(like)) to.push(dim);
  if (shape(a) == to) return a;
  return node("sumTo", {a, like}, {{"leading", int64_t{leading}}});
}

ValueId Builder::transpose(ValueId a, const std::vector<int64_t>& permutation) {
  return node("transpose", {a}, {{"permutation", permutation}});
}

ValueId Builder::sum(ValueId a, const std::vector<int64_t>& axes, bool keepDims) {
  return node("sum", {a}, {{"axes", axes}, {"keepDims", int64_t{keepDims}}});
}

}  // namespace ascribe
