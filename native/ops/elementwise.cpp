#include <limits>

#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

void boolean(InferContext& c) { c.output(DType::Bool, c.shape(0)); }
void castTo(InferContext& c) {
  const auto to = dtypeFromName(c.attributes().text("to"));
  c.require(to.has_value(), "cannot cast to this element type");
  // A double or dual plan keeps its precision through casts to any floating type.
  const DType from = c.dtype(0);
  const bool wide = from == DType::F64 || from == DType::Dual;
  c.output(isFloating(*to) && wide && c.attributes().integer("keepPrecision") ? from : *to, c.shape(0));
}
void select(InferContext& c) {
  c.require(c.dtype(0) == DType::Bool, "the condition must be boolean");
  c.require(c.dtype(1) == c.dtype(2), "the two choices have different element types");
  c.output(c.dtype(1), broadcast(c.shape(0), broadcast(c.shape(1), c.shape(2))));
}

void gateBits(InferContext& c) {
  const int64_t elements = c.attributes().integer("elements");
  c.require(c.dtype(0) == DType::F32, "gates are of single precision");
  c.require(elements >= c.shape(0).count(), "there are more elements than bits");
  c.output(DType::U8, Shape{elements / 8 + (elements % 8 != 0)});
}
void bitGateGrad(InferContext& c) {
  const int64_t elements = c.attributes().integer("elements");
  c.require(c.dtype(1) == DType::U8 && c.shape(1).rank() == 1 && elements >= 0 && c.shape(1)[0] == elements / 8 + (elements % 8 != 0), "these are not the bits of that many elements");
  c.require(c.shape(0).rank() > 0 && c.shape(0).count(1, c.shape(0).rank()) <= elements, "there are more elements than bits");
  same(c);
}

void unary(const char* name, std::vector<AttributeSpec> attributes = {}, void (*infer)(InferContext&) = same) {
  RegisterOp({.name = name, .attributes = std::move(attributes), .infer = infer, .elementwise = true});
}
void binary(const char* name, void (*infer)(InferContext&) = broadcasting, std::vector<AttributeSpec> attributes = {}) {
  RegisterOp({.name = name, .minInputs = 2, .maxInputs = 2, .attributes = std::move(attributes), .infer = infer, .elementwise = true});
}
/// (gradient [K,...S], saved [...S]) -> [K,...S]: what fused backward kernels are made of.
void gate(const char* name, std::vector<AttributeSpec> attributes = {}) {
  binary(name, gradientElementwise, std::move(attributes));
}

const bool registered = [] {
  for (const char* name : {"neg", "abs", "sign", "exp", "log", "sqrt", "reciprocal", "floor", "ceil", "round", "sin", "cos",
                           "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "sigmoid",
                           "relu", "softplus", "softsign", "silu", "hardSwish", "mish", "not"})
    unary(name);
  unary("isNan", {}, boolean);
  unary("isInf", {integer("detectNegative", 1), integer("detectPositive", 1)}, boolean);
  unary("leakyRelu", {real("alpha", 0.01)});
  unary("elu", {real("alpha", 1)});
  unary("celu", {real("alpha", 1)});
  unary("selu", {real("alpha", 1.67326319217681884765625), real("gamma", 1.05070102214813232421875)});
  unary("thresholdedRelu", {real("alpha", 1)});
  unary("hardSigmoid", {real("alpha", 0.2), real("beta", 0.5)});
  unary("gelu", {text("approximate", "none")});
  unary("clip", {real("min", -1e308), real("max", 1e308)});
  unary("cast", {requiredText("to"), integer("keepPrecision", 1)}, castTo);

  for (const char* name : {"add", "sub", "mul", "div", "pow", "min", "max", "and", "or", "xor", "prelu"}) binary(name);
  binary("mod", broadcasting, {integer("truncated", 0)});
  for (const char* name : {"equal", "less", "lessOrEqual", "greater", "greaterOrEqual"}) binary(name, comparison);
  RegisterOp({.name = "where", .minInputs = 3, .maxInputs = 3, .infer = select, .elementwise = true});

  gate("reluGrad");         // saved: y
  // What save-gates-as-bits makes of gates: bit i says whether stored element i lies between the two.
  RegisterOp({.name = "gateBits", .attributes = {requiredInteger("elements"), real("low", 0), real("high", std::numeric_limits<double>::infinity())}, .infer = gateBits});
  RegisterOp({.name = "bitGateGrad", .minInputs = 2, .maxInputs = 2, .attributes = {requiredInteger("elements"), real("alpha", 0)}, .infer = bitGateGrad, .elementwise = true});
  gate("sigmoidGrad");      // saved: y
  gate("tanhGrad");         // saved: y
  gate("leakyReluGrad", {real("alpha", 0.01)});  // saved: y, x where alpha < 0
  gate("eluGrad", {real("alpha", 1)});
  gate("clipGrad", {real("min", -1e308), real("max", 1e308)});  // saved: y
  gate("geluGrad", {text("approximate", "none")});
  gate("siluGrad");
  gate("hardSwishGrad");
  gate("hardSigmoidGrad", {real("alpha", 0.2), real("beta", 0.5)});
  return true;
}();

}  // namespace
}  // namespace ascribe
