#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ascribe {

/// Element types. Dual (a value and its derivative, both double) exists inside the engine only: a plan
/// compiled in dual precision is the forward-mode oracle for every derivative rule. The last three are weights in blocks
/// of integers with common scales (graph/blocks.h), as GGUF files hold them.
enum class DType : uint8_t { F64, F32, F16, BF16, I64, I32, I8, U8, Bool, Dual, Q8_0, Q4_K, Q6_K };

/// Elements that are stored together, and the bytes that they take.
struct StoredBlock {
  int64_t elements;
  size_t bytes;
};

constexpr bool isBlocked(DType type) { return type >= DType::Q8_0; }
/// Of one element. Elements of a block have no size of their own: ask bytesOf.
constexpr size_t sizeOf(DType type) {
  switch (type) {
    case DType::Dual: return 16;
    case DType::F64:
    case DType::I64: return 8;
    case DType::F32:
    case DType::I32: return 4;
    case DType::F16:
    case DType::BF16: return 2;
    default: return 1;
  }
}
constexpr bool isFloating(DType type) {
  return type == DType::F64 || type == DType::F32 || type == DType::F16 || type == DType::BF16 || type == DType::Dual;
}
constexpr StoredBlock blockOf(DType type) {
  switch (type) {
    case DType::Q8_0: return {32, 34};
    case DType::Q4_K: return {256, 144};
    case DType::Q6_K: return {256, 210};
    default: return {1, sizeOf(type)};
  }
}
/// `count` elements, whole blocks of them.
constexpr size_t bytesOf(DType type, int64_t count) {
  const StoredBlock block = blockOf(type);
  return static_cast<size_t>(count / block.elements) * block.bytes;
}
/// Weights are stored so and computed with in f32: products and look-ups widen what they read.
constexpr bool isStorageOnly(DType type) { return type == DType::F16 || type == DType::BF16 || isBlocked(type); }
constexpr std::string_view nameOf(DType type) {
  constexpr std::string_view names[] = {"f64", "f32", "f16", "bf16", "i64", "i32", "i8", "u8", "bool", "dual", "q8_0", "q4_k", "q6_k"};
  return names[static_cast<size_t>(type)];
}
/// Of a tensor's elements.
constexpr std::optional<DType> dtypeFromName(std::string_view name) {
  for (uint8_t i = 0; i <= static_cast<uint8_t>(DType::Bool); ++i)
    if (nameOf(static_cast<DType>(i)) == name) return static_cast<DType>(i);
  return std::nullopt;
}

/// Of stored weights: blocks too.
constexpr std::optional<DType> storageFromName(std::string_view name) {
  for (const DType type : {DType::Q8_0, DType::Q4_K, DType::Q6_K})
    if (nameOf(type) == name) return type;
  return dtypeFromName(name);
}

}  // namespace ascribe
