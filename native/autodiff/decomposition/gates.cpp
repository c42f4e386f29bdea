#include <numbers>

#include "autodiff/rule.h"

/// The backward halves of smooth activations, (g [K, ...], saved [...]) -> g · slope, spelt out for a second derivative.
namespace ascribe {
namespace {
using namespace calculus;

template <Term (*slope)(Term saved, const Attributes&)>
std::vector<ValueId> gate(Builder& b, const Node& node) {
  return {Term{&b, node.inputs[0]} * slope({&b, node.inputs[1]}, node.attributes)};
}

Term gelu(Term x, const Attributes& attributes) {
  if (attributes.text("approximate") == "tanh") {  // ½ x (1 + tanh u), u = √(2/π) (x + 0.044715 x³)
    const double root = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
    const Term square = x * x, t = tanh(root * (x + 0.044715 * (square * x)));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (root * (1 + 3 * 0.044715 * square));
  }
  const Term density = exp(-0.5 * (x * x)) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  return 0.5 * (1 + erf(x * (1 / std::numbers::sqrt2))) + x * density;
}

Term sigmoidSlope(Term y, const Attributes&) { return y * (1 - y); }
Term tanhSlope(Term y, const Attributes&) { return 1 - y * y; }
Term elu(Term x, const Attributes& attributes) {
  return where(x > 0, number(x, 1), attributes.real("alpha") * exp(minimum(x, 0)));
}
Term silu(Term x, const Attributes&) {
  const Term s = sigmoid(x);
  return s * (1 + x * (1 - s));
}
Term hardSwish(Term x, const Attributes&) { return only(x > -3, where(x >= 3, number(x, 1), (2 * x + 3) / 6)); }

const bool registered = [] {
  RegisterDecomposition("sigmoidGrad", gate<sigmoidSlope>);
  RegisterDecomposition("tanhGrad", gate<tanhSlope>);
  RegisterDecomposition("eluGrad", gate<elu>);
  RegisterDecomposition("geluGrad", gate<gelu>);
  RegisterDecomposition("siluGrad", gate<silu>);
  RegisterDecomposition("hardSwishGrad", gate<hardSwish>);
  return true;
}();

}  // namespace
}  // namespace ascribe
