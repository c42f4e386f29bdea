#pragma once
#include "graph/attributes.h"
#include "kernels/reference/types.h"

/// Activations as formulas of a double or a dual number. NaN passes through all of them but thresholdedRelu, as it
/// does in ONNX Runtime. Each kink belongs to the side whose derivative is smaller in size, as relu's does.
namespace ascribe::reference {

template <class W>
W sigmoid(W x) {
  if (x < W(0)) {
    const W e = exp(x);  // never overflows on this side
    return e / (1.0 + e);
  }
  return 1.0 / (1.0 + exp(-x));
}
template <class W>
W softplus(W x) { return x > W(0) ? x + log1p(exp(-x)) : log1p(exp(x)); }
template <class W>
W unitClip(W x) { return x <= W(0) ? W(0) : x >= W(1) ? W(1) : x; }

struct LeakyRelu {
  double alpha;
  explicit LeakyRelu(const Attributes& a) : alpha(a.real("alpha")) {}
  template <class W>
  W operator()(W x) const { return x > W(0) ? x : x * alpha; }
};
struct Elu {
  double alpha;
  explicit Elu(const Attributes& a) : alpha(a.real("alpha")) {}
  template <class W>
  W operator()(W x) const { return x > W(0) ? x : expm1(x) * alpha; }
};
struct Celu {
  double alpha;
  explicit Celu(const Attributes& a) : alpha(a.real("alpha")) {}
  template <class W>
  W operator()(W x) const { return x > W(0) ? x : expm1(x / alpha) * alpha; }
};
struct Selu {
  double alpha, gamma;
  explicit Selu(const Attributes& a) : alpha(a.real("alpha")), gamma(a.real("gamma")) {}
  template <class W>
  W operator()(W x) const { return x > W(0) ? x * gamma : expm1(x) * (alpha * gamma); }
};
struct ThresholdedRelu {
  double alpha;
  explicit ThresholdedRelu(const Attributes& a) : alpha(a.real("alpha")) {}
  template <class W>
  W operator()(W x) const { return x > W(alpha) ? x : W(0); }
};
struct HardSigmoid {
  double alpha, beta;
  explicit HardSigmoid(const Attributes& a) : alpha(a.real("alpha")), beta(a.real("beta")) {}
  template <class W>
  W operator()(W x) const { return unitClip(x * alpha + beta); }
};
struct Gelu {
  bool tangent;
  explicit Gelu(const Attributes& a) : tangent(a.text("approximate") == "tanh") {}
  template <class W>
  W operator()(W x) const {
    constexpr double rootHalf = 0.70710678118654752440, rootTwoOverPi = 0.79788456080286535588;
    if (tangent) return x * 0.5 * (1.0 + tanh((x + x * x * x * 0.044715) * rootTwoOverPi));
    return x * 0.5 * (1.0 + erf(x * rootHalf));
  }
};
/// The lower bound first, so that a lower bound above the upper one gives the upper one.
struct Clip {
  double low, high;
  explicit Clip(const Attributes& a) : low(a.real("min")), high(a.real("max")) {}
  template <class W>
  W operator()(W x) const {
    if (x <= W(low)) x = W(low);
    return x >= W(high) ? W(high) : x;
  }
};

}  // namespace ascribe::reference
