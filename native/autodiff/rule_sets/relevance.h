#pragma once
#include <optional>

#include "autodiff/rule.h"

/// What the rules that pass relevance back share. A cotangent is relevance there: every node shares what its output
/// has out among its operands.
namespace ascribe::relevance {

using namespace calculus;

/// z moved away from zero, to the side on which it is (0 counts as positive).
inline Term stabilised(Term z, double epsilon) { return z + where(z >= 0, number(z, epsilon), number(z, -epsilon)); }
inline double epsilonOf(const VjpContext& c) { return c.facts().options.real("epsilon"); }
inline Term ones(Term x) { return expand(number(x, 1), x.builder->shape(x.id)); }
inline Term positive(Term x) { return apply("max", x, number(x, 0)); }
inline Term negative(Term x) { return apply("min", x, number(x, 0)); }

inline size_t moving(const VjpContext& c) {
  size_t count = 0;
  for (size_t i = 0; i < c.node().inputs.size(); ++i) count += c.wants(i);
  return count;
}
inline size_t firstMoving(const VjpContext& c) {
  size_t i = 0;
  while (!c.wants(i)) ++i;
  return i;
}

/// An operation on other operands than the node's, and its adjoint.
struct Linear {
  VjpContext& c;
  Term y;
  NodeId node;

  Linear(VjpContext& context, std::vector<ValueId> inputs) : c(context) {
    const Attributes attributes = c.attributes();
    y = {&c.b, c.b.node(c.node().op->name, std::move(inputs), attributes)};
    node = c.b.graph().value(y).producer;
  }
  /// The adjoint in operand i of s, [K, ...y].
  Term adjoint(size_t i, Term s) const {
    const size_t count = c.b.graph().nodes[static_cast<size_t>(node)].inputs.size();
    std::vector<bool> wanted(count, false);
    wanted[i] = true;
    VjpContext inner(c.b, node, {s}, wanted, std::vector<ParameterGradient>(count, ParameterGradient::Summed), {}, c.facts());
    findVjp(c.node().op->name)(inner);
    return {&c.b, inner.gradients()[i]};
  }
};

/// A norm whose deviation is a constant of the input: what is left is linear.
template <bool centre>
void normWithFixedScale(VjpContext& c) {
  const Term x = operand(c, 0);
  std::vector<int64_t> axes;
  for (int64_t axis = normaliseAxis(c.attributes().integer("axis"), c.shape(0).rank()); axis < c.shape(0).rank(); ++axis) axes.push_back(axis);
  const Term centred = centre ? x - mean(x, axes) : x;
  Term y = centred * apply("stopGradient", 1 / sqrt(mean(centred * centred, axes) + c.attributes().real("epsilon")));
  if (c.has(1)) y = y * operand(c, 1);
  if (c.has(2)) y = y + operand(c, 2);
  const ValueId out[] = {y};
  c.differentiate(out);
}
inline void groupNormWithFixedScale(VjpContext& c) {
  const Term x = operand(c, 0);
  const Shape shape = c.shape(0);
  if (shape.count() == 0) return c.delegate(findVjp("groupNorm"));
  const int64_t given = c.attributes().integer("groups"), groups = given == 0 ? shape[1] : given;
  const Term parted = reshape(x, Shape{shape[0], groups, shape.count() / (shape[0] * groups)});
  const Term centred = parted - mean(parted, {2});
  Term y = reshape(centred * apply("stopGradient", 1 / sqrt(mean(centred * centred, {2}) + c.attributes().real("epsilon"))), shape);
  if (c.has(1)) y = y * perChannel(operand(c, 1), shape.rank());
  if (c.has(2)) y = y + perChannel(operand(c, 2), shape.rank());
  const ValueId out[] = {y};
  c.differentiate(out);
}
inline void asItsParts(VjpContext& c) {
  const Node node = c.node();
  c.differentiate(findDecomposition(node.op->name)(c.b, node));
}

/// Operations that are linear in what moves, or put elements elsewhere.
inline constexpr const char* kLinear[] = {"identity", "dropout", "cast", "neg", "add", "sub", "reshape", "reshapeLike", "flatten", "squeeze", "unsqueeze", "transpose",
                                          "expand", "expandLike", "concat", "slice", "pad", "tile", "trilu", "depthToSpace", "spaceToDepth", "sum", "mean", "sumTo",
                                          "cumSum", "averagePool", "globalAveragePool", "resize", "gather", "gatherElements", "gatherNd", "scatterElements", "scatterNd"};

/// Operations of one operand that are no lines.
inline constexpr const char* kActivations[] = {"abs", "exp", "log", "sqrt", "reciprocal", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
                                               "asinh", "acosh", "atanh", "erf", "sigmoid", "relu", "softplus", "softsign", "silu", "hardSwish", "mish",
                                               "leakyRelu", "elu", "celu", "selu", "thresholdedRelu", "hardSigmoid", "gelu", "clip"};

}  // namespace ascribe::relevance
