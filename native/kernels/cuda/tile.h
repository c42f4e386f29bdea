#pragma once
#include "kernels/cuda/index.h"

// One matrix product in tiles for everything bilinear: what differs is where its operands' elements come from and what
// becomes of a result. In f32 on the ordinary units: tensor cores would round operands to ten bits.
namespace ascribe::cuda {

/// Rows x columns of the result per block, the depth that is staged at a time, and the results of one thread.
template <int Rows, int Columns, int Depth, int ThreadRows, int ThreadColumns>
struct TileShape {
  static constexpr int kRows = Rows, kColumns = Columns, kDepth = Depth, kThreadRows = ThreadRows, kThreadColumns = ThreadColumns;
  static constexpr int kThreads = Rows / ThreadRows * (Columns / ThreadColumns);
};
using LargeTile = TileShape<128, 128, 8, 8, 8>;
using MiddleTile = TileShape<64, 64, 16, 4, 4>;
using SmallTile = TileShape<32, 32, 16, 4, 4>;

/// Left: `Left::kAlongDepth`, `Row row(z, m)`, `float at(row, k)`; right: `kAlongDepth`, `Column column(z, n)`,
/// `float at(column, k)`, both asked inside their bounds alone; `kAlongDepth` says that neighbours in memory follow
/// each other along k. Results: `Column column(z, n)`, `write(column, m, value)`.
template <class Tile, class Left, class Right, class Results>
__global__ void __launch_bounds__(Tile::kThreads) tileKernel(Left left, Right right, Results results, int rows, int columns, int depth) {
  constexpr int kRows = Tile::kRows, kColumns = Tile::kColumns, kDepth = Tile::kDepth, kThreads = Tile::kThreads;
  constexpr int kLeft = kRows * kDepth / kThreads, kRight = kColumns * kDepth / kThreads, kPad = 4;
  constexpr int kRowGroups = Tile::kThreadRows / 4, kColumnGroups = Tile::kThreadColumns / 4;
  constexpr int kAcross = kColumns / Tile::kThreadColumns;
  __shared__ __align__(16) float a[2][kDepth][kRows + kPad];
  __shared__ __align__(16) float b[2][kDepth][kColumns + kPad];
  const int thread = static_cast<int>(threadIdx.x), z = static_cast<int>(blockIdx.z);
  const int firstRow = static_cast<int>(blockIdx.y) * kRows, firstColumn = static_cast<int>(blockIdx.x) * kColumns;

  // Which elements of a stage are this thread's to fetch. The place across the depth is the same for all of them or
  // few, so its index arithmetic happens once.
  const auto leftRow = [&](int i) { return Left::kAlongDepth ? (thread + i * kThreads) / kDepth : (thread + i * kThreads) % kRows; };
  const auto leftDepth = [&](int i) { return Left::kAlongDepth ? (thread + i * kThreads) % kDepth : (thread + i * kThreads) / kRows; };
  const auto rightColumn = [&](int i) { return Right::kAlongDepth ? (thread + i * kThreads) / kDepth : (thread + i * kThreads) % kColumns; };
  const auto rightDepth = [&](int i) { return Right::kAlongDepth ? (thread + i * kThreads) % kDepth : (thread + i * kThreads) / kColumns; };
  typename Left::Row leftPlaces[Left::kAlongDepth ? kLeft : (kThreads % kRows == 0 ? 1 : kLeft)];
  typename Right::Column rightPlaces[Right::kAlongDepth ? kRight : (kThreads % kColumns == 0 ? 1 : kRight)];
  constexpr int kLeftPlaces = sizeof(leftPlaces) / sizeof(leftPlaces[0]), kRightPlaces = sizeof(rightPlaces) / sizeof(rightPlaces[0]);
  for (int i = 0; i < kLeftPlaces; ++i) {
    const int m = firstRow + leftRow(i);
    leftPlaces[i] = left.row(z, m < rows ? m : rows - 1);
  }
  for (int i = 0; i < kRightPlaces; ++i) {
    const int n = firstColumn + rightColumn(i);
    rightPlaces[i] = right.column(z, n < columns ? n : columns - 1);
  }

  float nextLeft[kLeft], nextRight[kRight];
  const auto fetch = [&](int from) {
#pragma unroll
    for (int i = 0; i < kLeft; ++i) {
      const int k = from + leftDepth(i);
      nextLeft[i] = k < depth ? left.at(leftPlaces[kLeftPlaces == 1 ? 0 : i], k) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < kRight; ++i) {
      const int k = from + rightDepth(i);
      nextRight[i] = k < depth ? right.at(rightPlaces[kRightPlaces == 1 ? 0 : i], k) : 0.0f;
    }
  };
  const auto keep = [&](int stage) {
#pragma unroll
    for (int i = 0; i < kLeft; ++i) a[stage][leftDepth(i)][leftRow(i)] = nextLeft[i];
#pragma unroll
    for (int i = 0; i < kRight; ++i) b[stage][rightDepth(i)][rightColumn(i)] = nextRight[i];
  };

  const int across = thread % kAcross, down = thread / kAcross;
  float sums[Tile::kThreadRows][Tile::kThreadColumns] = {};
  fetch(0);
  keep(0);
  __syncthreads();
  int stage = 0;
  for (int from = 0; from < depth; from += kDepth) {
    const bool more = from + kDepth < depth;
    if (more) fetch(from + kDepth);
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      float x[Tile::kThreadRows], y[Tile::kThreadColumns];
#pragma unroll
      for (int g = 0; g < kRowGroups; ++g) {
        const float4 four = *reinterpret_cast<const float4*>(&a[stage][k][g * (kRows / kRowGroups) + down * 4]);
        x[g * 4] = four.x, x[g * 4 + 1] = four.y, x[g * 4 + 2] = four.z, x[g * 4 + 3] = four.w;
      }
#pragma unroll
      for (int g = 0; g < kColumnGroups; ++g) {
        const float4 four = *reinterpret_cast<const float4*>(&b[stage][k][g * (kColumns / kColumnGroups) + across * 4]);
        y[g * 4] = four.x, y[g * 4 + 1] = four.y, y[g * 4 + 2] = four.z, y[g * 4 + 3] = four.w;
      }
#pragma unroll
      for (int i = 0; i < Tile::kThreadRows; ++i)
#pragma unroll
        for (int j = 0; j < Tile::kThreadColumns; ++j) sums[i][j] += x[i] * y[j];
    }
    if (more) {
      keep(stage ^ 1);
      __syncthreads();
      stage ^= 1;
    }
  }
#pragma unroll
  for (int j = 0; j < Tile::kThreadColumns; ++j) {
    const int n = firstColumn + j / 4 * (kColumns / kColumnGroups) + across * 4 + j % 4;
    if (n >= columns) continue;
    const auto column = results.column(z, n);
#pragma unroll
    for (int i = 0; i < Tile::kThreadRows; ++i) {
      const int m = firstRow + i / 4 * (kRows / kRowGroups) + down * 4 + i % 4;
      if (m < rows) results.write(column, m, sums[i][j]);
    }
  }
}

template <class Tile, class Left, class Right, class Results>
int launchTiles(Stream& stream, int64_t count, int64_t rows, int64_t columns, int64_t depth, const Left& left, const Right& right, const Results& results) {
  const dim3 grid(static_cast<unsigned>((columns + Tile::kColumns - 1) / Tile::kColumns), static_cast<unsigned>((rows + Tile::kRows - 1) / Tile::kRows), static_cast<unsigned>(count));
  return launch<true>(stream, tileKernel<Tile, Left, Right, Results>, grid, dim3(Tile::kThreads), left, right, results, static_cast<int>(rows), static_cast<int>(columns), static_cast<int>(depth));
}

/// Large tiles do most arithmetic for each element that is fetched, small ones fill the device where a result is small.
template <class Left, class Right, class Results>
int runTiles(Stream& stream, int64_t count, int64_t rows, int64_t columns, int64_t depth, const Left& left, const Right& right, const Results& results) {
  const auto blocks = [&](int64_t side) { return count * ((rows + side - 1) / side) * ((columns + side - 1) / side); };
  constexpr int64_t kEnough = 128;
  if (rows > 64 && columns > 64 && blocks(128) >= kEnough) return launchTiles<LargeTile>(stream, count, rows, columns, depth, left, right, results);
  if (rows > 32 && columns > 32 && blocks(64) >= kEnough) return launchTiles<MiddleTile>(stream, count, rows, columns, depth, left, right, results);
  return launchTiles<SmallTile>(stream, count, rows, columns, depth, left, right, results);
}

}  // namespace ascribe::cuda
