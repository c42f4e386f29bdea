#include "graph/builder.h"

#include <algorithm>

#include <cstdio>

#include "graph/verify.h"
#include "runtime/error.h"

namespace ascribe {

namespace {

/// Moves known operands that name axes and the like into attributes.
void settleOperands(const Graph& graph, Node& node) {
  for (const OperandAttribute& from : node.op->operandAttributes) {
    if (node.inputs.size() <= from.operand) continue;
    const ValueId id = node.inputs[from.operand];
    const HostTensor* known = id == kNone ? nullptr : graph.known(id);
    if (id != kNone && !known)
      throw Error("MODEL_INVALID", "its " + from.attribute + " must be known when the plan is compiled, but it is computed from data");
    node.inputs.resize(from.operand);
    if (!known) continue;
    if ((known->dtype() != DType::I64 && known->dtype() != DType::I32) || known->shape().rank() > 1)
      throw Error("MODEL_INVALID", "its " + from.attribute + " must be whole numbers, i64 or i32, of one axis at most");
    const std::vector<int64_t> values = known->integers();
    const auto spec = std::find_if(node.op->attributes.begin(), node.op->attributes.end(),
                                   [&](const AttributeSpec& s) { return s.name == from.attribute; });
    if (spec->kind == AttributeKind::Integers) {
      node.attributes.set(from.attribute, values);
      continue;
    }
    if (values.size() != 1) throw Error("MODEL_INVALID", "its " + from.attribute + " is one number");
    node.attributes.set(from.attribute, values[0]);
  }
  // Naming no axes asks for all of them, or, where this is set, for none.
  const Attribute* none = node.attributes.find("noopWithEmptyAxes");
  if (none && std::get<int64_t>(*none) != 0 && node.attributes.integers("axes").empty()) {
    node.op = &op("identity");
    node.attributes = {};
  }
}

}  // namespace

void inferNode(Graph& graph, Node& node) {
  std::vector<ValueType> types;
  for (ValueId id : node.outputs) types.push_back(graph.type(id));
  InferContext context(graph, node, types);
  try {
    settleOperands(graph, node);
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
