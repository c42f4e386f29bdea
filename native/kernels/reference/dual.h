#pragma once
#include <cmath>

namespace ascribe::reference {

/// A value and its derivative along one direction. The kernels are templates, so running them on these numbers
/// differentiates the very code that computes the values: forward mode, exact to rounding.
///
/// Comparisons look at values alone. Where a function has a kink its derivative is that of the branch the value
/// takes, and constants have derivative 0: relu(0) takes the constant branch.
struct Dual {
  double v = 0, d = 0;
  constexpr Dual() = default;
  constexpr Dual(double value) : v(value) {}  // implicit: constants mix with duals in formulas
  constexpr Dual(double value, double derivative) : v(value), d(derivative) {}
  constexpr explicit operator double() const { return v; }

  Dual& operator+=(Dual o) { v += o.v; d += o.d; return *this; }
  Dual& operator-=(Dual o) { v -= o.v; d -= o.d; return *this; }
  Dual& operator*=(Dual o) { d = d * o.v + v * o.d; v *= o.v; return *this; }
};

inline Dual operator-(Dual a) { return {-a.v, -a.d}; }
inline Dual operator+(Dual a, Dual b) { return {a.v + b.v, a.d + b.d}; }
inline Dual operator-(Dual a, Dual b) { return {a.v - b.v, a.d - b.d}; }
inline Dual operator*(Dual a, Dual b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
inline Dual operator/(Dual a, Dual b) {
  const double q = a.v / b.v;
  return {q, (a.d - q * b.d) / b.v};
}
inline bool operator<(Dual a, Dual b) { return a.v < b.v; }
inline bool operator>(Dual a, Dual b) { return a.v > b.v; }
inline bool operator<=(Dual a, Dual b) { return a.v <= b.v; }
inline bool operator>=(Dual a, Dual b) { return a.v >= b.v; }
inline bool operator==(Dual a, Dual b) { return a.v == b.v; }
inline bool operator!=(Dual a, Dual b) { return a.v != b.v; }

inline bool isnan(Dual a) { return std::isnan(a.v); }
inline bool isinf(Dual a) { return std::isinf(a.v); }

inline Dual exp(Dual a) { const double e = std::exp(a.v); return {e, e * a.d}; }
inline Dual expm1(Dual a) { return {std::expm1(a.v), std::exp(a.v) * a.d}; }
inline Dual log(Dual a) { return {std::log(a.v), a.d / a.v}; }
inline Dual log1p(Dual a) { return {std::log1p(a.v), a.d / (1 + a.v)}; }
inline Dual sqrt(Dual a) { const double r = std::sqrt(a.v); return {r, a.d == 0 ? 0 : a.d / (2 * r)}; }
inline Dual floor(Dual a) { return std::floor(a.v); }
inline Dual ceil(Dual a) { return std::ceil(a.v); }
inline Dual rint(Dual a) { return std::rint(a.v); }
inline Dual trunc(Dual a) { return std::trunc(a.v); }
inline Dual fmod(Dual a, Dual b) { return {std::fmod(a.v, b.v), a.d - std::trunc(a.v / b.v) * b.d}; }
inline Dual sin(Dual a) { return {std::sin(a.v), std::cos(a.v) * a.d}; }
inline Dual cos(Dual a) { return {std::cos(a.v), -std::sin(a.v) * a.d}; }
inline Dual tan(Dual a) { const double t = std::tan(a.v); return {t, (1 + t * t) * a.d}; }
inline Dual asin(Dual a) { return {std::asin(a.v), a.d / std::sqrt(1 - a.v * a.v)}; }
inline Dual acos(Dual a) { return {std::acos(a.v), -a.d / std::sqrt(1 - a.v * a.v)}; }
inline Dual atan(Dual a) { return {std::atan(a.v), a.d / (1 + a.v * a.v)}; }
inline Dual sinh(Dual a) { return {std::sinh(a.v), std::cosh(a.v) * a.d}; }
inline Dual cosh(Dual a) { return {std::cosh(a.v), std::sinh(a.v) * a.d}; }
inline Dual tanh(Dual a) { const double t = std::tanh(a.v); return {t, (1 - t * t) * a.d}; }
inline Dual asinh(Dual a) { return {std::asinh(a.v), a.d / std::sqrt(a.v * a.v + 1)}; }
inline Dual acosh(Dual a) { return {std::acosh(a.v), a.d / std::sqrt(a.v * a.v - 1)}; }
inline Dual atanh(Dual a) { return {std::atanh(a.v), a.d / (1 - a.v * a.v)}; }
inline Dual erf(Dual a) {
  constexpr double twoOverRootPi = 1.1283791670955125739;
  return {std::erf(a.v), twoOverRootPi * std::exp(-a.v * a.v) * a.d};
}
inline Dual pow(Dual a, Dual b) {
  const double value = std::pow(a.v, b.v);
  double d = 0;
  if (a.d != 0 && b.v != 0) d += b.v * std::pow(a.v, b.v - 1) * a.d;
  // 0^b is 0 for every b > 0: constant in b.
  if (b.d != 0 && !(a.v == 0 && b.v > 0)) d += std::log(a.v) * value * b.d;
  return {value, d};
}

}  // namespace ascribe::reference
