#pragma once
#include "kernels/cuda/index.h"

namespace ascribe::cuda {

/// What a block fetches of its operands before it multiplies. Which elements of a stage are whose follows the way they
/// lie, so that neighbouring threads read neighbouring places. The place across the depth is the same for all elements of
/// a thread or few, so its index arithmetic happens once.
template <class Tile, class Left, class Right>
struct Staging {
  static constexpr int kRows = Tile::kRows, kColumns = Tile::kColumns, kDepth = Tile::kDepth, kThreads = Tile::kThreads;
  static constexpr int kLeft = kRows * kDepth / kThreads, kRight = kColumns * kDepth / kThreads;
  static constexpr int kLeftPlaces = Left::kAlongDepth ? kLeft : (kThreads % kRows == 0 ? 1 : kLeft);
  static constexpr int kRightPlaces = Right::kAlongDepth ? kRight : (kThreads % kColumns == 0 ? 1 : kRight);

  const Left& left;
  const Right& right;
  int thread, end;
  typename Left::Row leftPlaces[kLeftPlaces];
  typename Right::Column rightPlaces[kRightPlaces];
  float leftValues[kLeft], rightValues[kRight];

  __device__ __forceinline__ int leftRow(int i) const { return Left::kAlongDepth ? (thread + i * kThreads) / kDepth : (thread + i * kThreads) % kRows; }
  __device__ __forceinline__ int leftDepth(int i) const { return Left::kAlongDepth ? (thread + i * kThreads) % kDepth : (thread + i * kThreads) / kRows; }
  __device__ __forceinline__ int rightColumn(int i) const { return Right::kAlongDepth ? (thread + i * kThreads) / kDepth : (thread + i * kThreads) % kColumns; }
  __device__ __forceinline__ int rightDepth(int i) const { return Right::kAlongDepth ? (thread + i * kThreads) % kDepth : (thread + i * kThreads) / kColumns; }

  __device__ __forceinline__ Staging(const Left& leftOf, const Right& rightOf, int z, int firstRow, int firstColumn, int rows, int columns, int endOf)
      : left(leftOf), right(rightOf), thread(static_cast<int>(threadIdx.x)), end(endOf) {
#pragma unroll
    for (int i = 0; i < kLeftPlaces; ++i) {
      const int m = firstRow + leftRow(i);
      leftPlaces[i] = left.row(z, m < rows ? m : rows - 1);
    }
#pragma unroll
    for (int i = 0; i < kRightPlaces; ++i) {
      const int n = firstColumn + rightColumn(i);
      rightPlaces[i] = right.column(z, n < columns ? n : columns - 1);
    }
  }

  __device__ __forceinline__ void fetch(int from) {
#pragma unroll
    for (int i = 0; i < kLeft; ++i) {
      const int k = from + leftDepth(i);
      leftValues[i] = k < end ? left.at(leftPlaces[kLeftPlaces == 1 ? 0 : i], k) : 0.0f;
    }
    typename Right::Stage stages[kRightPlaces];
#pragma unroll
    for (int i = 0; i < kRightPlaces; ++i) stages[i] = right.stage(rightPlaces[i], from);
#pragma unroll
    for (int i = 0; i < kRight; ++i) {
      const int k = from + rightDepth(i), place = kRightPlaces == 1 ? 0 : i;
      rightValues[i] = k < end ? right.at(rightPlaces[place], stages[place], k) : 0.0f;
    }
  }
};

}  // namespace ascribe::cuda
