#pragma once
#include "kernels/cuda/fragments.h"
#include "kernels/cuda/staging.h"

namespace ascribe::cuda {

/// A tile of the result for tensor cores: warps down and across, and the fragments of 16 x 8 results of each warp.
template <int WarpsDown, int WarpsAcross, int FragmentsDown, int FragmentsAcross>
struct TensorTile {
  static constexpr int kWarpsAcross = WarpsAcross, kDown = FragmentsDown, kAcross = FragmentsAcross, kDepth = 16;
  static constexpr int kRows = WarpsDown * FragmentsDown * 16, kColumns = WarpsAcross * FragmentsAcross * 8, kThreads = WarpsDown * WarpsAcross * 32;
};

/// An operand's stage in shared memory. Both ways of lying keep the reads of a fragment (8 places, 4 steps of the depth)
/// in 32 different banks.
template <bool AlongDepth, int Places, int Depth>
struct StagedOperand {
  static constexpr int kStep = AlongDepth ? Depth + 4 : Places + 8, kFloats = (AlongDepth ? Places : Depth) * kStep;
  static_assert(AlongDepth ? kStep % 32 == 20 : kStep % 32 == 8);
  __device__ static __forceinline__ int at(int place, int k) { return AlongDepth ? place * kStep + k : k * kStep + place; }
};

/// The product of tile.h on tensor cores, in single precision: an operand is the sum of two parts of eleven bits, and the
/// three products of parts that matter are added. The cores cut their sums off instead of rounding them, so theirs run
/// over one stage only, and stages are added on the ordinary units. An infinite operand gives NaN.
template <class Tile, class Left, class Right, class Results>
__global__ void __launch_bounds__(Tile::kThreads) tensorTileKernel(Left left, Right right, Results results, int rows, int columns, int depth, int splits, int share) {
  constexpr int kDepth = Tile::kDepth, kDown = Tile::kDown, kAcross = Tile::kAcross, kSteps = kDepth / 8;
  using StagedLeft = StagedOperand<Left::kAlongDepth, Tile::kRows, kDepth>;
  using StagedRight = StagedOperand<Right::kAlongDepth, Tile::kColumns, kDepth>;
  __shared__ float a[2][StagedLeft::kFloats];
  __shared__ float b[2][StagedRight::kFloats];
  const int z = static_cast<int>(blockIdx.z) / splits, split = static_cast<int>(blockIdx.z) % splits;
  const int begin = split * share, end = begin + share < depth ? begin + share : depth;
  const int firstRow = static_cast<int>(blockIdx.y) * Tile::kRows, firstColumn = static_cast<int>(blockIdx.x) * Tile::kColumns;
  Staging<Tile, Left, Right> staging(left, right, z, firstRow, firstColumn, rows, columns, end);
  const auto keep = [&](int stage) {
#pragma unroll
    for (int i = 0; i < staging.kLeft; ++i) a[stage][StagedLeft::at(staging.leftRow(i), staging.leftDepth(i))] = staging.leftValues[i];
#pragma unroll
    for (int i = 0; i < staging.kRight; ++i) b[stage][StagedRight::at(staging.rightColumn(i), staging.rightDepth(i))] = staging.rightValues[i];
  };

  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32, group = lane / 4, inGroup = lane % 4;
  const int warpRow = warp / Tile::kWarpsAcross * kDown * 16, warpColumn = warp % Tile::kWarpsAcross * kAcross * 8;
  float sums[kDown][kAcross][4] = {};
  staging.fetch(begin);
  keep(0);
  __syncthreads();
  int stage = 0;
  for (int from = begin; from < end; from += kDepth) {
    const bool more = from + kDepth < end;
    if (more) staging.fetch(from + kDepth);
    uint32_t upperRight[kSteps][kAcross][2], lowerRight[kSteps][kAcross][2];
#pragma unroll
    for (int s = 0; s < kSteps; ++s)
#pragma unroll
      for (int j = 0; j < kAcross; ++j)
#pragma unroll
        for (int r = 0; r < 2; ++r) splitParts(b[stage][StagedRight::at(warpColumn + j * 8 + group, s * 8 + inGroup + r * 4)], upperRight[s][j][r], lowerRight[s][j][r]);
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
      float stageSums[kAcross][4] = {};
#pragma unroll
      for (int s = 0; s < kSteps; ++s) {
        uint32_t upper[4], lower[4];
#pragma unroll
        for (int r = 0; r < 4; ++r) splitParts(a[stage][StagedLeft::at(warpRow + i * 16 + group + r % 2 * 8, s * 8 + inGroup + r / 2 * 4)], upper[r], lower[r]);
        multiplyFragments<kAcross>(stageSums, lower, upperRight[s]);
        multiplyFragments<kAcross>(stageSums, upper, lowerRight[s]);
        multiplyFragments<kAcross>(stageSums, upper, upperRight[s]);
      }
#pragma unroll
      for (int j = 0; j < kAcross; ++j)
#pragma unroll
        for (int r = 0; r < 4; ++r) sums[i][j][r] += stageSums[j][r];
    }
    if (more) {
      keep(stage ^ 1);
      __syncthreads();
      stage ^= 1;
    }
  }
#pragma unroll
  for (int j = 0; j < kAcross; ++j)
#pragma unroll
    for (int c = 0; c < 2; ++c) {
      const int n = firstColumn + warpColumn + j * 8 + inGroup * 2 + c;
      if (n >= columns) continue;
      const auto column = results.column(static_cast<int>(blockIdx.z), n);
#pragma unroll
      for (int i = 0; i < kDown; ++i)
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const int m = firstRow + warpRow + i * 16 + group + r * 8;
          if (m < rows) results.write(column, m, sums[i][j][r * 2 + c]);
        }
    }
}

}  // namespace ascribe::cuda
