#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "graph/dtype.h"
#include "kernels/reference/dual.h"
#include "runtime/error.h"

namespace ascribe::reference {

// Kernels write `exp(x)` and mean the one of their element type.
using std::acos, std::acosh, std::asin, std::asinh, std::atan, std::atanh, std::ceil, std::cos, std::cosh, std::erf,
    std::exp, std::expm1, std::floor, std::fmod, std::isinf, std::isnan, std::log, std::log1p, std::pow, std::rint,
    std::sin, std::sinh, std::sqrt, std::tan, std::tanh, std::trunc;

/// What a kernel computes and accumulates in. Integers wrap around as the hardware's do, in unsigned 64 bits so
/// that overflow stays defined; they are stored back modulo their width.
template <class T>
struct WideOf {
  using type = std::conditional_t<std::is_integral_v<T>, int64_t, double>;
};
template <>
struct WideOf<Dual> {
  using type = Dual;
};
template <class T>
using Wide = typename WideOf<T>::type;

template <class T>
constexpr bool isFloat = !std::is_integral_v<T>;

template <class T>
T narrow(Wide<T> value) { return static_cast<T>(value); }

/// The nearest number that T holds, NaN as 0: converting one out of an integer's range is undefined.
template <class T>
T saturated(double value) {
  if constexpr (std::is_integral_v<T>) {
    constexpr T low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    if (!(value > static_cast<double>(low))) return std::isnan(value) ? T{0} : low;
    return value < static_cast<double>(high) ? static_cast<T>(value) : high;
  } else {
    return T(value);
  }
}

template <class W>
W plus(W a, W b) {
  if constexpr (std::is_integral_v<W>) return static_cast<W>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else return a + b;
}
template <class W>
W minus(W a, W b) {
  if constexpr (std::is_integral_v<W>) return static_cast<W>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  else return a - b;
}
template <class W>
W times(W a, W b) {
  if constexpr (std::is_integral_v<W>) return static_cast<W>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else return a * b;
}

[[noreturn]] inline void unsupported(DType type) {
  throw Error("INTERNAL", "a reference kernel was given the element type " + std::string(nameOf(type)));
}

/// Calls body with a value of the element type: f32, f64 or dual.
template <class Body>
void onFloating(DType type, Body&& body) {
  switch (type) {
    case DType::F32: return body(float{});
    case DType::F64: return body(double{});
    case DType::Dual: return body(Dual{});
    default: unsupported(type);
  }
}
/// The floating types and the integers.
template <class Body>
void onNumeric(DType type, Body&& body) {
  switch (type) {
    case DType::I64: return body(int64_t{});
    case DType::I32: return body(int32_t{});
    case DType::I8: return body(int8_t{});
    case DType::U8: return body(uint8_t{});
    default: onFloating(type, body);
  }
}
/// For kernels that only move elements: one type of each size.
template <class Body>
void onSize(DType type, Body&& body) {
  struct Sixteen { uint64_t halves[2]; };
  switch (sizeOf(type)) {
    case 1: return body(uint8_t{});
    case 2: return body(uint16_t{});
    case 4: return body(uint32_t{});
    case 8: return body(uint64_t{});
    default: return body(Sixteen{});
  }
}

}  // namespace ascribe::reference
