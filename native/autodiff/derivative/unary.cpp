#include <cmath>
#include <numbers>

#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// dy/dx from x and y.
template <auto slope>
void chain(VjpContext& c) {
  c.gradient(0, cotangent(c) * slope(operand(c, 0), result(c)));
}

/// Slope 0 wherever there is one: connected, and always zero.
void flat(VjpContext&) {}

const bool registered = [] {
  rule("neg", [](VjpContext& c) { c.gradient(0, -cotangent(c)); });
  rule("abs", chain<[](Term x, Term) { return sign(x); }>);  // 0 at 0
  for (const char* name : {"sign", "floor", "ceil", "round"}) rule(name, flat);

  rule("exp", chain<[](Term, Term y) { return y; }>);
  rule("log", [](VjpContext& c) { c.gradient(0, cotangent(c) / operand(c, 0)); });
  rule("sqrt", [](VjpContext& c) { c.gradient(0, cotangent(c) * 0.5 / result(c)); });
  rule("reciprocal", chain<[](Term, Term y) { return -(y * y); }>);
  rule("erf", chain<[](Term x, Term) { return 2 * std::numbers::inv_sqrtpi * exp(-(x * x)); }>);

  rule("sin", chain<[](Term x, Term) { return cos(x); }>);
  rule("cos", chain<[](Term x, Term) { return -sin(x); }>);
  rule("tan", chain<[](Term, Term y) { return 1 + y * y; }>);
  rule("asin", chain<[](Term x, Term) { return 1 / sqrt(1 - x * x); }>);
  rule("acos", chain<[](Term x, Term) { return -1 / sqrt(1 - x * x); }>);
  rule("atan", chain<[](Term x, Term) { return 1 / (1 + x * x); }>);

  rule("sinh", chain<[](Term x, Term) { return cosh(x); }>);
  rule("cosh", chain<[](Term x, Term) { return sinh(x); }>);
  rule("tanh", [](VjpContext& c) { c.gradient(0, apply("tanhGrad", cotangent(c), result(c))); });
  rule("asinh", chain<[](Term x, Term) { return 1 / sqrt(x * x + 1); }>);
  rule("acosh", chain<[](Term x, Term) { return 1 / sqrt(x * x - 1); }>);
  rule("atanh", chain<[](Term x, Term) { return 1 / (1 - x * x); }>);

  // Between floating types; a cast to integers is not connected at all.
  rule("cast", [](VjpContext& c) {
    const DType from = c.b.dtype(c.input(0));
    if (c.b.dtype(c.cotangent()) == from) return c.gradient(0, c.cotangent());
    c.gradient(0, c.b.node("cast", {c.cotangent()}, {{"to", std::string(nameOf(from))}, {"keepPrecision", int64_t{0}}}));
  });
  for (const char* name : {"not", "isNan", "isInf", "bitCast", "nonZero"}) RegisterNoGradient{name};
  return true;
}();

}  // namespace
}  // namespace ascribe
