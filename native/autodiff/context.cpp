#include "autodiff/vjp.h"
#include "graph/verify.h"
#include "runtime/error.h"

namespace ascribe {

VjpContext::VjpContext(Builder& builder, NodeId node, std::vector<ValueId> cotangents, std::vector<bool> wanted,
                       std::vector<ParameterGradient> modes, Recompute recompute, RuleFacts& facts)
    : b(builder),
      nodeId_(node),
      node_(builder.graph().nodes[static_cast<size_t>(node)]),
      cotangents_(std::move(cotangents)),
      wanted_(std::move(wanted)),
      modes_(std::move(modes)),
      recompute_(std::move(recompute)),
      facts_(facts),
      gradients_(node_.inputs.size(), kNone),
      perExample_(node_.inputs.size(), false) {}

ValueId VjpContext::ensureOutput(size_t i) {
  Graph& graph = b.graph();
  if (node_.outputs.size() <= i) {
    Node& forward = graph.nodes[static_cast<size_t>(nodeId_)];
    while (forward.outputs.size() <= i) {
      Value value;
      value.producer = nodeId_;
      forward.outputs.push_back(static_cast<ValueId>(graph.values.size()));
      graph.values.push_back(std::move(value));
    }
    verifyNode(graph, forward);
    inferNode(graph, forward);
    node_ = forward;
  }
  return node_.outputs[i];
}

void VjpContext::gradient(size_t i, ValueId value) {
  if (mode(i) == ParameterGradient::PerExample && !perExample_[i]) {
    unsupported("its operand " + std::to_string(i) + " has no gradient per example");
    return;
  }
  gradients_[i] = value;
}

void VjpContext::gradientPerExample(size_t i, ValueId value) {
  // From here to the parameter, K and N are one leading axis, which every other rule takes for K.
  const Shape shape = b.shape(value);
  Shape folded{shape[0] * shape[1]};
  for (int axis = 2; axis < shape.rank(); ++axis) folded.push(shape[axis]);
  perExample_[i] = true;
  gradient(i, b.reshape(value, folded));
}

void VjpContext::gradientReduced(size_t i, ValueId value, ValueId seenAs) {
  const ValueId like = seenAs == kNone ? input(i) : seenAs;
  if (mode(i) != ParameterGradient::PerExample) {
    gradient(i, b.reshapeLike(b.sumTo(value, like, 1), input(i), 1));
    return;
  }
  const Shape whole = b.shape(value), operand = b.shape(like);
  if (whole.rank() < 2 || (operand.rank() == whole.rank() - 1 && operand[0] != 1)) {
    unsupported("its operand " + std::to_string(i) + " differs from example to example, so it has no gradient per example");
    return;
  }
  // [K, N, ...rest] to [K·N, ...rest]; the operand's own leading axis of one example goes as well.
  Shape folded{whole[0] * whole[1]};
  for (int axis = 2; axis < whole.rank(); ++axis) folded.push(whole[axis]);
  const ValueId perRow = operand.rank() == whole.rank() - 1 ? b.node("squeeze", {like}, {{"axes", std::vector<int64_t>{0}}}) : like;
  perExample_[i] = true;
  gradient(i, b.reshapeLike(b.sumTo(b.reshape(value, folded), perRow, 1), input(i), 1));
}

void VjpContext::delegate(VjpRule rule) {
  if (!rule) throw Error("INTERNAL", "no rule to go on with for " + node_.op->name);
  rule(*this);
}

void VjpContext::differentiate(std::span<const ValueId> outputs) {
  const std::vector<ValueId> found = recompute_(outputs);
  for (size_t i = 0; i < found.size(); ++i) {
    gradients_[i] = found[i];
    perExample_[i] = true;  // the walk below has treated operands as the one above would
  }
}

}  // namespace ascribe
