#include "graph/op.h"
#include "kernels/reference/activations.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

/// (gradient [K, ...S], saved [...S]): gradient times the derivative that F computes from what was saved. A
/// gradient of 0 stays 0 wherever the derivative is finite, and a closed gate passes 0 whatever the gradient is.
template <class T, class F>
void gateWith(const KernelArguments& k, F&& derivative) {
  using W = Wide<T>;
  const TensorRef &g = k.inputs[0], &saved = k.inputs[1];
  walk<1>(g.shape, {broadcastStrides(saved.shape, g.shape)}, [&](int64_t i, const auto& at) {
    const W d = derivative(W(saved.as<T>()[at[0]]));
    k.outputs[0].as<T>()[i] = d == W(0) ? narrow<T>(d) : narrow<T>(W(g.as<T>()[i]) * d);
  });
}
template <auto F>
void gate(const KernelArguments& k, const Node&) {
  onFloating(k.inputs[0].dtype, [&](auto zero) { gateWith<decltype(zero)>(k, F); });
}
template <class F>
void gateWithAttributes(const KernelArguments& k, const Node& node) {
  const F f(node.attributes);
  onFloating(k.inputs[0].dtype, [&](auto zero) { gateWith<decltype(zero)>(k, [&](auto x) { return f.derivative(x); }); });
}

struct LeakyReluGrad : LeakyRelu {
  using LeakyRelu::LeakyRelu;
  template <class W>
  W derivative(W x) const { return x > W(0) ? W(1) : W(alpha); }
};
struct EluGrad : Elu {
  using Elu::Elu;
  template <class W>
  W derivative(W x) const { return x > W(0) ? W(1) : exp(x) * alpha; }
};
struct ClipGrad : Clip {
  using Clip::Clip;
  template <class W>
  W derivative(W x) const { return x > W(low) && x < W(high) ? W(1) : W(0); }
};
struct HardSigmoidGrad : HardSigmoid {
  using HardSigmoid::HardSigmoid;
  template <class W>
  W derivative(W x) const {
    const W inner = x * alpha + beta;
    return inner > W(0) && inner < W(1) ? W(alpha) : W(0);
  }
};
struct GeluGrad : Gelu {
  using Gelu::Gelu;
  template <class W>
  W derivative(W x) const {
    constexpr double rootHalf = 0.70710678118654752440, rootTwoOverPi = 0.79788456080286535588;
    if (tangent) {
      const W t = tanh((x + x * x * x * 0.044715) * rootTwoOverPi);
      return (1.0 + t) * 0.5 + x * 0.5 * (1.0 - t * t) * (1.0 + x * x * (3 * 0.044715)) * rootTwoOverPi;
    }
    // x times the normal density is 0 at infinity, where the product would be NaN.
    const W density = exp(x * x * -0.5) * (rootTwoOverPi * 0.5);
    return (1.0 + erf(x * rootHalf)) * 0.5 + (isinf(x) ? W(0) : x * density);
  }
};

const Registered kernels[] = {
    {"reluGrad", gate<[](auto y) { return (y > decltype(y)(0)) ? decltype(y)(1) : decltype(y)(0); }>, floating},
    {"sigmoidGrad", gate<[](auto y) { return y * (1.0 - y); }>, floating},
    {"tanhGrad", gate<[](auto y) { return 1.0 - y * y; }>, floating},
    {"siluGrad", gate<[](auto x) { const auto s = sigmoid(x); return s * (1.0 + x * (1.0 - s)); }>, floating},
    {"hardSwishGrad", gate<[](auto x) {
       using W = decltype(x);
       return x <= W(-3) ? W(0) : (x >= W(3)) ? W(1) : x * (1.0 / 3) + 0.5;
     }>, floating},
    {"leakyReluGrad", gateWithAttributes<LeakyReluGrad>, floating},
    {"eluGrad", gateWithAttributes<EluGrad>, floating},
    {"clipGrad", gateWithAttributes<ClipGrad>, floating},
    {"geluGrad", gateWithAttributes<GeluGrad>, floating},
    {"hardSigmoidGrad", gateWithAttributes<HardSigmoidGrad>, floating},
};

}  // namespace
}  // namespace ascribe::reference
