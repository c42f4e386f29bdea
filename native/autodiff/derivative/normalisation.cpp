#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// All axes but 1, counted for a tensor without cotangent axis.
std::vector<int64_t> overExamples(int rank) {
  std::vector<int64_t> axes;
  for (int i = 0; i < rank; ++i)
    if (i != 1) axes.push_back(i);
  return axes;
}

/// y = (x - mean) / sqrt(variance + e) · scale + bias, each statistic per channel.
void batchNorm(VjpContext& c) {
  const int rank = c.outputShape().rank();
  const Term x = operand(c, 0), g = cotangent(c);
  const Term scale = operand(c, 1), mean = operand(c, 3), variance = operand(c, 4);
  const auto wide = [&](Term channel) { return perChannel(channel, rank); };
  const auto reduce = [&](size_t i, Term value) { c.gradientReduced(i, value, wide(operand(c, i))); };
  const double epsilon = c.attributes().real("epsilon");
  const Term inverse = 1 / sqrt(variance + epsilon);
  if (c.wants(0)) c.gradient(0, g * wide(scale * inverse));
  if (c.wants(1)) reduce(1, g * ((x - wide(mean)) * wide(inverse)));
  if (c.wants(2)) reduce(2, g);
  if (c.wants(3)) reduce(3, -(g * wide(scale * inverse)));
  if (c.wants(4)) reduce(4, g * ((x - wide(mean)) * wide(-0.5 * scale * inverse * inverse * inverse)));
}

struct Statistics {
  Term mean, variance, normalised;
};
/// Mean, population variance and (x - mean) / sqrt(variance + e) over these axes, kept as ones.
Statistics normalise(Term x, const std::vector<int64_t>& axes, double epsilon) {
  const Term mu = mean(x, axes), centred = x - mu, variance = mean(centred * centred, axes);
  return {mu, variance, centred / sqrt(variance + epsilon)};
}

/// The statistics are the batch's own, so x acts through them as well; so do the running averages that come out.
std::vector<ValueId> decomposeBatchNormTrain(Builder& b, const Node& node) {
  const Term x{&b, node.inputs[0]}, scale{&b, node.inputs[1]}, bias{&b, node.inputs[2]};
  const int rank = b.shape(x).rank();
  const Statistics s = normalise(x, overExamples(rank), node.attributes.real("epsilon"));
  const double momentum = node.attributes.real("momentum");
  const Shape channels = b.shape(scale);
  std::vector<ValueId> out{s.normalised * perChannel(scale, rank) + perChannel(bias, rank)};
  if (node.outputs.size() > 1) out.push_back(momentum * Term{&b, node.inputs[3]} + (1 - momentum) * reshape(s.mean, channels));
  if (node.outputs.size() > 2) out.push_back(momentum * Term{&b, node.inputs[4]} + (1 - momentum) * reshape(s.variance, channels));
  return out;
}
void batchNormTrain(VjpContext& c) {
  for (size_t i = 1; i < c.node().outputs.size(); ++i)
    if (c.cotangent(i) != kNone) {
      const Node node = c.node();
      return c.differentiate(decomposeBatchNormTrain(c.b, node));
    }
  const int rank = c.outputShape().rank();
  const double epsilon = c.attributes().real("epsilon");
  const Term x = operand(c, 0), g = cotangent(c);
  if (c.wants(0)) c.gradient(0, c.b.node("batchNormTrainGrad", {g, x, c.input(1)}, {{"epsilon", epsilon}}));
  if (c.wants(1)) c.gradientReduced(1, g * normalise(x, overExamples(rank), epsilon).normalised, perChannel(operand(c, 1), rank));
  if (c.wants(2)) c.gradientReduced(2, g, perChannel(operand(c, 2), rank));
}

/// layerNorm, rmsNorm, groupNorm: y = normalised(x) · scale + bias, with one fused op for the gradient of x.
template <bool channels>
void norm(VjpContext& c) {
  const Node node = c.node();
  const int rank = c.outputShape().rank();
  const Term g = cotangent(c), x = operand(c, 0);
  const auto seen = [&](size_t i) { return channels ? perChannel(operand(c, i), rank) : operand(c, i); };
  if (c.wants(0)) {
    std::vector<ValueId> saved{g, x};
    if (c.has(1)) saved.push_back(c.input(1));
    c.gradient(0, c.b.node(node.op->name + "Grad", saved, node.attributes));
  }
  if (c.wants(1)) c.gradientReduced(1, g * apply(node.op->name, x, node.attributes), seen(1));
  if (c.wants(2)) c.gradientReduced(2, g, seen(2));
}

void softmax(VjpContext& c) {
  c.gradient(0, apply(c.node().op->name + "Grad", cotangent(c), result(c), pick(c.attributes(), {"axis"})));
}

const bool registered = [] {
  rule("batchNorm", batchNorm);
  rule("batchNormTrain", batchNormTrain);
  RegisterDecomposition{"batchNormTrain", decomposeBatchNormTrain};
  rule("layerNorm", norm<false>);
  rule("rmsNorm", norm<false>);
  rule("groupNorm", norm<true>);
  rule("lrn", [](VjpContext& c) { c.gradient(0, apply("lrnGrad", cotangent(c), operand(c, 0), c.attributes())); });
  rule("softmax", softmax);
  rule("logSoftmax", softmax);
  return true;
}();

}  // namespace
}  // namespace ascribe
