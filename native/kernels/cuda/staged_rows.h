#pragma once
#include "kernels/cuda/async_copy.h"
#include "kernels/cuda/fragments.h"

// Rows of queries, keys, values or their gradients in shared memory, as the right side of a product either way round.
namespace ascribe::cuda {

/// Four neighbours, or what is left of them. `Fours`: rows lie so that four can be read at a time, here and below.
template <bool Fours>
__device__ __forceinline__ void readFour(const float* from, int left, float (&to)[4]) {
  if constexpr (Fours) {
    const float4 four = left > 0 ? *reinterpret_cast<const float4*>(from) : float4{0, 0, 0, 0};
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = i < left ? from[i] : 0.0f;
  }
}
template <bool Fours>
__device__ __forceinline__ void writeFour(float* to, int left, const float (&from)[4]) {
  if constexpr (Fours) {
    if (left > 0) *reinterpret_cast<float4*>(to) = float4{from[0], from[1], from[2], from[3]};
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (i < left) to[i] = from[i];
  }
}

/// `Rows` rows of `Size` floats. Chunks of four are crossed by the last three bits of their row, so that the eight threads
/// that read at a time touch all banks both ways: two rows by four chunks, and four rows of one parity by two chunks.
///
/// Which element belongs to which fragment is ours to say. A thread (its group of eight, its place of four within) holds
/// steps 4 inGroup … 4 inGroup + 3 of every 16 of the depth where rows are multiplied by rows. Of the result it has two
/// neighbours of every 8 rows: they are what it needs of the left side of the next product, if rows are read in that order.
/// Of each 32 columns of that one, fragment f has 4 group + f.
template <int Rows, int Size>
struct StagedRows {
  static constexpr int kFloats = Rows * Size;
  static_assert(Rows % 32 == 0 && Size % 32 == 0);
  __device__ static __forceinline__ int crossed(int row) { return (row & 6) ^ (row & 1) << 2; }

  /// Rows [first, first + Rows) of a matrix on their way here, `Size` columns from `column` on; zeros where there is nothing.
  template <bool Fours, int Threads>
  __device__ static __forceinline__ void fetch(float* stage, const float* matrix, int first, int rows, int column, int columns) {
    constexpr int kEach = Fours ? 4 : 1, kApart = Threads * kEach / Size;
    static_assert(Threads * kEach % Size == 0 && Rows % kApart == 0);
    const int thread = static_cast<int>(threadIdx.x), row = thread / (Size / kEach), at = thread % (Size / kEach) * kEach;
    const bool inside = column + at < columns;
    const float* from = matrix + static_cast<int64_t>(first + row) * columns + column + at;
#pragma unroll(Fours ? Rows / kApart : 1)
    for (int i = 0; i < Rows; i += kApart, from += kApart * columns) {
      const bool any = inside && first + row + i < rows;
      float* to = stage + (row + i) * Size + ((at / 4 ^ crossed(row + i)) * 4) + at % 4;
      if (Fours) copyFour(to, any ? from : matrix, any ? 16 : 0);
      else copyOne(to, any ? from : matrix, any);
    }
  }
  /// right[j]: the thread's four steps behind `depth` (a multiple of 16) of row 8 j + group behind `row` (a multiple of 32).
  __device__ static __forceinline__ void loadAlong(const float* stage, int row, int depth, int group, int inGroup, float (&right)[4][4]) {
#pragma unroll
    for (int j = 0; j < 4; ++j) readFour<true>(stage + (row + j * 8 + group) * Size + depth / 32 * 32 + ((depth / 4 % 8) ^ inGroup ^ crossed(group)) * 4, 4, right[j]);
  }
  /// right[f]: of column 4 group + f behind `column` (a multiple of 32), the thread's rows of the 16 behind `row`.
  __device__ static __forceinline__ void loadAcross(const float* stage, int row, int column, int group, int inGroup, float (&right)[4][4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float four[4];
      readFour<true>(stage + (row + i / 2 * 8 + inGroup * 2 + i % 2) * Size + column + (group ^ crossed(inGroup * 2 + i % 2)) * 4, 4, four);
#pragma unroll
      for (int f = 0; f < 4; ++f) right[f][i] = four[f];
    }
  }
};

/// The left side of two steps of the depth, in its parts.
struct LeftParts {
  uint32_t upper[2][4], lower[2][4];
  /// Of a row's four steps, for the rows `group` and `group + 8` of the warp's 16.
  __device__ __forceinline__ void along(const float (&rows)[2][4]) {
#pragma unroll
    for (int s = 0; s < 2; ++s)
#pragma unroll
      for (int r = 0; r < 4; ++r) splitParts(rows[r % 2][s * 2 + r / 2], upper[s][r], lower[s][r]);
  }
  /// Of 16 columns of a result: two fragments that follow each other.
  __device__ __forceinline__ void across(const float (&first)[4], const float (&second)[4]) {
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      splitParts(first[r % 2 * 2 + r / 2], upper[0][r], lower[0][r]);
      splitParts(second[r % 2 * 2 + r / 2], upper[1][r], lower[1][r]);
    }
  }
};

/// results[j] += left x right[j], in single precision: as tensorTileKernel.
__device__ __forceinline__ void multiplyParts(float (&results)[4][4], const LeftParts& left, const float (&right)[4][4]) {
  uint32_t upperRight[2][4][2], lowerRight[2][4][2];
#pragma unroll
  for (int j = 0; j < 4; ++j)
#pragma unroll
    for (int i = 0; i < 4; ++i) splitParts(right[j][i], upperRight[i / 2][j][i % 2], lowerRight[i / 2][j][i % 2]);
  float sums[4][4] = {};
#pragma unroll
  for (int s = 0; s < 2; ++s) {
    multiplyFragments<4>(sums, left.lower[s], upperRight[s]);
    multiplyFragments<4>(sums, left.upper[s], lowerRight[s]);
  }
#pragma unroll
  for (int s = 0; s < 2; ++s) multiplyFragments<4>(sums, left.upper[s], upperRight[s]);
#pragma unroll
  for (int j = 0; j < 4; ++j)
#pragma unroll
    for (int r = 0; r < 4; ++r) results[j][r] += sums[j][r];
}

#if defined(__CUDACC__)
/// Without the steps that keep the least of results, which are nothing beside the greatest.
__device__ __forceinline__ float powerOfTwo(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
#else
inline float powerOfTwo(float x) { return exp2f(x); }
#endif

}  // namespace ascribe::cuda
