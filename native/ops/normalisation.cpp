#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

void requirePerChannel(InferContext& c, int from, int to) {
  for (int i = from; i < to; ++i)
    c.require(!c.has(i) || (c.shape(i) == Shape{c.shape(0)[1]} && c.dtype(i) == c.dtype(0)),
              "scale, bias, mean and variance must be one value per channel, of the data's element type");
}
void batchNorm(InferContext& c) {
  c.require(c.shape(0).rank() >= 2, "needs [N,C,…]");
  requirePerChannel(c, 1, 5);
  same(c);
}
/// outputs: y, new running mean, new running variance
void batchNormTrain(InferContext& c) {
  c.require(c.shape(0).rank() >= 2, "needs [N,C,…]");
  requirePerChannel(c, 1, 5);
  c.output(0, c.dtype(0), c.shape(0));
  for (int i = 1; i < c.outputCount(); ++i) c.output(i, c.dtype(0), Shape{c.shape(0)[1]});
}
/// g [K, ...x], x, scale
void batchNormTrainGrad(InferContext& c) { same(c); }

Shape normalisedShape(InferContext& c, const Shape& x) {
  const int axis = normaliseAxis(c.attributes().integer("axis"), x.rank());
  c.resolve("axis", int64_t{axis - x.rank()});  // counted from the end, so that a cotangent axis does not move it
  return Shape(x.dims().subspan(static_cast<size_t>(axis)));
}
void layerNorm(InferContext& c) {
  const Shape normalised = normalisedShape(c, c.shape(0));
  for (int i = 1; i < c.inputCount(); ++i)
    c.require(!c.has(i) || (c.dtype(i) == c.dtype(0) && broadcast(c.shape(i), normalised) == normalised), "scale and bias do not fit the normalised axes");
  same(c);
}
/// g [K, ...x], x, scale?
void normGrad(InferContext& c) { same(c); }

/// x [N, C, spatial…], scale [C], bias [C]; groups 0 means one per channel (instance norm).
void groupNorm(InferContext& c) {
  c.require(c.shape(0).rank() >= 2, "needs [N,C,…]");
  int64_t groups = c.attributes().integer("groups");
  if (groups == 0) groups = c.shape(0)[1];
  c.require(groups > 0 && c.shape(0)[1] % groups == 0, "the channels cannot be divided into the groups");
  requirePerChannel(c, 1, 3);
  c.resolve("groups", groups);
  same(c);
}
void lrn(InferContext& c) {
  c.require(c.shape(0).rank() >= 2 && c.attributes().integer("size") > 0, "needs [N,C,…] and a positive size");
  same(c);
}
void alongAxis(InferContext& c) {
  const int rank = c.shape(0).rank();
  if (rank == 0) return same(c);
  c.resolve("axis", int64_t{normaliseAxis(c.attributes().integer("axis"), rank) - rank});
  same(c);
}
/// g [K, ...y], y
void alongAxisGrad(InferContext& c) {
  c.require(c.attributes().integer("axis") < 0, "the axis must be counted from the end");
  same(c);
}

const bool registered = [] {
  const auto composite = [](const char* name, int minInputs, int maxInputs, std::vector<AttributeSpec> attributes, void (*infer)(InferContext&), int maxOutputs = 1) {
    RegisterOp({.name = name, .opClass = OpClass::Composite, .minInputs = minInputs, .maxInputs = maxInputs, .maxOutputs = maxOutputs, .attributes = std::move(attributes), .infer = infer});
  };
  composite("batchNorm", 5, 5, {real("epsilon", 1e-5)}, batchNorm);
  composite("batchNormTrain", 5, 5, {real("epsilon", 1e-5), real("momentum", 0.9)}, batchNormTrain, 3);
  composite("batchNormTrainGrad", 3, 3, {real("epsilon", 1e-5)}, batchNormTrainGrad);
  composite("layerNorm", 1, 3, {integer("axis", -1), real("epsilon", 1e-5)}, layerNorm);
  composite("layerNormGrad", 2, 3, {integer("axis", -1), real("epsilon", 1e-5)}, normGrad);
  composite("rmsNorm", 1, 2, {integer("axis", -1), real("epsilon", 1e-5)}, layerNorm);
  composite("rmsNormGrad", 2, 3, {integer("axis", -1), real("epsilon", 1e-5)}, normGrad);
  composite("groupNorm", 1, 3, {integer("groups", 0), real("epsilon", 1e-5)}, groupNorm);
  composite("groupNormGrad", 2, 3, {requiredInteger("groups"), real("epsilon", 1e-5)}, normGrad);
  composite("lrn", 1, 1, {requiredInteger("size"), real("alpha", 1e-4), real("beta", 0.75), real("bias", 1)}, lrn);
  composite("lrnGrad", 2, 2, {requiredInteger("size"), real("alpha", 1e-4), real("beta", 0.75), real("bias", 1)}, normGrad);
  composite("softmax", 1, 1, {integer("axis", -1)}, alongAxis);
  composite("softmaxGrad", 2, 2, {integer("axis", -1)}, alongAxisGrad);
  composite("logSoftmax", 1, 1, {integer("axis", -1)}, alongAxis);
  composite("logSoftmaxGrad", 2, 2, {integer("axis", -1)}, alongAxisGrad);
  return true;
}();

}  // namespace
}  // namespace ascribe
