#include "graph/op.h"
#include "kernels/reference/activations.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"

namespace ascribe::reference {
namespace {

template <auto F>
constexpr auto apply = [](const KernelArguments& k, auto zero) {
  using T = decltype(zero);
  const T* x = k.inputs[0].as<T>();
  T* y = k.outputs[0].as<T>();
  for (int64_t i = 0, n = k.outputs[0].count(); i < n; ++i) y[i] = narrow<T>(F(Wide<T>(x[i])));
};
template <auto F>
void ofReals(const KernelArguments& k, const Node&) {
  onFloating(k.inputs[0].dtype, [&](auto zero) { apply<F>(k, zero); });
}
template <auto F>
void ofNumbers(const KernelArguments& k, const Node&) {
  onNumeric(k.inputs[0].dtype, [&](auto zero) { apply<F>(k, zero); });
}
/// F is a type made from the node's attributes.
template <class F>
void withAttributes(const KernelArguments& k, const Node& node) {
  const F f(node.attributes);
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = k.inputs[0].as<T>();
    T* y = k.outputs[0].as<T>();
    for (int64_t i = 0, n = k.outputs[0].count(); i < n; ++i) y[i] = narrow<T>(f(Wide<T>(x[i])));
  });
}

/// Integers too (shape arithmetic is clipped now and then); the bounds are doubles, exact to 2^53.
void clip(const KernelArguments& k, const Node& node) {
  const Clip f(node.attributes);
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = k.inputs[0].as<T>();
    T* y = k.outputs[0].as<T>();
    const int64_t n = k.outputs[0].count();
    if constexpr (isFloat<T>) {
      for (int64_t i = 0; i < n; ++i) y[i] = narrow<T>(f(Wide<T>(x[i])));
    } else {
      for (int64_t i = 0; i < n; ++i) {
        const auto value = static_cast<double>(x[i]);
        y[i] = x[i];
        if (value < f.low) y[i] = saturated<T>(f.low);
        if (static_cast<double>(y[i]) > f.high) y[i] = saturated<T>(f.high);
      }
    }
  });
}

void logicalNot(const KernelArguments& k, const Node&) {
  for (int64_t i = 0, n = k.outputs[0].count(); i < n; ++i)
    k.outputs[0].as<uint8_t>()[i] = k.inputs[0].as<uint8_t>()[i] == 0;
}
void isNan(const KernelArguments& k, const Node&) {
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0, n = k.outputs[0].count(); i < n; ++i)
      k.outputs[0].as<uint8_t>()[i] = isnan(k.inputs[0].as<T>()[i]);
  });
}
void isInf(const KernelArguments& k, const Node& node) {
  const bool negative = node.attributes.integer("detectNegative"), positive = node.attributes.integer("detectPositive");
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0, n = k.outputs[0].count(); i < n; ++i) {
      const T x = k.inputs[0].as<T>()[i];
      k.outputs[0].as<uint8_t>()[i] = isinf(x) && (x > T(0) ? positive : negative);
    }
  });
}

// At 0 the derivative of |x| is 0; `x * 0` hands NaN on.
constexpr auto size = [](auto x) {
  using W = decltype(x);
  return x > W(0) ? x : x < W(0) ? minus(W(0), x) : x * W(0);
};
constexpr auto sign = [](auto x) {
  using W = decltype(x);
  return x > W(0) ? W(1) : x < W(0) ? W(-1) : x * W(0);
};
constexpr auto relu = [](auto x) { return x <= decltype(x)(0) ? decltype(x)(0) : x; };

const Registered kernels[] = {
    {"neg", ofNumbers<[](auto x) { return minus(decltype(x)(0), x); }>, numeric},
    {"abs", ofNumbers<size>, numeric},
    {"sign", ofNumbers<sign>, numeric},
    {"relu", ofNumbers<relu>, numeric},
    {"exp", ofReals<[](auto x) { return exp(x); }>, floating},
    {"log", ofReals<[](auto x) { return log(x); }>, floating},
    {"sqrt", ofReals<[](auto x) { return sqrt(x); }>, floating},
    {"reciprocal", ofReals<[](auto x) { return 1.0 / x; }>, floating},
    {"floor", ofReals<[](auto x) { return floor(x); }>, floating},
    {"ceil", ofReals<[](auto x) { return ceil(x); }>, floating},
    {"round", ofReals<[](auto x) { return rint(x); }>, floating},  // halves to even
    {"sin", ofReals<[](auto x) { return sin(x); }>, floating},
    {"cos", ofReals<[](auto x) { return cos(x); }>, floating},
    {"tan", ofReals<[](auto x) { return tan(x); }>, floating},
    {"asin", ofReals<[](auto x) { return asin(x); }>, floating},
    {"acos", ofReals<[](auto x) { return acos(x); }>, floating},
    {"atan", ofReals<[](auto x) { return atan(x); }>, floating},
    {"sinh", ofReals<[](auto x) { return sinh(x); }>, floating},
    {"cosh", ofReals<[](auto x) { return cosh(x); }>, floating},
    {"tanh", ofReals<[](auto x) { return tanh(x); }>, floating},
    {"asinh", ofReals<[](auto x) { return asinh(x); }>, floating},
    {"acosh", ofReals<[](auto x) { return acosh(x); }>, floating},
    {"atanh", ofReals<[](auto x) { return atanh(x); }>, floating},
    {"erf", ofReals<[](auto x) { return erf(x); }>, floating},
    {"sigmoid", ofReals<[](auto x) { return sigmoid(x); }>, floating},
    {"softplus", ofReals<[](auto x) { return softplus(x); }>, floating},
    {"softsign", ofReals<[](auto x) { return x / (1.0 + (x < 0 ? -x : x)); }>, floating},
    {"silu", ofReals<[](auto x) { return x * sigmoid(x); }>, floating},
    {"mish", ofReals<[](auto x) { return x * tanh(softplus(x)); }>, floating},
    {"hardSwish", ofReals<[](auto x) { return x * unitClip(x * (1.0 / 6) + 0.5); }>, floating},
    {"leakyRelu", withAttributes<LeakyRelu>, floating},
    {"elu", withAttributes<Elu>, floating},
    {"celu", withAttributes<Celu>, floating},
    {"selu", withAttributes<Selu>, floating},
    {"thresholdedRelu", withAttributes<ThresholdedRelu>, floating},
    {"hardSigmoid", withAttributes<HardSigmoid>, floating},
    {"gelu", withAttributes<Gelu>, floating},
    {"clip", clip, numeric},
    {"not", logicalNot, boolean},
    {"isNan", isNan, floating},
    {"isInf", isInf, floating},
};

}  // namespace
}  // namespace ascribe::reference
