// Convolutions of 1 x 1 and depthwise ones over values in blocks; compiled once per instruction set, see simd.h.
#pragma once
#include <algorithm>
#include <utility>

#include "kernels/cpu/blocked_conv_kernels.h"
#include "kernels/cpu/half_vectors.h"
#include "kernels/cpu/simd_math.h"
#include "kernels/cpu/winograd_body.h"

namespace ascribe::cpu {
namespace {

/// Two accumulators for each of 14 pixels, or three for each of nine: what leaves registers for weights and one for a pixel.
constexpr int kMostGroup = 3;
constexpr int rowsOf(int group) { return group == 3 ? 9 : 14; }
int tileRows(int group) { return rowsOf(group); }
/// No single block is left over where there is another way.
int groupOf(int64_t blocksLeft) { return blocksLeft == 1 ? 1 : blocksLeft == 2 || blocksLeft == 4 ? 2 : kMostGroup; }

/// `count` floats, whole vectors, that were just stored.
ASCRIBE_INLINE void finishRun(const Finish& finish, float* y, int64_t count) {
  if (finish.kind == Finish::Kind::Silu) {
    for (int64_t i = 0; i < count; i += kLanes) store(y + i, siluOf(load(y + i)));
  } else {
    const Vf slope = splat(finish.low);
    for (int64_t i = 0; i < count; i += kLanes) {
      const Vf v = load(y + i);
      store(y + i, v < Vf{} ? slope * v : v);
    }
  }
}

/// R pixels of G blocks of results, of the last one its first half alone if `EndsHalf`: `x` and `y` at the first pixel, weights and
/// bias of the group. Lines from `ahead` on, as many as there are channels, come into the second-level cache meanwhile.
template <int R, int G, bool EndsHalf>
void pointwiseTile(const PointwiseTask& t, const float* x, const float* w, const float* bias, int64_t biasCount, const float* residual, float* y, const float* ahead, const Gates& gates) {
  constexpr int kWhole = EndsHalf ? G - 1 : G;
  Vf sum[R][kWhole + 1];
  VfHalf last[R];
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g) {
    const Vf start = biasFrom(bias, g * kLanes, biasCount);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      if (g < kWhole) sum[r][g] = start;
      else last[r] = lowerHalf(start);
      __builtin_prefetch(y + g * t.yBlock + r * kLanes, 1);
    }
  }
  for (int64_t c = 0; c < t.channels; c += kLanes, x += t.xBlock) {
    const int64_t depth = std::min<int64_t>(kLanes, t.channels - c);
    for (int64_t k = 0; k < depth; ++k, w += G * kLanes, ahead += kLanes) {
      __builtin_prefetch(ahead, 0, 2);
      Vf line[kWhole + 1];
      VfHalf lastLine;
#pragma GCC unroll 4
      for (int g = 0; g < kWhole; ++g) line[g] = load(w + g * kLanes);
      if constexpr (EndsHalf) lastLine = loadHalf(w + kWhole * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const Vf value = splat(x[r * kLanes + k]);
#pragma GCC unroll 4
        for (int g = 0; g < kWhole; ++g) sum[r][g] = fma(value, line[g], sum[r][g]);
        if constexpr (EndsHalf) last[r] = fma(lowerHalf(value), lastLine, last[r]);
      }
    }
  }
  withGating(gates, [&]<Gating kGating>() __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g)
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        Vf all = g < kWhole ? sum[r][g] : widened(last[r]);
        if (residual != nullptr) all += load(residual + g * t.yBlock + r * kLanes);
        storeGated<kGating>(gates, g * t.yBlock + r * kLanes, y, t.finish.kind == Finish::Kind::Clip ? clipped(t.finish, all) : all);
      }
  });
}

using PointwiseTile = void (*)(const PointwiseTask&, const float*, const float*, const float*, int64_t, const float*, float*, const float*, const Gates&);

template <int G, bool EndsHalf, int... R>
PointwiseTile tileFor(int64_t rows, std::integer_sequence<int, R...>) {
  static constexpr PointwiseTile tiles[] = {pointwiseTile<R + 1, G, EndsHalf>...};
  return tiles[rows - 1];
}

/// The pixels of a strip for one group of results, in tiles of nearly equal height.
template <int G>
void pointwiseGroup(const PointwiseTask& t, int64_t pixel, int64_t pixels, int64_t block, const float* w) {
  const int64_t tiles = (pixels + rowsOf(G) - 1) / rowsOf(G), channel = block * kLanes;
  const bool endsHalf = t.results - channel <= (G - 1) * kLanes + kLanes / 2;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t begin = pixels * i / tiles, rows = pixels * (i + 1) / tiles - begin, at = (pixel + begin) * kLanes;
    float* y = t.y + block * t.yBlock + at;
    constexpr auto kRows = std::make_integer_sequence<int, rowsOf(G)>();
    const PointwiseTile tile = endsHalf ? tileFor<G, true>(rows, kRows) : tileFor<G, false>(rows, kRows);
    // Each of the first tiles fetches its part; the others go once more over what is there.
    const int64_t part = (pixel + begin) / rowsOf(G);
    tile(t, t.x + at, w, t.bias == nullptr ? nullptr : t.bias + channel, t.results - channel, t.residual == nullptr ? nullptr : t.residual + block * t.yBlock + at, y,
         part < t.aheadBlocks ? t.ahead + part * kLanes * t.channels : w, t.gates.from(block * t.yBlock + at));
    if (t.finish.kind != Finish::Kind::Clip)
      for (int g = 0; g < G; ++g) finishRun(t.finish, y + g * t.yBlock, rows * kLanes);
  }
}

/// Strip after strip of pixels that stay in the first-level cache, all groups of results over each.
void pointwise(const PointwiseTask& t) {
  constexpr int64_t kStripBytes = 16384;
  const int64_t blocks = (t.results + kLanes - 1) / kLanes, most = rowsOf(groupOf(blocks));
  const int64_t strip = std::max<int64_t>(1, kStripBytes / (t.channels * static_cast<int64_t>(sizeof(float))) / most) * most;
  for (int64_t pixel = 0; pixel < t.pixels; pixel += strip) {
    const int64_t pixels = std::min(strip, t.pixels - pixel);
    const float* w = t.weights;
    for (int64_t block = 0; block < blocks;) {
      const int group = groupOf(blocks - block);
      if (group == 3) pointwiseGroup<3>(t, pixel, pixels, block, w);
      else if (group == 2) pointwiseGroup<2>(t, pixel, pixels, block, w);
      else pointwiseGroup<1>(t, pixel, pixels, block, w);
      w += group * kLanes * t.channels;
      block += group;
    }
  }
}

constexpr int kDepthwiseTile = 7;

/// The results of a row from `column` on. Columns of x before the first and behind the last are zero.
template <int K, int S, bool IsWhole>
ASCRIBE_INLINE void depthwiseTile(const DepthwiseTask& t, int64_t row, int64_t column, float* y, const Gates& gates) {
  constexpr int kColumns = (kDepthwiseTile - 1) * S + K;
  Vf sum[kDepthwiseTile];
  const Vf start = t.bias == nullptr ? Vf{} : load(t.bias);
#pragma GCC unroll 8
  for (int r = 0; r < kDepthwiseTile; ++r) sum[r] = start;
  const int64_t top = row * S - t.padTop, left = column * S - t.padLeft;
  const int64_t first = std::max<int64_t>(0, -top), last = std::min<int64_t>(K, t.height - top);
  for (int64_t ky = first; ky < last; ++ky) {
    const float *x = t.x + ((top + ky) * t.width + left) * kLanes, *w = t.weights + ky * K * kLanes;
    Vf values[kColumns], line[K];
#pragma GCC unroll 32
    for (int c = 0; c < kColumns; ++c) values[c] = IsWhole || (left + c >= 0 && left + c < t.width) ? load(x + c * kLanes) : Vf{};
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) line[k] = load(w + k * kLanes);
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k)
#pragma GCC unroll 8
      for (int r = 0; r < kDepthwiseTile; ++r) sum[r] = fma(values[r * S + k], line[k], sum[r]);
  }
  withGating(gates, [&]<Gating kGating>() __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int r = 0; r < kDepthwiseTile; ++r) storeGated<kGating>(gates, r * kLanes, y, t.finish.kind == Finish::Kind::Clip ? clipped(t.finish, sum[r]) : sum[r]);
  });
}

template <int K, int S>
void depthwise(const DepthwiseTask& t) {
  float* y = t.y;
  for (int64_t row = t.rowBegin; row < t.rowEnd; ++row, y += t.resultWidth * kLanes) {
    for (int64_t column = 0;; column += kDepthwiseTile) {
      // The last tile of a row goes over some results once more.
      column = std::min(column, t.resultWidth - kDepthwiseTile);
      const int64_t left = column * S - t.padLeft;
      const Gates gates = t.gates.from(y - t.y + column * kLanes);
      if (left >= 0 && left + (kDepthwiseTile - 1) * S + K <= t.width) depthwiseTile<K, S, true>(t, row, column, y + column * kLanes, gates);
      else depthwiseTile<K, S, false>(t, row, column, y + column * kLanes, gates);
      if (column + kDepthwiseTile >= t.resultWidth) break;
    }
    if (t.finish.kind != Finish::Kind::Clip) finishRun(t.finish, y, t.resultWidth * kLanes);
  }
}

/// The gradient of a depthwise convolution at a stride of 2: every other element of a row of the image, those that the taps
/// P, P + 2, … reach, from `column` of the gradient's on.
template <int K, int P>
ASCRIBE_INLINE void spreadTile(const DepthwiseTask& t, int64_t row, int64_t column, float* y, const Gates& gates) {
  constexpr int kTaps = (K - P + 1) / 2, kColumns = kDepthwiseTile + kTaps - 1;
  Vf sum[kDepthwiseTile] = {};
  const int64_t left = column - (kTaps - 1);
  const bool isWhole = left >= 0 && left + kColumns <= t.width;
  for (int64_t ky = (row + t.padTop) % 2; ky < K; ky += 2) {
    const int64_t from = (row + t.padTop - ky) / 2;
    if (row + t.padTop < ky || from >= t.height) continue;
    const float *x = t.x + (from * t.width + left) * kLanes, *w = t.weights + (ky * K + P) * kLanes;
    Vf values[kColumns];
    if (isWhole) {
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c) values[c] = load(x + c * kLanes);
    } else {
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c) values[c] = left + c >= 0 && left + c < t.width ? load(x + c * kLanes) : Vf{};
    }
#pragma GCC unroll 4
    for (int j = 0; j < kTaps; ++j) {
      const Vf line = load(w + 2 * j * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < kDepthwiseTile; ++r) sum[r] = fma(values[kTaps - 1 - j + r], line, sum[r]);
    }
  }
  withGating(gates, [&]<Gating kGating>() __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int r = 0; r < kDepthwiseTile; ++r) storeGated<kGating>(gates, 2 * r * kLanes, y, sum[r]);
  });
}

template <int K, int P>
ASCRIBE_INLINE void spreadRow(const DepthwiseTask& t, int64_t row, float* y) {
  // Element 2 column + P - padLeft of the row, for the columns that give one.
  const int64_t first = (t.padLeft - P + 1) / 2, last = (t.resultWidth - 1 + t.padLeft - P) / 2 + 1;
  for (int64_t column = first;; column += kDepthwiseTile) {
    column = std::min(column, last - kDepthwiseTile);
    const int64_t at = (2 * column + P - t.padLeft) * kLanes;
    spreadTile<K, P>(t, row, column, y + at, t.gates.from(y - t.y + at));
    if (column + kDepthwiseTile >= last) return;
  }
}

template <int K>
void depthwiseSpread(const DepthwiseTask& t) {
  float* y = t.y;
  for (int64_t row = t.rowBegin; row < t.rowEnd; ++row, y += t.resultWidth * kLanes) {
    spreadRow<K, 0>(t, row, y);
    spreadRow<K, 1>(t, row, y);
  }
}

BlockedConvKernels::Depthwise depthwiseGradientFor(int64_t kernel, int64_t stride) {
  return stride != 2 ? nullptr : kernel == 3 ? depthwiseSpread<3> : kernel == 5 ? depthwiseSpread<5> : nullptr;
}

BlockedConvKernels::Depthwise depthwiseFor(int64_t kernel, int64_t stride) {
  if (kernel == 3) return stride == 1 ? depthwise<3, 1> : stride == 2 ? depthwise<3, 2> : nullptr;
  if (kernel == 5) return stride == 1 ? depthwise<5, 1> : stride == 2 ? depthwise<5, 2> : nullptr;
  return nullptr;
}

constexpr BlockedConvKernels makeBlockedConvKernels() { return {kLanes, groupOf, tileRows, pointwise, depthwiseFor, depthwiseGradientFor, winogradFor, kDepthwiseTile}; }

}  // namespace
}  // namespace ascribe::cpu
