#include "graph/op.h"
#include "kernels/cuda_bridge/cuda_kernel.h"

namespace ascribe::cuda_bridge {
namespace {

struct Named {
  std::string_view op;
  int code;
};
constexpr Named kUnary[] = {
    {"neg", ASCRIBE_CUDA_NEG}, {"abs", ASCRIBE_CUDA_ABS}, {"sign", ASCRIBE_CUDA_SIGN}, {"reciprocal", ASCRIBE_CUDA_RECIPROCAL},
    {"sqrt", ASCRIBE_CUDA_SQRT}, {"floor", ASCRIBE_CUDA_FLOOR}, {"ceil", ASCRIBE_CUDA_CEIL}, {"round", ASCRIBE_CUDA_ROUND},
    {"exp", ASCRIBE_CUDA_EXP}, {"log", ASCRIBE_CUDA_LOG}, {"tanh", ASCRIBE_CUDA_TANH}, {"sigmoid", ASCRIBE_CUDA_SIGMOID},
    {"erf", ASCRIBE_CUDA_ERF}, {"softplus", ASCRIBE_CUDA_SOFTPLUS}, {"softsign", ASCRIBE_CUDA_SOFTSIGN}, {"silu", ASCRIBE_CUDA_SILU},
    {"mish", ASCRIBE_CUDA_MISH}, {"hardSwish", ASCRIBE_CUDA_HARD_SWISH}, {"relu", ASCRIBE_CUDA_RELU}, {"leakyRelu", ASCRIBE_CUDA_LEAKY_RELU},
    {"elu", ASCRIBE_CUDA_ELU}, {"celu", ASCRIBE_CUDA_CELU}, {"thresholdedRelu", ASCRIBE_CUDA_THRESHOLDED_RELU}, {"selu", ASCRIBE_CUDA_SELU},
    {"hardSigmoid", ASCRIBE_CUDA_HARD_SIGMOID}, {"clip", ASCRIBE_CUDA_CLIP}, {"gelu", ASCRIBE_CUDA_GELU}, {"sin", ASCRIBE_CUDA_SIN},
    {"cos", ASCRIBE_CUDA_COS}, {"tan", ASCRIBE_CUDA_TAN}, {"asin", ASCRIBE_CUDA_ASIN}, {"acos", ASCRIBE_CUDA_ACOS}, {"atan", ASCRIBE_CUDA_ATAN},
    {"sinh", ASCRIBE_CUDA_SINH}, {"cosh", ASCRIBE_CUDA_COSH}, {"asinh", ASCRIBE_CUDA_ASINH}, {"acosh", ASCRIBE_CUDA_ACOSH}, {"atanh", ASCRIBE_CUDA_ATANH},
};
constexpr Named kBinary[] = {
    {"add", ASCRIBE_CUDA_ADD}, {"sub", ASCRIBE_CUDA_SUB}, {"mul", ASCRIBE_CUDA_MUL}, {"div", ASCRIBE_CUDA_DIV}, {"min", ASCRIBE_CUDA_MIN},
    {"max", ASCRIBE_CUDA_MAX}, {"pow", ASCRIBE_CUDA_POW}, {"prelu", ASCRIBE_CUDA_PRELU}, {"reluGrad", ASCRIBE_CUDA_RELU_GRAD},
    {"sigmoidGrad", ASCRIBE_CUDA_SIGMOID_GRAD}, {"tanhGrad", ASCRIBE_CUDA_TANH_GRAD}, {"siluGrad", ASCRIBE_CUDA_SILU_GRAD},
    {"hardSwishGrad", ASCRIBE_CUDA_HARD_SWISH_GRAD}, {"leakyReluGrad", ASCRIBE_CUDA_LEAKY_RELU_GRAD}, {"eluGrad", ASCRIBE_CUDA_ELU_GRAD},
    {"clipGrad", ASCRIBE_CUDA_CLIP_GRAD}, {"hardSigmoidGrad", ASCRIBE_CUDA_HARD_SIGMOID_GRAD}, {"geluGrad", ASCRIBE_CUDA_GELU_GRAD},
};
constexpr Named kComparisons[] = {
    {"equal", ASCRIBE_CUDA_EQUAL}, {"less", ASCRIBE_CUDA_LESS}, {"lessOrEqual", ASCRIBE_CUDA_LESS_OR_EQUAL}, {"greater", ASCRIBE_CUDA_GREATER},
    {"greaterOrEqual", ASCRIBE_CUDA_GREATER_OR_EQUAL}, {"and", ASCRIBE_CUDA_AND}, {"or", ASCRIBE_CUDA_OR}, {"xor", ASCRIBE_CUDA_XOR},
};
template <size_t N>
int codeOf(const Named (&list)[N], std::string_view op) {
  for (const Named& named : list)
    if (named.op == op) return named.code;
  return -1;
}

/// The two numbers that an op's attributes give its formula.
void setReals(PreparedCall& call, const Node& node) {
  const Attributes& a = node.attributes;
  if (a.has("min")) call.reals(a.real("min"), a.real("max"));
  else if (a.has("gamma")) call.reals(a.real("alpha"), a.real("gamma"));
  else if (a.has("alpha")) call.reals(a.real("alpha"), a.has("beta") ? a.real("beta") : 0);
}
bool isTanhForm(const Node& node) { return node.attributes.has("approximate") && node.attributes.text("approximate") == "tanh"; }

Calls unary(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !isSmall(s)) return {};
  PreparedCall call(ASCRIBE_CUDA_UNARY, isTanhForm(s.node) ? int{ASCRIBE_CUDA_GELU_TANH} : codeOf(kUnary, s.node.op->name));
  setReals(call, s.node);
  return {call.input(0, s.inputs[0]).output(0, s.outputs[0])};
}
Calls logicalNot(const NodeSignature& s) {
  if (!isSmall(s)) return {};
  return {PreparedCall(ASCRIBE_CUDA_UNARY, ASCRIBE_CUDA_NOT).input(0, s.inputs[0]).output(0, s.outputs[0])};
}

/// All operands over the result's dims.
Calls broadcast(const NodeSignature& s, PreparedCall call) {
  const Shape& out = s.outputs[0].shape;
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    const Strides strides = broadcastStrides(s.inputs[i].shape, out);
    call.input(i, s.inputs[i], out, &strides);
  }
  return {call.output(0, s.outputs[0])};
}
Calls binary(const NodeSignature& s) {
  const int code = codeOf(kBinary, s.node.op->name);
  const DType type = s.inputs[0].dtype;
  const bool integers = (type == DType::I64 || type == DType::I32) && (code == ASCRIBE_CUDA_ADD || code == ASCRIBE_CUDA_SUB || code == ASCRIBE_CUDA_MUL || code == ASCRIBE_CUDA_MIN || code == ASCRIBE_CUDA_MAX);
  if ((type != DType::F32 && !integers) || !isSmall(s)) return {};
  PreparedCall call(ASCRIBE_CUDA_BINARY, isTanhForm(s.node) ? int{ASCRIBE_CUDA_GELU_TANH_GRAD} : code);
  setReals(call, s.node);
  return broadcast(s, std::move(call));
}
Calls comparison(const NodeSignature& s) {
  const DType type = s.inputs[0].dtype;
  const int code = codeOf(kComparisons, s.node.op->name);
  const bool logical = code >= ASCRIBE_CUDA_AND;
  if ((logical ? type != DType::Bool : type != DType::F32 && type != DType::I64 && type != DType::I32 && type != DType::Bool) || !isSmall(s)) return {};
  return broadcast(s, PreparedCall(ASCRIBE_CUDA_COMPARE, code));
}
Calls where(const NodeSignature& s) {
  if (sizeOf(s.outputs[0].dtype) > 8 || !isSmall(s)) return {};
  return broadcast(s, PreparedCall(ASCRIBE_CUDA_SELECT));
}
/// Reals become integers on the host: what lies outside their range is decided there.
Calls cast(const NodeSignature& s) {
  const DType from = s.inputs[0].dtype, to = s.outputs[0].dtype;
  const auto isKnown = [](DType type) { return type == DType::F32 || type == DType::I64 || type == DType::I32 || type == DType::Bool; };
  if (!isKnown(from) || !isKnown(to) || (from == DType::F32 && to != DType::F32 && to != DType::Bool) || !isSmall(s)) return {};
  return {PreparedCall(ASCRIBE_CUDA_CAST).input(0, s.inputs[0]).output(0, s.outputs[0])};
}

Calls interpolate(const NodeSignature& s) {
  if (!isF32(s.outputs[0]) || !isSmall(s)) return {};
  PreparedCall call(ASCRIBE_CUDA_INTERPOLATE);
  for (size_t i = 0; i < 3; ++i) call.input(i, s.inputs[i]);
  return {call.output(0, s.outputs[0])};
}

Calls addNoise(const NodeSignature& s) {
  if (!isF32(s.outputs[0]) || !isSmall(s)) return {};
  return {PreparedCall(ASCRIBE_CUDA_ADD_NOISE).input(0, s.inputs[0]).input(1, s.inputs[1]).output(0, s.outputs[0])
              .integers({s.node.attributes.integer("column"), s.node.attributes.integer("first")})};
}

const bool all = [] {
  for (const Named& named : kUnary) registered<unary>(named.op);
  for (const Named& named : kBinary) registered<binary>(named.op);
  for (const Named& named : kComparisons) registered<comparison>(named.op);
  registered<logicalNot>("not");
  registered<where>("where");
  registered<cast>("cast");
  registered<interpolate>("interpolate");
  registered<addNoise>("addNoise");
  return true;
}();

}  // namespace
}  // namespace ascribe::cuda_bridge
