#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

bool isFixed(VjpContext& c, size_t i) {
  const ValueKind kind = c.b.graph().value(c.input(i)).kind;
  return kind == ValueKind::Constant || kind == ValueKind::Parameter;
}

/// Of two equal operands the fixed one wins (so max(x, 0) is relu and min(x, 6) the end of relu6, in either order);
/// of two that vary, the first takes the whole gradient, as the first index does in a reduction.
template <bool largest>
void extreme(VjpContext& c) {
  const Term x = operand(c, 0), y = operand(c, 1), g = cotangent(c);
  const bool tieToFirst = isFixed(c, 0) || !isFixed(c, 1);
  const Term first = tieToFirst ? (largest ? x >= y : x <= y) : (largest ? x > y : x < y);
  if (c.wants(0)) c.gradientReduced(0, only(first, g));
  if (c.wants(1)) c.gradientReduced(1, where(first, number(g, 0), g));
}

/// d(x^y) = y x^(y-1) dx + x^y log x dy. Where x^y is constant in x (y = 0) or in y (x = 0, y >= 0) the slope is 0,
/// not 0 · infinity. A negative x has no derivative in y: NaN, as the real power itself beside an integer y.
void power(VjpContext& c) {
  const Term x = operand(c, 0), y = operand(c, 1), g = cotangent(c);
  if (c.wants(0)) {
    const HostTensor* exponent = c.b.graph().constant(c.input(1));
    const double fixed = exponent && exponent->shape().count() == 1 ? exponent->real(0) : 0;
    if (fixed == 2) c.gradientReduced(0, g * (x * 2));
    else if (fixed == 1) c.gradientReduced(0, g);
    else if (fixed != 0) c.gradientReduced(0, g * (pow(x, y - 1) * y));
    else c.gradientReduced(0, where(equal(y, 0), number(g, 0), g * (y * pow(x, y - 1))));
  }
  if (c.wants(1)) {
    const Term flat = both(equal(x, 0), y >= 0);
    c.gradientReduced(1, where(flat, number(g, 0), g * (result(c) * log(x))));
  }
}

const bool registered = [] {
  rule("add", [](VjpContext& c) {
    for (size_t i = 0; i < 2; ++i)
      if (c.wants(i)) c.gradientReduced(i, c.cotangent());
  });
  rule("sub", [](VjpContext& c) {
    if (c.wants(0)) c.gradientReduced(0, c.cotangent());
    if (c.wants(1)) c.gradientReduced(1, -cotangent(c));
  });
  rule("mul", [](VjpContext& c) {
    if (c.wants(0)) c.gradientReduced(0, cotangent(c) * operand(c, 1));
    if (c.wants(1)) c.gradientReduced(1, cotangent(c) * operand(c, 0));
  });
  rule("div", [](VjpContext& c) {
    const Term g = cotangent(c) / operand(c, 1);
    if (c.wants(0)) c.gradientReduced(0, g);
    if (c.wants(1)) c.gradientReduced(1, -(g * result(c)));
  });
  rule("pow", power);
  rule("max", extreme<true>);
  rule("min", extreme<false>);
  rule("mod", [](VjpContext& c) {  // x - y * quotient, the quotient rounded down or towards zero
    if (c.wants(0)) c.gradientReduced(0, c.cotangent());
    if (!c.wants(1)) return;
    const Term quotient = operand(c, 0) / operand(c, 1);
    const Term whole = c.attributes().integer("truncated") ? sign(quotient) * apply("floor", abs(quotient)) : apply("floor", quotient);
    c.gradientReduced(1, -(cotangent(c) * whole));
  });
  rule("where", [](VjpContext& c) {
    const Term condition = operand(c, 0), g = cotangent(c);
    if (c.wants(1)) c.gradientReduced(1, only(condition, g));
    if (c.wants(2)) c.gradientReduced(2, where(condition, number(g, 0), g));
  });
  for (const char* name : {"and", "or", "xor", "equal", "less", "lessOrEqual", "greater", "greaterOrEqual"}) RegisterNoGradient{name};
  return true;
}();

}  // namespace
}  // namespace ascribe
