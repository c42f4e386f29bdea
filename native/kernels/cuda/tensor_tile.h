#pragma once
#include "kernels/cuda/async_copy.h"
#include "kernels/cuda/fragments.h"
#include "kernels/cuda/staged_operand.h"

namespace ascribe::cuda {

/// A tile of the result for tensor cores: warps down and across, each with 32 columns and `Down` fragments of 16 rows;
/// `Resident` blocks share a multiprocessor.
template <int WarpsDown, int WarpsAcross, int Down, int Resident>
struct TensorTile {
  static constexpr int kWarpsAcross = WarpsAcross, kDown = Down, kResident = Resident;
  static constexpr int kRows = WarpsDown * Down * 16, kColumns = WarpsAcross * 32, kThreads = WarpsDown * WarpsAcross * 32;
};

/// A product's sizes, and its blocks: the depth is shared out among `splits` of them where a result alone would not fill
/// the device. Blocks that follow each other are below each other: they read the same columns.
struct TileGrid {
  int rows, columns, depth, splits, share;
  FastDivision rowBlocks;
};

/// One share of the depth each, [count * splits, rows, columns].
struct Parts {
  using Column = float*;
  float* data;
  int64_t rows, columns;
  bool vector;  // four columns can be written at a time
  __device__ Column column(int z, int n) const { return data + z * rows * columns + n; }
  __device__ void write(Column column, int m, float value) const { column[m * columns] = value; }
  __device__ void writeFour(Column column, int m, float4 values) const { *reinterpret_cast<float4*>(column + m * columns) = values; }
};

/// Writes a thread's eight columns of each of its rows, four at a time.
template <class Tile, class Results>
__device__ __forceinline__ void writeFours(const Results& results, const TileGrid& grid, int z, int firstRow, int firstColumn, const float (&sums)[Tile::kDown][4][4]) {
#pragma unroll
  for (int c = 0; c < 2; ++c) {
    const int n = firstColumn + c * 4;
    if (n >= grid.columns) continue;
    const auto column = results.column(z, n);
#pragma unroll
    for (int slot = 0; slot < Tile::kDown * 2; ++slot) {
      const int m = firstRow + slot / 4 * 32 + slot % 4;
      const auto& four = sums[slot / 2];
      if (m < grid.rows) results.writeFour(column, m, float4{four[0][slot % 2 * 2 + c], four[1][slot % 2 * 2 + c], four[2][slot % 2 * 2 + c], four[3][slot % 2 * 2 + c]});
    }
  }
}
/// Where fours do not lie so: eight rows of a warp at a time pass through shared memory, and each thread writes one column.
constexpr int kPassedStep = 36, kPassedFloats = 8 * kPassedStep;
template <class Tile, class Results>
__device__ __forceinline__ void writeOnes(const Results& results, const TileGrid& grid, int z, int firstRow, int firstColumn, float* passed, const float (&sums)[Tile::kDown][4][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32, n = firstColumn + lane;
  const bool inside = n < grid.columns;
  const auto column = results.column(z, inside ? n : grid.columns - 1);
  float* mine = passed + lane / 4 * kPassedStep + lane % 4 * 8;
#pragma unroll
  for (int slot = 0; slot < Tile::kDown * 2; ++slot) {
    const auto& four = sums[slot / 2];
#pragma unroll
    for (int c = 0; c < 2; ++c) *reinterpret_cast<float4*>(mine + c * 4) = float4{four[0][slot % 2 * 2 + c], four[1][slot % 2 * 2 + c], four[2][slot % 2 * 2 + c], four[3][slot % 2 * 2 + c]};
    __syncwarp();
#pragma unroll
    for (int r = 0; r < 8; ++r) {
      const int m = firstRow + slot / 4 * 32 + r * 4 + slot % 4;
      if (inside && m < grid.rows) results.write(column, m, passed[r * kPassedStep + lane]);
    }
    __syncwarp();
  }
}

/// A matrix product on tensor cores, in single precision: an operand is the sum of two parts of eleven bits, and the three
/// products of parts that matter are added. The cores cut their sums off instead of rounding them, so theirs run over one
/// stage only, and stages are added on the ordinary units. An infinite operand gives NaN.
///
/// While a stage is multiplied the two behind it are on their way.
template <class Tile, class Left, class Right, class Results>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kResident) tensorTileKernel(Left left, Right right, Results results, Parts parts, TileGrid grid) {
  constexpr int kStages = 3, kDown = Tile::kDown;
  using StagedLeft = StagedOperand<Left::kAlongDepth, Tile::kRows>;
  using StagedRight = StagedOperand<Right::kAlongDepth, Tile::kColumns>;
  __shared__ __align__(16) float a[kStages][StagedLeft::kFloats];
  __shared__ __align__(16) float b[kStages][StagedRight::kFloats];
  const int item = static_cast<int>(blockIdx.y), z = item / grid.splits, split = item - z * grid.splits;
  const int columnBlock = static_cast<int>(grid.rowBlocks.quotient(blockIdx.x)), rowBlock = static_cast<int>(blockIdx.x) - columnBlock * static_cast<int>(grid.rowBlocks.divisor);
  const int begin = split * grid.share, end = begin + grid.share < grid.depth ? begin + grid.share : grid.depth;
  const int firstRow = rowBlock * Tile::kRows, firstColumn = columnBlock * Tile::kColumns;
  typename Left::template Fetch<Tile::kRows, Tile::kThreads> fetchLeft(left, z, firstRow, grid.rows, begin);
  typename Right::template Fetch<Tile::kColumns, Tile::kThreads> fetchRight(right, z, firstColumn, grid.columns, begin);

  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32, group = lane / 4, inGroup = lane % 4;
  const int warpRow = warp / Tile::kWarpsAcross * kDown * 16, warpColumn = warp % Tile::kWarpsAcross * 32;
  float sums[kDown][4][4] = {};
  int fetched = begin, to = 0, stage = 0;
  const auto fetch = [&] {
    if (fetched < end) {
      fetchLeft(a[to], end);
      fetchRight(b[to], end);
      fetched += kStageDepth;
      to = to == kStages - 1 ? 0 : to + 1;
    }
    closeCopies();
  };
#pragma unroll
  for (int i = 0; i < kStages - 1; ++i) fetch();
  for (int from = begin; from < end; from += kStageDepth) {
    awaitCopies<kStages - 2>();
    __syncthreads();  // the stage is whole, and nobody reads any more what the next copies overwrite
    fetch();
    uint32_t upperRight[2][4][2], lowerRight[2][4][2];
    float values[4][4];
    StagedRight::load(b[stage], warpColumn, group, inGroup, values);
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
      for (int q = 0; q < 4; ++q) splitParts(values[j][q], upperRight[q / 2][j][q % 2], lowerRight[q / 2][j][q % 2]);
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
      if (i % 2 == 0) StagedLeft::load(a[stage], warpRow + i * 16, group, inGroup, values);
      float stageSums[4][4] = {};
      // The small products first: beside the large ones each of them would have its sum cut off.
      uint32_t upper[2][4];
#pragma unroll
      for (int s = 0; s < 2; ++s) {
        uint32_t lower[4];
#pragma unroll
        for (int r = 0; r < 4; ++r) splitParts(values[i % 2 * 2 + r % 2][s * 2 + r / 2], upper[s][r], lower[r]);
        multiplyFragments<4>(stageSums, lower, upperRight[s]);
        multiplyFragments<4>(stageSums, upper[s], lowerRight[s]);
      }
#pragma unroll
      for (int s = 0; s < 2; ++s) multiplyFragments<4>(stageSums, upper[s], upperRight[s]);
#pragma unroll
      for (int j = 0; j < 4; ++j)
#pragma unroll
        for (int r = 0; r < 4; ++r) sums[i][j][r] += stageSums[j][r];
    }
    stage = stage == kStages - 1 ? 0 : stage + 1;
  }
  const int row = firstRow + warpRow, column = firstColumn + warpColumn;
  if (grid.splits > 1 ? parts.vector : results.vector) {
    if (grid.splits > 1) writeFours<Tile>(parts, grid, item, row + group * 4, column + inGroup * 8, sums);
    else writeFours<Tile>(results, grid, z, row + group * 4, column + inGroup * 8, sums);
    return;
  }
  static_assert(sizeof a >= Tile::kThreads / 32 * kPassedFloats * sizeof(float));
  float* passed = &a[0][0] + warp * kPassedFloats;
  __syncthreads();  // nobody reads operands any more
  if (grid.splits > 1) writeOnes<Tile>(parts, grid, item, row, column, passed, sums);
  else writeOnes<Tile>(results, grid, z, row, column, passed, sums);
}

}  // namespace ascribe::cuda
