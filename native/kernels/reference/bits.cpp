#include <cstring>

#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

template <class Body>
void onIntegers(DType type, Body&& body) {
  switch (type) {
    case DType::I64: return body(int64_t{});
    case DType::I32: return body(int32_t{});
    case DType::I8: return body(int8_t{});
    case DType::U8: return body(uint8_t{});
    default: unsupported(type);
  }
}

template <class F>
void ofTwo(const KernelArguments& k, F&& f) {
  const TensorRef &a = k.inputs[0], &b = k.inputs[1], &out = k.outputs[0];
  onIntegers(out.dtype, [&](auto zero) {
    using T = decltype(zero);
    walk<2>(out.shape, {broadcastStrides(a.shape, out.shape), broadcastStrides(b.shape, out.shape)},
            [&](int64_t i, const auto& at) { out.as<T>()[i] = static_cast<T>(f(a.as<T>()[at[0]], b.as<T>()[at[1]])); });
  });
}

/// Beyond the width, or by a negative number, everything is shifted out; to the right a sign stays.
template <class T>
T shifted(T value, T by, bool left) {
  constexpr int width = static_cast<int>(sizeof(T)) * 8;
  const bool out = by < 0 || static_cast<uint64_t>(by) >= static_cast<uint64_t>(width);
  if (left) return out ? T(0) : static_cast<T>(static_cast<std::make_unsigned_t<T>>(value) << static_cast<int>(by));
  if (out) return value < 0 ? static_cast<T>(-1) : T(0);
  return static_cast<T>(value >> static_cast<int>(by));
}

void shift(const KernelArguments& k, const Node& node) {
  const bool left = node.attributes.text("direction") == "left";
  ofTwo(k, [left](auto value, auto by) { return shifted(value, by, left); });
}

void bitwiseNot(const KernelArguments& k, const Node&) {
  onIntegers(k.outputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0, n = k.outputs[0].count(); i < n; ++i) k.outputs[0].as<T>()[i] = static_cast<T>(~k.inputs[0].as<T>()[i]);
  });
}

void bitCast(const KernelArguments& k, const Node&) {
  const size_t bytes = static_cast<size_t>(k.outputs[0].count()) * sizeOf(k.outputs[0].dtype);
  if (bytes > 0) std::memcpy(k.outputs[0].data, k.inputs[0].data, bytes);
  // A truth is 0 or 1, whatever the bits were.
  if (k.outputs[0].dtype == DType::Bool)
    for (size_t i = 0; i < bytes; ++i) k.outputs[0].as<uint8_t>()[i] = k.outputs[0].as<uint8_t>()[i] != 0;
}
bool any(const NodeSignature&) { return true; }

const Registered kernels[] = {
    {"bitwiseAnd", [](const KernelArguments& k, const Node&) { ofTwo(k, [](auto a, auto b) { return a & b; }); }, numeric},
    {"bitwiseOr", [](const KernelArguments& k, const Node&) { ofTwo(k, [](auto a, auto b) { return a | b; }); }, numeric},
    {"bitwiseXor", [](const KernelArguments& k, const Node&) { ofTwo(k, [](auto a, auto b) { return a ^ b; }); }, numeric},
    {"bitwiseNot", bitwiseNot, numeric},
    {"bitShift", shift, numeric},
    {"bitCast", bitCast, any},
};

}  // namespace
}  // namespace ascribe::reference
