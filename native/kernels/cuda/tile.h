#pragma once
#include "kernels/cuda/tensor_tile.h"

// One matrix product in tiles for everything bilinear: what differs is where its operands' elements come from and what
// becomes of a result.
namespace ascribe::cuda {

using LargeTile = TensorTile<2, 2, 4, 3>;  // 128 x 64
using MiddleTile = TensorTile<2, 2, 2, 4>;  // 64 x 64
using WideTile = TensorTile<1, 4, 2, 4>;    // 32 x 128
using TallTile = TensorTile<4, 1, 2, 4>;    // 128 x 32

/// How a product is cut: large tiles do most arithmetic for each element that is fetched, small ones and a shared depth
/// fill the device where a result is small. It follows from the sizes alone, so that results are the same everywhere.
struct Cut {
  enum { Large, Middle, Wide, Tall } tile = Middle;
  int64_t splits = 1;

  Cut(int64_t count, int64_t rows, int64_t columns, int64_t depth) {
    constexpr int64_t kEnough = 264, kShortest = 96, kMostSplits = 32;  // two blocks on each multiprocessor
    const auto blocks = [&](int64_t down, int64_t across) { return count * ((rows + down - 1) / down) * ((columns + across - 1) / across); };
    int64_t here = blocks(64, 64);
    if (rows <= 32) tile = Wide, here = blocks(32, 128);
    else if (columns <= 32) tile = Tall, here = blocks(128, 32);
    // A large tile takes as long as 1.6 middle ones, for what lies beyond the edges too.
    else if (const int64_t large = blocks(128, 64); large >= kEnough && large * 8 <= here * 5) tile = Large, here = large;
    if (here < kEnough && depth >= 2 * kShortest) {
      const int64_t wanted = (2 * kEnough + here - 1) / (here < 1 ? 1 : here), most = depth / kShortest;
      splits = wanted < most ? wanted : most;
      if (splits > kMostSplits) splits = kMostSplits;
    }
  }
  uint64_t scratchBytes(int64_t count, int64_t rows, int64_t columns) const { return splits == 1 ? 0 : static_cast<uint64_t>(splits * count * rows * columns) * 4; }
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

/// Sides: `kAlongDepth` (neighbours in memory follow each other along the depth) and `Fetch<Places, Threads>`, see
/// staged_operand.h; where both are even, any of the two may lie either way. Results: `Column column(z, n)`,
/// `write(column, m, value)`, and where `vector` holds `writeFour(column, m, values)` of four columns from n on.
template <class Left, class Right, class Results>
int runTiles(Stream& stream, int64_t count, int64_t rows, int64_t columns, int64_t depth, const Left& left, const Right& right, const Results& results, void* scratch, uint64_t scratchBytes) {
  Cut cut(count, rows, columns, depth);
  // A part of a call (one phase, some heads) may have less room than it would like.
  if (cut.scratchBytes(count, rows, columns) > scratchBytes || count * cut.splits > 65535) cut.splits = 1;
  const Parts parts{static_cast<float*>(scratch), rows, columns, columns % 4 == 0 && isAligned(scratch)};
  const auto with = [&](auto tile) {
    using Tile = decltype(tile);
    const int64_t down = (rows + Tile::kRows - 1) / Tile::kRows, across = (columns + Tile::kColumns - 1) / Tile::kColumns;
    const int64_t share = ((depth + cut.splits - 1) / cut.splits + kStageDepth - 1) / kStageDepth * kStageDepth;
    const TileGrid grid{static_cast<int>(rows), static_cast<int>(columns), static_cast<int>(depth), static_cast<int>(cut.splits), static_cast<int>(share), FastDivision(down)};
    return launch<true>(stream, tensorTileKernel<Tile, Left, Right, Results>, dim3(static_cast<unsigned>(down * across), static_cast<unsigned>(count * cut.splits)), dim3(Tile::kThreads), left, right, results,
                        parts, grid);
  };
  const int status = cut.tile == Cut::Large ? with(LargeTile{}) : cut.tile == Cut::Middle ? with(MiddleTile{}) : cut.tile == Cut::Wide ? with(WideTile{}) : with(TallTile{});
  return status || cut.splits == 1 ? status : joinParts(stream, count, rows, columns, cut.splits, parts.data, results);
}

}  // namespace ascribe::cuda
