#pragma once
#include "kernels/cuda/tensor_tile.h"

// One matrix product in tiles for everything bilinear: what differs is where its operands' elements come from and what
// becomes of a result. Large results run on tensor cores, small ones on the ordinary units.
namespace ascribe::cuda {

/// Rows x columns of the result per block, the depth that is staged at a time, and the results of one thread.
template <int Rows, int Columns, int Depth, int ThreadRows, int ThreadColumns>
struct TileShape {
  static constexpr int kRows = Rows, kColumns = Columns, kDepth = Depth, kThreadRows = ThreadRows, kThreadColumns = ThreadColumns;
  static constexpr int kThreads = Rows / ThreadRows * (Columns / ThreadColumns);
};
using LargeTile = TensorTile<2, 4, 4, 4>;   // 128 x 128
using MiddleTile = TensorTile<2, 2, 2, 4>;  // 64 x 64
using SmallTile = TileShape<32, 32, 16, 4, 4>;

/// Left: `Left::kAlongDepth`, `Row row(z, m)`, `float at(row, k)`; right: `kAlongDepth`, `Column column(z, n)`,
/// `Stage stage(column, from)` (what the next kDepth steps have in common), `float at(column, stage, k)`, all asked
/// inside their bounds alone; `kAlongDepth` says that neighbours in memory follow
/// each other along k. `Stage stage(column, from)` does once what a stage of the depth has in common. Results: `Column column(z, n)`, `write(column, m, value)`.
///
/// The depth is shared out among `splits` blocks where a result alone would not fill the device: then `Results` are parts.
template <class Tile, class Left, class Right, class Results>
__global__ void __launch_bounds__(Tile::kThreads) tileKernel(Left left, Right right, Results results, int rows, int columns, int depth, int splits, int share) {
  constexpr int kRows = Tile::kRows, kColumns = Tile::kColumns, kDepth = Tile::kDepth, kPad = 4;
  constexpr int kRowGroups = Tile::kThreadRows / 4, kColumnGroups = Tile::kThreadColumns / 4;
  constexpr int kAcross = kColumns / Tile::kThreadColumns;
  __shared__ __align__(16) float a[2][kDepth][kRows + kPad];
  __shared__ __align__(16) float b[2][kDepth][kColumns + kPad];
  const int thread = static_cast<int>(threadIdx.x), z = static_cast<int>(blockIdx.z) / splits, split = static_cast<int>(blockIdx.z) % splits;
  const int begin = split * share, end = begin + share < depth ? begin + share : depth;
  const int firstRow = static_cast<int>(blockIdx.y) * kRows, firstColumn = static_cast<int>(blockIdx.x) * kColumns;
  Staging<Tile, Left, Right> staging(left, right, z, firstRow, firstColumn, rows, columns, end);
  const auto keep = [&](int stage) {
#pragma unroll
    for (int i = 0; i < staging.kLeft; ++i) a[stage][staging.leftDepth(i)][staging.leftRow(i)] = staging.leftValues[i];
#pragma unroll
    for (int i = 0; i < staging.kRight; ++i) b[stage][staging.rightDepth(i)][staging.rightColumn(i)] = staging.rightValues[i];
  };

  const int across = thread % kAcross, down = thread / kAcross;
  float sums[Tile::kThreadRows][Tile::kThreadColumns] = {};
  staging.fetch(begin);
  keep(0);
  __syncthreads();
  int stage = 0;
  for (int from = begin; from < end; from += kDepth) {
    const bool more = from + kDepth < end;
    if (more) staging.fetch(from + kDepth);
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
    const auto column = results.column(static_cast<int>(blockIdx.z), n);
#pragma unroll
    for (int i = 0; i < Tile::kThreadRows; ++i) {
      const int m = firstRow + i / 4 * (kRows / kRowGroups) + down * 4 + i % 4;
      if (m < rows) results.write(column, m, sums[i][j]);
    }
  }
}

template <class Tile, class Kernel, class Left, class Right, class Results>
int launchTiles(Stream& stream, Kernel kernel, int64_t count, int64_t rows, int64_t columns, int64_t depth, int64_t splits, const Left& left, const Right& right, const Results& results) {
  const dim3 grid(static_cast<unsigned>((columns + Tile::kColumns - 1) / Tile::kColumns), static_cast<unsigned>((rows + Tile::kRows - 1) / Tile::kRows), static_cast<unsigned>(count * splits));
  const int64_t share = ((depth + splits - 1) / splits + Tile::kDepth - 1) / Tile::kDepth * Tile::kDepth;
  return launch<true>(stream, kernel, grid, dim3(Tile::kThreads), left, right, results, static_cast<int>(rows), static_cast<int>(columns), static_cast<int>(depth), static_cast<int>(splits),
                      static_cast<int>(share));
}

/// For a right side whose steps have nothing in common.
struct NoStage {};

/// How a product is cut: large tiles do most arithmetic for each element that is fetched, small ones and a shared depth
/// fill the device where a result is small. It follows from the sizes alone, so that results are the same everywhere.
struct Cut {
  int tile = 0;  // 2: large, 1: middle, 0: small
  int64_t splits = 1;

  Cut(int64_t count, int64_t rows, int64_t columns, int64_t depth) {
    const auto blocks = [&](int64_t side) { return count * ((rows + side - 1) / side) * ((columns + side - 1) / side); };
    constexpr int64_t kEnough = 128, kShortest = 128, kMostSplits = 32;
    if (rows > 64 && columns > 64 && blocks(128) >= kEnough) {
      tile = 2;
      return;
    }
    if (rows > 32 && columns > 32) tile = 1;
    const int64_t here = blocks(tile == 1 ? 64 : 32);
    if (here < kEnough && depth >= 2 * kShortest) {
      const int64_t wanted = (2 * kEnough + here - 1) / (here < 1 ? 1 : here), most = depth / kShortest;
      splits = wanted < most ? wanted : most;
      if (splits > kMostSplits) splits = kMostSplits;
    }
  }
  uint64_t scratchBytes(int64_t count, int64_t rows, int64_t columns) const { return splits == 1 ? 0 : static_cast<uint64_t>(splits * count * rows * columns) * 4; }
};

/// One share of the depth each, [count * splits, rows, columns].
struct Parts {
  using Column = float*;
  float* data;
  int64_t rows, columns;
  __device__ Column column(int z, int n) const { return data + z * rows * columns + n; }
  __device__ void write(Column column, int m, float value) const { column[m * columns] = value; }
};
template <class Results>
int joinParts(Stream& stream, int64_t count, int64_t rows, int64_t columns, int64_t splits, const float* parts, const Results& results) {
  const FastDivision perRow(columns);
  const int64_t each = rows * columns;
  return overElements(stream, count * each, [=] __device__(int64_t i) {
    const int64_t z = i / each, at = i - z * each;
    const auto m = static_cast<int64_t>(perRow.quotient(static_cast<uint32_t>(at)));
    float sum = 0;
    for (int64_t s = 0; s < splits; ++s) sum += parts[(z * splits + s) * each + at];
    results.write(results.column(static_cast<int>(z), static_cast<int>(at - m * columns)), static_cast<int>(m), sum);
  });
}

template <class Left, class Right, class Results>
int runTiles(Stream& stream, int64_t count, int64_t rows, int64_t columns, int64_t depth, const Left& left, const Right& right, const Results& results, void* scratch, uint64_t scratchBytes) {
  Cut cut(count, rows, columns, depth);
  // A part of a call (one phase, some heads) may have less room than it would like.
  if (cut.scratchBytes(count, rows, columns) > scratchBytes || count * cut.splits > 65535) cut.splits = 1;
  const auto with = [&](const auto& to) {
    using To = std::decay_t<decltype(to)>;
    if (cut.tile == 2) return launchTiles<LargeTile>(stream, tensorTileKernel<LargeTile, Left, Right, To>, count, rows, columns, depth, cut.splits, left, right, to);
    if (cut.tile == 1) return launchTiles<MiddleTile>(stream, tensorTileKernel<MiddleTile, Left, Right, To>, count, rows, columns, depth, cut.splits, left, right, to);
    return launchTiles<SmallTile>(stream, tileKernel<SmallTile, Left, Right, To>, count, rows, columns, depth, cut.splits, left, right, to);
  };
  if (cut.splits == 1) return with(results);
  const Parts parts{static_cast<float*>(scratch), rows, columns};
  if (const int status = with(parts)) return status;
  return joinParts(stream, count, rows, columns, cut.splits, parts.data, results);
}

}  // namespace ascribe::cuda
