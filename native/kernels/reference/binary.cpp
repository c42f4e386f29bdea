#include <string>

#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

template <class T, class F>
void broadcastTwo(const KernelArguments& k, F&& f) {
  const TensorRef &a = k.inputs[0], &b = k.inputs[1], &out = k.outputs[0];
  walk<2>(out.shape, {broadcastStrides(a.shape, out.shape), broadcastStrides(b.shape, out.shape)},
          [&](int64_t i, const auto& at) { f(i, a.as<T>()[at[0]], b.as<T>()[at[1]]); });
}

/// F computes in the wide type of its operands.
template <auto F>
void ofNumbers(const KernelArguments& k, const Node&) {
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    T* y = k.outputs[0].as<T>();
    broadcastTwo<T>(k, [&](int64_t i, T a, T b) { y[i] = narrow<T>(F(Wide<T>(a), Wide<T>(b))); });
  });
}
template <auto F>
void ofTruths(const KernelArguments& k, const Node&) {
  uint8_t* y = k.outputs[0].as<uint8_t>();
  broadcastTwo<uint8_t>(k, [&](int64_t i, uint8_t a, uint8_t b) { y[i] = F(a != 0, b != 0); });
}
template <auto F>
void compare(const KernelArguments& k, const Node&) {
  uint8_t* y = k.outputs[0].as<uint8_t>();
  const auto body = [&](auto zero) {
    using T = decltype(zero);
    broadcastTwo<T>(k, [&](int64_t i, T a, T b) { y[i] = F(a, b); });
  };
  if (k.inputs[0].dtype == DType::Bool) body(uint8_t{});
  else onNumeric(k.inputs[0].dtype, body);
}
bool comparable(const NodeSignature& s) { return numeric(s) || boolean(s); }

void requireDivisor(int64_t b) {
  if (b == 0) throw Error("INPUT_VALUE", "an integer is divided by zero");
}
template <class W>
W divide(W a, W b) {
  if constexpr (std::is_integral_v<W>) {
    requireDivisor(b);
    return b == -1 ? minus(W(0), a) : a / b;  // towards zero; the smallest integer over -1 wraps
  } else {
    return a / b;
  }
}
template <class W>
W largest(W a, W b) {
  if constexpr (!std::is_integral_v<W>)
    if (isnan(a) || isnan(b)) return isnan(a) ? a : b;
  return b > a ? b : a;  // ties: the first operand
}
template <class W>
W smallest(W a, W b) {
  if constexpr (!std::is_integral_v<W>)
    if (isnan(a) || isnan(b)) return isnan(a) ? a : b;
  return b < a ? b : a;
}
template <class W>
W power(W a, W b) {
  if constexpr (std::is_integral_v<W>) {
    if (b < 0) {
      if (a == 0) return std::numeric_limits<W>::min();  // what ONNX Runtime's detour over double gives
      return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    }
    W result = 1;
    for (uint64_t exponent = static_cast<uint64_t>(b); exponent; exponent >>= 1) {
      if (exponent & 1) result = times(result, a);
      a = times(a, a);
    }
    return result;
  } else {
    return pow(a, b);
  }
}

/// Python's modulo takes the divisor's sign, the truncated one (C's) the dividend's.
void modulo(const KernelArguments& k, const Node& node) {
  const bool truncated = node.attributes.integer("truncated") != 0;
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    T* y = k.outputs[0].as<T>();
    broadcastTwo<T>(k, [&](int64_t i, T x, T divisor) {
      const W a(x), b(divisor);
      if constexpr (std::is_integral_v<T>) {
        requireDivisor(b);
        const W rest = b == -1 ? 0 : a % b;
        y[i] = static_cast<T>(!truncated && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
      } else {
        const W rest = fmod(a, b);
        y[i] = narrow<T>(!truncated && rest != W(0) && (rest < W(0)) != (b < W(0)) ? rest + b : rest);
      }
    });
  });
}

void where(const KernelArguments& k, const Node&) {
  const TensorRef& out = k.outputs[0];
  onSize(out.dtype, [&](auto zero) {
    using T = decltype(zero);
    walk<3>(out.shape,
            {broadcastStrides(k.inputs[0].shape, out.shape), broadcastStrides(k.inputs[1].shape, out.shape),
             broadcastStrides(k.inputs[2].shape, out.shape)},
            [&](int64_t i, const auto& at) {
              out.as<T>()[i] = k.inputs[0].as<uint8_t>()[at[0]] ? k.inputs[1].as<T>()[at[1]] : k.inputs[2].as<T>()[at[2]];
            });
  });
}

const Registered kernels[] = {
    {"add", ofNumbers<[](auto a, auto b) { return plus(a, b); }>, numeric},
    {"sub", ofNumbers<[](auto a, auto b) { return minus(a, b); }>, numeric},
    {"mul", ofNumbers<[](auto a, auto b) { return times(a, b); }>, numeric},
    {"div", ofNumbers<[](auto a, auto b) { return divide(a, b); }>, numeric},
    {"pow", ofNumbers<[](auto a, auto b) { return power(a, b); }>, numeric},
    {"min", ofNumbers<[](auto a, auto b) { return smallest(a, b); }>, numeric},
    {"max", ofNumbers<[](auto a, auto b) { return largest(a, b); }>, numeric},
    {"prelu", ofNumbers<[](auto x, auto slope) { return (x > decltype(x)(0)) ? x : times(slope, x); }>, numeric},
    {"mod", modulo, numeric},
    {"and", ofTruths<[](bool a, bool b) { return a && b; }>, boolean},
    {"or", ofTruths<[](bool a, bool b) { return a || b; }>, boolean},
    {"xor", ofTruths<[](bool a, bool b) { return a != b; }>, boolean},
    {"equal", compare<[](auto a, auto b) { return a == b; }>, comparable},
    {"less", compare<[](auto a, auto b) { return a < b; }>, comparable},
    {"lessOrEqual", compare<[](auto a, auto b) { return a <= b; }>, comparable},
    {"greater", compare<[](auto a, auto b) { return (a > b); }>, comparable},
    {"greaterOrEqual", compare<[](auto a, auto b) { return (a >= b); }>, comparable},
    {"where", where, boolean},
};

}  // namespace
}  // namespace ascribe::reference
