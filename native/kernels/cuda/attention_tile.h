#pragma once
#include <cmath>
#include <type_traits>

#include "kernels/cuda/index.h"
#include "kernels/cuda/staged_rows.h"
#include "kernels/cuda/warp.h"

// Attention whose scores never leave the registers: a warp keeps 16 queries and goes through keys and values piece by
// piece, with the greatest score and the sum of exponentials so far (Milakov and Gimelshein, arXiv 1805.02867; Dao et al.,
// arXiv 2205.14135).
namespace ascribe::cuda {

constexpr float kLog2E = 1.44269504f;

struct AttentionOperands {
  const float *q, *k, *v, *mask;
  float *y, *tops;  // of each query, where they are wanted: the greatest score, and one over the sum of exponentials
  int queries, keys, depth, width;
  bool causal;
  float scale;
  Walk<1> maskHeads;
  int64_t maskRow, maskKey;
  FastDivision inner;  // heads, where causal; else blocks of a head
};

/// Rows of keys and values are filled up with zeros to `Size`, and are read in chunks of at most 128; so many keys are read
/// at a time.
template <int Size, int Keys, int Resident, int Warps = 4>
struct AttentionTile {
  static constexpr int kSize = Size, kKeys = Keys, kResident = Resident, kChunk = Size < 128 ? Size : 128, kChunks = Size / kChunk;
  static constexpr int kRows = Warps * 16, kThreads = Warps * 32;
  using Staged = StagedRows<Keys, kChunk>;
  static_assert(Size % kChunk == 0);
};

template <class Tile, bool Fours>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kResident) attentionKernel(AttentionOperands a) {
  constexpr int kSize = Tile::kSize, kKeys = Tile::kKeys, kChunk = Tile::kChunk, kChunks = Tile::kChunks;
  using Staged = typename Tile::Staged;
  __shared__ __align__(16) float staged[2][Staged::kFloats];
  // Causal blocks are of different length: the longest of all heads begin first. Else those of a head share what they read.
  const int block = static_cast<int>(blockIdx.x), outer = static_cast<int>(a.inner.quotient(blockIdx.x)), inner = block - outer * static_cast<int>(a.inner.divisor);
  const int blocks = (a.queries + Tile::kRows - 1) / Tile::kRows;
  const int head = a.causal ? inner : outer, firstRow = (a.causal ? blocks - 1 - outer : inner) * Tile::kRows;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32, group = lane / 4, inGroup = lane % 4;
  const float *k = a.k + static_cast<int64_t>(head) * a.keys * a.depth, *v = a.v + static_cast<int64_t>(head) * a.keys * a.width;
  // Chunks of keys, then those of values, in two places by turns.
  const auto fetch = [&](int chunk, int from) {
    if (chunk < kChunks) Staged::template fetch<Fours, Tile::kThreads>(staged[chunk % 2], k, from, a.keys, chunk * kChunk, a.depth);
    else Staged::template fetch<Fours, Tile::kThreads>(staged[chunk % 2], v, from, a.keys, (chunk - kChunks) * kChunk, a.width);
    closeCopies();
  };
  const auto await = [&] {
    awaitCopies<0>();
    __syncthreads();  // the chunk is here, and nobody reads the one before any more
  };
  // A causal row sees the keys up to its own, the sequences aligned at their ends.
  const auto seenBy = [&](int row) { return a.causal && row - a.queries + 1 < 0 ? row - a.queries + 1 + a.keys : a.keys; };
  const int end = seenBy(firstRow + Tile::kRows - 1), everySees = seenBy(firstRow);
  if (end > 0) fetch(0, 0);

  int rows[2], seen[2];
  const float *queries[2], *mask[2] = {nullptr, nullptr};
  int64_t maskOf[1] = {0};
  if (a.mask) a.maskHeads.at(head, maskOf);
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int row = firstRow + warp * 16 + group + h * 8;
    rows[h] = row < a.queries ? row : a.queries - 1;
    seen[h] = seenBy(rows[h]);
    queries[h] = a.q + (static_cast<int64_t>(head) * a.queries + rows[h]) * a.depth + inGroup * 4;
    if (a.mask) mask[h] = a.mask + maskOf[0] + rows[h] * a.maskRow;
  }

  float results[kSize / 32][4][4] = {}, tops[2] = {-INFINITY, -INFINITY}, sums[2] = {0, 0};
  for (int from = 0; from < end; from += kKeys) {
    float scores[kKeys / 32][4][4] = {};
#pragma unroll
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      await();
      fetch(chunk + 1, from);
      const float* keys = staged[chunk % 2];
#pragma unroll
      for (int stage = 0; stage < kChunk / 16; ++stage) {
        const int first = chunk * kChunk + stage * 16;
        if (first >= a.depth) break;
        float query[2][4];
#pragma unroll
        for (int h = 0; h < 2; ++h) readFour<Fours>(queries[h] + first, a.depth - first - inGroup * 4, query[h]);
        LeftParts left;
        left.along(query);
#pragma unroll
        for (int b = 0; b < kKeys / 32; ++b) {
          float right[4][4];
          Staged::loadAlong(keys, b * 32, stage * 16, group, inGroup, right);
          multiplyParts(scores[b], left, right);
        }
      }
    }

    const int firstKey = from + inGroup * 2;
    const auto onScores = [&](const auto& f) {
#pragma unroll
      for (int j = 0; j < kKeys / 8; ++j)
#pragma unroll
        for (int r = 0; r < 4; ++r) f(scores[j / 4][j % 4][r], r / 2, firstKey + j * 8 + r % 2);
    };
    onScores([&](float& score, int, int) { score *= a.scale; });
    if (a.mask) onScores([&](float& score, int h, int key) { score += mask[h][(key < a.keys ? key : a.keys - 1) * a.maskKey]; });
    if (from + kKeys > everySees) onScores([&](float& score, int h, int key) { score = key < seen[h] ? score : -INFINITY; });
    float top[2] = {-INFINITY, -INFINITY};
    onScores([&](float& score, int h, int) { top[h] = fmaxf(top[h], score); });
    // NaN is no greatest score, but in the sum.
    float shift[2], factor[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int apart = 1; apart < 4; apart *= 2) top[h] = fmaxf(top[h], fromBeside(top[h], apart));
      const float before = tops[h];
      tops[h] = fmaxf(before, top[h]);
      shift[h] = tops[h] == -INFINITY ? 0 : tops[h];  // nothing is seen yet
      factor[h] = powerOfTwo((before - shift[h]) * kLog2E);
      sums[h] *= factor[h];
    }
    float added[2] = {0, 0};
    onScores([&](float& score, int h, int) {
      score = powerOfTwo((score - shift[h]) * kLog2E);  // subtracted first: what hides keys may be large beside all scores
      added[h] += score;
    });
#pragma unroll
    for (int h = 0; h < 2; ++h) sums[h] += added[h];
#pragma unroll
    for (int f = 0; f < kSize / 8; ++f)
#pragma unroll
      for (int r = 0; r < 4; ++r) results[f / 4][f % 4][r] *= factor[r / 2];

#pragma unroll
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      await();
      if (chunk + 1 < kChunks) fetch(kChunks + chunk + 1, from);
      else if (from + kKeys < end) fetch(0, from + kKeys);
      const float* values = staged[(kChunks + chunk) % 2];
#pragma unroll
      for (int pair = 0; pair < kKeys / 16; ++pair) {
        LeftParts left;
        left.across(scores[pair / 2][pair % 2 * 2], scores[pair / 2][pair % 2 * 2 + 1]);
#pragma unroll
        for (int b = 0; b < kChunk / 32; ++b) {
          if (chunk * kChunk + b * 32 >= a.width) break;
          float right[4][4];
          Staged::loadAcross(values, pair * 16, b * 32, group, inGroup, right);
          multiplyParts(results[chunk * (kChunk / 32) + b], left, right);
        }
      }
    }
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) {
#pragma unroll
    for (int apart = 1; apart < 4; apart *= 2) sums[h] += fromBeside(sums[h], apart);
    const float inverse = 1.0f / sums[h];  // who sees nothing has 0 / 0
    const int row = firstRow + warp * 16 + group + h * 8;
    if (row >= a.queries) continue;
    if (a.tops && inGroup == 0) {
      float* kept = a.tops + (static_cast<int64_t>(head) * a.queries + row) * 2;
      kept[0] = tops[h], kept[1] = inverse;
    }
    float* to = a.y + (static_cast<int64_t>(head) * a.queries + row) * a.width;
#pragma unroll
    for (int b = 0; b < kSize / 32; ++b)
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        const int column = b * 32 + inGroup * 8 + c * 4;
        const auto& all = results[b];
        const float four[4] = {all[0][h * 2 + c] * inverse, all[1][h * 2 + c] * inverse, all[2][h * 2 + c] * inverse, all[3][h * 2 + c] * inverse};
        writeFour<Fours>(to + column, a.width - column, four);
      }
  }
}

/// Below, products of few rows read keys and values at the speed of memory; larger heads do not fit the registers.
constexpr int64_t kFewestTiledQueries = 9, kLargestTiledHead = 256, kLongKeys = 384;
inline bool takesTiles(const Call& call) {
  const int64_t heads = call.integers[0], queries = call.integers[1], depth = call.integers[3], width = call.integers[4];
  return queries >= kFewestTiledQueries && depth <= kLargestTiledHead && width <= kLargestTiledHead && heads * ((queries + 31) / 32) < int64_t{1} << 31;
}
struct AttentionTensors {
  float *q, *k, *v;
  const Tensor& mask;
  float *y, *tops;
};
inline int runAttentionTiles(Stream& stream, const Call& call, const AttentionTensors& t) {
  const Tensor& mask = t.mask;
  const int64_t heads = call.integers[0], queries = call.integers[1], depth = call.integers[3], width = call.integers[4];
  const bool causal = call.integers[5] != 0, masked = mask.data != nullptr;
  const auto with = [&](auto tile, auto fours) {
    using Tile = decltype(tile);
    const int64_t blocks = (queries + Tile::kRows - 1) / Tile::kRows;
    const AttentionOperands a{t.q, t.k, t.v, static_cast<float*>(mask.data), t.y, t.tops, static_cast<int>(queries), static_cast<int>(call.integers[2]), static_cast<int>(depth), static_cast<int>(width), causal, call.reals[0],
                              Walk<1>(mask.dims, masked ? mask.rank - 2 : 0, {mask.strides}), masked ? mask.strides[mask.rank - 2] : 0, masked ? mask.strides[mask.rank - 1] : 0,
                              FastDivision(causal ? heads : blocks)};
    return launch<true>(stream, attentionKernel<Tile, decltype(fours)::value>, dim3(static_cast<unsigned>(heads * blocks)), dim3(Tile::kThreads), a);
  };
  const int64_t size = depth > width ? depth : width;
  const bool fours = depth % 4 == 0 && width % 4 == 0 && isAligned(t.q) && isAligned(t.k) && isAligned(t.v) && isAligned(t.y);
  if (!fours) return size <= 64 ? with(AttentionTile<64, 64, 2>{}, std::false_type{}) : with(AttentionTile<256, 32, 1>{}, std::false_type{});
  if (size <= 32) return with(AttentionTile<32, 64, 3>{}, std::true_type{});
  // In short sequences much of a large tile lies beyond their ends.
  if (size <= 64) return call.integers[2] < kLongKeys ? with(AttentionTile<64, 32, 6, 2>{}, std::true_type{}) : with(AttentionTile<64, 64, 2>{}, std::true_type{});
  if (size <= 128) return with(AttentionTile<128, 32, 3>{}, std::true_type{});
  return with(AttentionTile<256, 32, 1>{}, std::true_type{});
}

}  // namespace ascribe::cuda
