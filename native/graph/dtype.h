#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ascribe {

/// Element types. Dual (a value and its derivative, both double) exists inside the engine only: a plan
/// compiled in dual precision is the forward-mode oracle for every derivative rule.
enum class DType : uint8_t { F64, F32, F16, BF16, I64, I32, I8, U8, Bool, Dual };

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
constexpr std::string_view nameOf(DType type) {
  constexpr std::string_view names[] = {"f64", "f32", "f16", "bf16", "i64", "i32", "i8", "u8", "bool", "dual"};
  return names[static_cast<size_t>(type)];
}
constexpr std::optional<DType> dtypeFromName(std::string_view name) {
  for (uint8_t i = 0; i <= static_cast<uint8_t>(DType::Bool); ++i)
    if (nameOf(static_cast<DType>(i)) == name) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace ascribe
