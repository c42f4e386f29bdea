#pragma once
#include <cstdint>
#include <cstring>

#include "graph/dtype.h"
#include "graph/half.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

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

// Sixteen bytes at once: what compilers make of a loop over bits of single ones is a third as fast.
typedef uint8_t Bytes16 __attribute__((vector_size(16)));

inline Bytes16 bytesAt(const uint8_t* at) {
  Bytes16 bytes;
  std::memcpy(&bytes, at, sizeof bytes);
  return bytes;
}

/// scale x (byte - zero)
inline void widenBytes(Bytes16 bytes, int zero, float scale, float* to) {
#if defined(__AVX512F__)
  // With a mask of all, since GCC 12 warns of what it fills in itself without one.
  const __m512i whole = _mm512_maskz_cvtepu8_epi32(0xffff, reinterpret_cast<__m128i>(bytes));
  const __m512 reals = _mm512_maskz_cvtepi32_ps(0xffff, _mm512_sub_epi32(whole, _mm512_set1_epi32(zero)));
  _mm512_storeu_ps(to, _mm512_mul_ps(_mm512_set1_ps(scale), reals));
#elif defined(__AVX2__)
  const __m128i own = reinterpret_cast<__m128i>(bytes);
  for (int half = 0; half < 2; ++half) {
    const __m256i whole = _mm256_cvtepu8_epi32(half == 0 ? own : _mm_unpackhi_epi64(own, own));
    const __m256 reals = _mm256_cvtepi32_ps(_mm256_sub_epi32(whole, _mm256_set1_epi32(zero)));
    _mm256_storeu_ps(to + 8 * half, _mm256_mul_ps(_mm256_set1_ps(scale), reals));
  }
#else
  uint8_t each[16];
  std::memcpy(each, &bytes, sizeof each);
  for (int i = 0; i < 16; ++i) to[i] = scale * static_cast<float>(each[i] - zero);
#endif
}

/// 256 elements in sixteen parts: the low four bits of each, the high two bits, a scale i8 for each part, a scale f16.
inline void widenQ6_K(const uint8_t* block, float* to) {
  const float scale = scaleAt(block + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t *low = block + half * 64, *high = block + 128 + half * 32, *parts = block + 192 + half * 8;
    const auto widen = [&](int part, Bytes16 bits) {
      const float own = scale * static_cast<float>(static_cast<int8_t>(parts[part]));
      widenBytes(bits, 32, own, to + half * 128 + part * 16);
    };
    for (int i = 0; i < 2; ++i) {
      const Bytes16 near = bytesAt(low + i * 16), far = bytesAt(low + 32 + i * 16), top = bytesAt(high + i * 16);
      widen(i, (near & 15) | (top & 3) << 4);
      widen(2 + i, (far & 15) | (top & 12) << 2);
      widen(4 + i, near >> 4 | (top & 48));
      widen(6 + i, far >> 4 | (top & 192) >> 2);
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
