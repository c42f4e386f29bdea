#include "graph/half.h"
#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"

namespace ascribe::reference {
namespace {

struct Half { uint16_t bits; };
struct Brain { uint16_t bits; };
struct Truth { uint8_t value; };

/// Out of range and NaN give the smallest integer, and narrower integers its low bits: what the usual hardware
/// conversion does, and ONNX Runtime with it.
template <class To>
To toInteger(double value) {
  if constexpr (sizeof(To) == 8) {
    return value >= -0x1p63 && value < 0x1p63 ? static_cast<int64_t>(value) : std::numeric_limits<int64_t>::min();
  } else {
    const int32_t whole = value > -0x1p31 - 1 && value < 0x1p31 ? static_cast<int32_t>(value) : std::numeric_limits<int32_t>::min();
    return static_cast<To>(whole);
  }
}

template <class From>
auto widen(From value) {
  if constexpr (std::is_same_v<From, Half>) return static_cast<double>(widenF16(value.bits));
  else if constexpr (std::is_same_v<From, Brain>) return static_cast<double>(widenBf16(value.bits));
  else if constexpr (std::is_same_v<From, Truth>) return static_cast<int64_t>(value.value != 0);
  else if constexpr (std::is_integral_v<From>) return static_cast<int64_t>(value);
  else if constexpr (std::is_same_v<From, Dual>) return value;
  else return static_cast<double>(value);
}

template <class To, class W>
To convert(W value) {
  if constexpr (std::is_same_v<To, Truth>) return {value != W(0)};
  else if constexpr (std::is_same_v<To, Half>) return {narrowF16(static_cast<float>(static_cast<double>(value)))};
  else if constexpr (std::is_same_v<To, Brain>) return {narrowBf16(static_cast<float>(static_cast<double>(value)))};
  else if constexpr (std::is_same_v<To, Dual> && std::is_same_v<W, Dual>) return value;
  else if constexpr (std::is_integral_v<To> && std::is_integral_v<W>) return static_cast<To>(value);
  else if constexpr (std::is_integral_v<To>) return toInteger<To>(static_cast<double>(value));
  else if constexpr (std::is_same_v<W, Dual>) return static_cast<To>(value.v);
  else if constexpr (std::is_same_v<To, Dual>) return Dual(static_cast<double>(value));
  else return static_cast<To>(value);
}

template <class Body>
void onEvery(DType type, Body&& body) {
  switch (type) {
    case DType::F16: return body(Half{});
    case DType::BF16: return body(Brain{});
    case DType::Bool: return body(Truth{});
    default: return onNumeric(type, body);
  }
}

void cast(const KernelArguments& k, const Node&) {
  onEvery(k.inputs[0].dtype, [&](auto from) {
    onEvery(k.outputs[0].dtype, [&](auto to) {
      using From = decltype(from);
      using To = decltype(to);
      for (int64_t i = 0, n = k.outputs[0].count(); i < n; ++i)
        k.outputs[0].as<To>()[i] = convert<To>(widen(k.inputs[0].as<From>()[i]));
    });
  });
}

const Registered kernel{"cast", cast};

}  // namespace
}  // namespace ascribe::reference
