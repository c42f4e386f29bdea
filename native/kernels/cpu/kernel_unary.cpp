#include <cmath>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/math_kernels.h"

namespace ascribe::cpu {
namespace {

void apply(const KernelArguments& k, Unary op, double a = 0, double b = 0) {
  const float* x = k.inputs[0].as<float>();
  float* y = k.outputs[0].as<float>();
  const MathKernels& math = *kernels().math;
  parallelFor(k.outputs[0].count(), kElementGrain, [&](int64_t begin, int64_t end) {
    math.unary(op, x + begin, y + begin, end - begin, static_cast<float>(a), static_cast<float>(b));
  });
}
template <Unary Op>
void plain(const KernelArguments& k, const Node&) { apply(k, Op); }
template <Unary Op>
void withAlpha(const KernelArguments& k, const Node& node) { apply(k, Op, node.attributes.real("alpha")); }

/// The rarer functions: the C library's, one at a time.
template <float (*F)(float)>
void scalar(const KernelArguments& k, const Node&) {
  const float* x = k.inputs[0].as<float>();
  float* y = k.outputs[0].as<float>();
  parallelFor(k.outputs[0].count(), 2048, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = F(x[i]);
  });
}

const RegisterKernelFunction registered[] = {
    {"neg", "cpu", plain<Unary::Neg>, takesF32},
    {"abs", "cpu", plain<Unary::Abs>, takesF32},
    {"sign", "cpu", plain<Unary::Sign>, takesF32},
    {"reciprocal", "cpu", plain<Unary::Reciprocal>, takesF32},
    {"sqrt", "cpu", plain<Unary::Sqrt>, takesF32},
    {"floor", "cpu", plain<Unary::Floor>, takesF32},
    {"ceil", "cpu", plain<Unary::Ceil>, takesF32},
    {"round", "cpu", plain<Unary::Round>, takesF32},
    {"exp", "cpu", plain<Unary::Exp>, takesF32},
    {"log", "cpu", plain<Unary::Log>, takesF32},
    {"tanh", "cpu", plain<Unary::Tanh>, takesF32},
    {"sigmoid", "cpu", plain<Unary::Sigmoid>, takesF32},
    {"erf", "cpu", plain<Unary::Erf>, takesF32},
    {"softplus", "cpu", plain<Unary::Softplus>, takesF32},
    {"softsign", "cpu", plain<Unary::Softsign>, takesF32},
    {"silu", "cpu", plain<Unary::Silu>, takesF32},
    {"mish", "cpu", plain<Unary::Mish>, takesF32},
    {"hardSwish", "cpu", plain<Unary::HardSwish>, takesF32},
    {"relu", "cpu", plain<Unary::Relu>, takesF32},
    {"leakyRelu", "cpu", withAlpha<Unary::LeakyRelu>, takesF32},
    {"elu", "cpu", withAlpha<Unary::Elu>, takesF32},
    {"celu", "cpu", withAlpha<Unary::Celu>, takesF32},
    {"thresholdedRelu", "cpu", withAlpha<Unary::ThresholdedRelu>, takesF32},
    {"selu", "cpu", [](const KernelArguments& k, const Node& node) {
       apply(k, Unary::Selu, node.attributes.real("alpha"), node.attributes.real("gamma"));
     }, takesF32},
    {"hardSigmoid", "cpu", [](const KernelArguments& k, const Node& node) {
       apply(k, Unary::HardSigmoid, node.attributes.real("alpha"), node.attributes.real("beta"));
     }, takesF32},
    {"clip", "cpu", [](const KernelArguments& k, const Node& node) {
       apply(k, Unary::Clip, node.attributes.real("min"), node.attributes.real("max"));
     }, takesF32},
    {"gelu", "cpu", [](const KernelArguments& k, const Node& node) {
       apply(k, node.attributes.text("approximate") == "tanh" ? Unary::GeluTanh : Unary::Gelu);
     }, takesF32},
    {"sin", "cpu", scalar<std::sin>, takesF32},
    {"cos", "cpu", scalar<std::cos>, takesF32},
    {"tan", "cpu", scalar<std::tan>, takesF32},
    {"asin", "cpu", scalar<std::asin>, takesF32},
    {"acos", "cpu", scalar<std::acos>, takesF32},
    {"atan", "cpu", scalar<std::atan>, takesF32},
    {"sinh", "cpu", scalar<std::sinh>, takesF32},
    {"cosh", "cpu", scalar<std::cosh>, takesF32},
    {"asinh", "cpu", scalar<std::asinh>, takesF32},
    {"acosh", "cpu", scalar<std::acosh>, takesF32},
    {"atanh", "cpu", scalar<std::atanh>, takesF32},
};

}  // namespace
}  // namespace ascribe::cpu
