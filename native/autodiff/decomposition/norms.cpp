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

const bool registered = [] {
  RegisterDecomposition{"softmaxGrad", softmaxGrad};
  RegisterDecomposition{"logSoftmaxGrad", logSoftmaxGrad};
  RegisterDecomposition{"layerNormGrad", layerNormGrad<true>};
  RegisterDecomposition{"rmsNormGrad", layerNormGrad<false>};
  RegisterDecomposition{"groupNormGrad", groupNormGrad};
  RegisterDecomposition{"batchNormTrainGrad", batchNormTrainGrad};
  return true;
}();

}  // namespace
}  // namespace ascribe
