#include "autodiff/rule.h"

/// The backward halves of softmaxes and norms, spelt out for a second derivative.
namespace ascribe {
namespace {
using namespace calculus;

std::vector<ValueId> softmaxGrad(Builder& b, const Node& node) {
  const Term g{&b, node.inputs[0]}, y{&b, node.inputs[1]};
  return {y * (g - sum(g * y, {node.attributes.integer("axis")}))};
}
std::vector<ValueId> logSoftmaxGrad(Builder& b, const Node& node) {
  const Term g{&b, node.inputs[0]}, y{&b, node.inputs[1]};
  return {g - exp(y) * sum(g, {node.attributes.integer("axis")})};
}

/// dx of y = (x - mean x) / s, s = sqrt(variance + e): (g - mean g - y mean(g y)) / s, all means over `axes`,
/// which are counted from the end. Without centring the means of x and g vanish.
Term normalisedGradient(Term g, Term x, const std::vector<int64_t>& axes, double epsilon, bool centre) {
  const Term centred = centre ? x - mean(x, axes) : x;
  const Term inverse = 1 / sqrt(mean(centred * centred, axes) + epsilon), y = centred * inverse;
  const Term along = y * mean(g * y, axes);
  return (centre ? g - mean(g, axes) - along : g - along) * inverse;
}

template <bool centre>
std::vector<ValueId> layerNormGrad(Builder& b, const Node& node) {
  const Term g{&b, node.inputs[0]}, x{&b, node.inputs[1]};
  std::vector<int64_t> axes;
  for (int64_t axis = node.attributes.integer("axis"); axis < 0; ++axis) axes.push_back(axis);
  const bool scaled = node.inputs.size() > 2 && node.inputs[2] != kNone;
  return {normalisedGradient(scaled ? g * Term{&b, node.inputs[2]} : g, x, axes, node.attributes.real("epsilon"), centre)};
}

std::vector<ValueId> groupNormGrad(Builder& b, const Node& node) {
  const Term g{&b, node.inputs[0]}, x{&b, node.inputs[1]};
  const Shape shape = b.shape(x), whole = b.shape(g);
  const int64_t groups = node.attributes.integer("groups");
  const bool scaled = node.inputs.size() > 2 && node.inputs[2] != kNone;
  const Term weighted = scaled ? g * perChannel({&b, node.inputs[2]}, shape.rank()) : g;
  const int64_t parts = shape[0] * groups, size = parts > 0 ? shape.count() / parts : 0;
  const Term dx = normalisedGradient(reshape(weighted, Shape{whole[0], shape[0], groups, size}), reshape(x, Shape{shape[0], groups, size}), {-1},
                                     node.attributes.real("epsilon"), true);
  return {reshape(dx, whole)};
}

std::vector<ValueId> batchNormTrainGrad(Builder& b, const Node& node) {
  const Term g{&b, node.inputs[0]}, x{&b, node.inputs[1]}, scale{&b, node.inputs[2]};
  const int rank = b.shape(x).rank();
  std::vector<int64_t> axes;
  for (int i = 0; i < rank; ++i)
    if (i != 1) axes.push_back(i - rank);
  return {normalisedGradient(g * perChannel(scale, rank), x, axes, node.attributes.real("epsilon"), true)};
}

/// Sums over neighbouring channels, `before` to `after` of each, of a tensor whose channels are counted from the end.
Term overNeighbours(Term x, int channelAxis, int64_t before, int64_t after) {
  Builder& b = *x.builder;
  const Shape shape = b.shape(x);
  std::vector<int64_t> pads(static_cast<size_t>(2 * shape.rank()), 0);
  pads[static_cast<size_t>(channelAxis)] = before;
  pads[static_cast<size_t>(shape.rank() + channelAxis)] = after;
  const Term wide{&b, b.node("pad", {x, b.integers(pads)})};
  Term sum{&b, kNone};
  for (int64_t i = 0; i <= before + after; ++i) {
    const Term part{&b, b.node("slice", {wide, b.integers({i}), b.integers({i + shape[channelAxis]}), b.integers({channelAxis})})};
    sum = i == 0 ? part : sum + part;
  }
  return sum;
}

/// g s^-b - 2 a b / size · x · (sums over those whose neighbour a channel is of g x s^(-b-1)).
std::vector<ValueId> lrnGrad(Builder& b, const Node& node) {
  const Term g{&b, node.inputs[0]}, x{&b, node.inputs[1]};
  const int64_t size = node.attributes.integer("size"), before = (size - 1) / 2, after = size / 2;
  const double alpha = node.attributes.real("alpha") / static_cast<double>(size), beta = node.attributes.real("beta");
  const Term scale = overNeighbours(x * x, 1, before, after) * alpha + node.attributes.real("bias");
  const Term shared = g * (x * pow(scale, number(x, -beta - 1)));
  return {g * pow(scale, number(x, -beta)) - 2 * alpha * beta * (x * overNeighbours(shared, 2, after, before))};
}

const bool registered = [] {
  RegisterDecomposition{"softmaxGrad", softmaxGrad};
  RegisterDecomposition{"logSoftmaxGrad", logSoftmaxGrad};
  RegisterDecomposition{"layerNormGrad", layerNormGrad<true>};
  RegisterDecomposition{"rmsNormGrad", layerNormGrad<false>};
  RegisterDecomposition{"groupNormGrad", groupNormGrad};
  RegisterDecomposition{"lrnGrad", lrnGrad};
  RegisterDecomposition{"batchNormTrainGrad", batchNormTrainGrad};
  return true;
}();

}  // namespace
}  // namespace ascribe
