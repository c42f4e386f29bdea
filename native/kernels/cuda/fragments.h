#pragma once
#include "kernels/cuda/platform.h"

// What a warp's tensor cores multiply: fragments of 16 x 8 by 8 x 8, each thread holding some elements of each (PTX ISA,
// mma.m16n8k8 with .tf32: eight bits of exponent, ten of mantissa).
namespace ascribe::cuda {

/// value = upper + lower, but for the last two bits of the lower part.
__device__ __forceinline__ void splitParts(float value, uint32_t& upper, uint32_t& lower);
/// results[j] += left x right[j]
template <int Across>
__device__ __forceinline__ void multiplyFragments(float (&results)[Across][4], const uint32_t (&left)[4], const uint32_t (&right)[Across][2]);

#if defined(__CUDACC__)
template <int Across>
__device__ __forceinline__ void multiplyFragments(float (&results)[Across][4], const uint32_t (&left)[4], const uint32_t (&right)[Across][2]) {
#pragma unroll
  for (int j = 0; j < Across; ++j)
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(results[j][0]), "+f"(results[j][1]), "+f"(results[j][2]), "+f"(results[j][3])
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right[j][0]), "r"(right[j][1]));
}
__device__ __forceinline__ float valueOf(uint32_t bits) { return __uint_as_float(bits); }
__device__ __forceinline__ uint32_t bitsOf(float value) { return __float_as_uint(value); }
#else
inline float valueOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
inline uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}
/// Each thread shows the others of its warp what it holds, and computes its own results.
template <int Across>
void multiplyFragments(float (&results)[Across][4], const uint32_t (&left)[4], const uint32_t (&right)[Across][2]) {
  struct Held {
    uint32_t left[4], right[Across][2];
  };
  // Two, in turns: who is at the next fragments already does not overwrite what others still read.
  static thread_local Held all[2][1024];
  static thread_local uint8_t turns[1024];
  const unsigned thread = threadIdx.x, lane = thread % 32, warp = thread - lane, group = lane / 4, inGroup = lane % 4;
  Held* held = all[turns[thread] ^= 1];
  std::memcpy(held[thread].left, left, sizeof left);
  std::memcpy(held[thread].right, right, sizeof right);
  __syncthreads();
  for (int j = 0; j < Across; ++j)
    for (unsigned r = 0; r < 4; ++r) {
      const unsigned row = group + r / 2 * 8, column = inGroup * 2 + r % 2;
      float sum = 0;
      for (unsigned k = 0; k < 8; ++k) {
        const uint32_t a = held[warp + row % 8 * 4 + k % 4].left[row / 8 + k / 4 * 2], b = held[warp + column * 4 + k % 4].right[j][k / 4];
        sum += valueOf(a & 0xFFFFE000) * valueOf(b & 0xFFFFE000);
      }
      results[j][r] += sum;
    }
}
#endif
__device__ __forceinline__ void splitParts(float value, uint32_t& upper, uint32_t& lower) {
  // Rounded by hand: conversions run at a fraction of the rate. The cores do not read the last 13 bits of the lower part;
  // NaN becomes some number in the upper part, but stays NaN in the lower.
  upper = (bitsOf(value) + 0x1000) & 0xFFFFE000;
  lower = bitsOf(value - valueOf(upper));
}

}  // namespace ascribe::cuda
