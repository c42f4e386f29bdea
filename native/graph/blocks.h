#pragma once
#include <cstdint>
#include <cstring>

#include "graph/dtype.h"
#include "graph/half.h"

// Weights in blocks, as GGUF files hold them: few bits an element, with scales that a block shares. Everything here has
// internal linkage: it is compiled once per instruction set (kernels/cpu/simd.h).
namespace ascribe {
namespace {

inline float scaleAt(const uint8_t* at) {
  uint16_t half;
  std::memcpy(&half, at, sizeof half);
  return widenF16(half);
}

/// 32 elements: scale f16, then integers i8.
inline void widenQ8_0(const uint8_t* block, float* to) {
  const float scale = scaleAt(block);
  for (int i = 0; i < 32; ++i) to[i] = scale * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}

/// 256 elements in eight parts: scale and offset f16; a 6-bit scale and offset for each part in 12 bytes; then nibbles,
/// those of two parts in the same 32 bytes.
inline void widenQ4_K(const uint8_t* block, float* to) {
  const float scale = scaleAt(block), offset = scaleAt(block + 2);
  const uint8_t *parts = block + 4, *nibbles = block + 16;
  for (int part = 0; part < 8; ++part) {
    const int low = part & 3;
    const int own = part < 4 ? parts[low] & 63 : (parts[low + 8] & 15) | (parts[low] >> 6 << 4);
    const int less = part < 4 ? parts[low + 4] & 63 : (parts[low + 8] >> 4) | (parts[low + 4] >> 6 << 4);
    const float a = scale * static_cast<float>(own), b = offset * static_cast<float>(less);
    const uint8_t* from = nibbles + part / 2 * 32;
    if (part % 2 == 0)
      for (int i = 0; i < 32; ++i) to[part * 32 + i] = a * static_cast<float>(from[i] & 15) - b;
    else
      for (int i = 0; i < 32; ++i) to[part * 32 + i] = a * static_cast<float>(from[i] >> 4) - b;
  }
}

/// 256 elements in sixteen parts: the low four bits of each, the high two bits, a scale i8 for each part, a scale f16.
inline void widenQ6_K(const uint8_t* block, float* to) {
  const float scale = scaleAt(block + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t *low = block + half * 64, *high = block + 128 + half * 32, *parts = block + 192 + half * 8;
    for (int quarter = 0; quarter < 4; ++quarter) {
      const uint8_t* from = low + quarter % 2 * 32;
      const int shift = quarter / 2 * 4;
      for (int part = 0; part < 2; ++part) {
        const float own = scale * static_cast<float>(static_cast<int8_t>(parts[quarter * 2 + part]));
        float* out = to + half * 128 + quarter * 32 + part * 16;
        for (int i = 0; i < 16; ++i) {
          const int at = part * 16 + i;
          const int bits = ((from[at] >> shift) & 15) | ((high[at] >> (2 * quarter) & 3) << 4);
          out[i] = own * static_cast<float>(bits - 32);
        }
      }
    }
  }
}

/// `count` elements, whole blocks.
inline void widenBlocks(DType type, const void* from, float* to, int64_t count) {
  const auto* block = static_cast<const uint8_t*>(from);
  switch (type) {
    case DType::Q8_0:
      for (int64_t i = 0; i < count; i += 32, block += 34) widenQ8_0(block, to + i);
      return;
    case DType::Q4_K:
      for (int64_t i = 0; i < count; i += 256, block += 144) widenQ4_K(block, to + i);
      return;
    default:
      for (int64_t i = 0; i < count; i += 256, block += 210) widenQ6_K(block, to + i);
  }
}

}  // namespace
}  // namespace ascribe
