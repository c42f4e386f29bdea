// Convolutions at a stride of 2 over values in blocks, without products for channels that only fill blocks up; compiled once per
// instruction set, see simd.h.
#pragma once
#include <algorithm>
#include <type_traits>
#include <utility>

#include "kernels/cpu/blocked_conv_body.h"
#include "kernels/cpu/strided_conv_kernels.h"

namespace ascribe::cpu {
namespace {

constexpr int64_t kStride = 2;

/// R pixels of a row from `column` on, of G blocks of results, of the last one its first half alone if `EndsHalf`.
template <int R, int G, bool EndsHalf>
void stridedTile(const StridedTask& t, int64_t row, int64_t column, int64_t block, const float* w) {
  constexpr int kWhole = EndsHalf ? G - 1 : G;
  const int64_t plane = t.height * t.width * kLanes, resultPlane = t.resultHeight * t.resultWidth * kLanes;
  Vf sum[R][kWhole + 1];
  VfHalf last[R];
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g) {
    const Vf start = biasFrom(t.bias, (block + g) * kLanes, t.results);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      if (g < kWhole) sum[r][g] = start;
      else last[r] = lowerHalf(start);
    }
  }
  for (int64_t ky = 0; ky < t.kernel[0]; ++ky) {
    const int64_t from = row * kStride - t.pad[0] + ky;
    if (from < 0 || from >= t.height) {
      w += t.kernel[1] * t.channels * G * kLanes;
      continue;
    }
    for (int64_t kx = 0; kx < t.kernel[1]; ++kx) {
      const int64_t left = column * kStride - t.pad[1] + kx;
      // Pixels that read beside the picture are left out.
      const int64_t first = left < 0 ? (-left + kStride - 1) / kStride : 0, end = std::min<int64_t>(R, left >= t.width ? 0 : (t.width - 1 - left) / kStride + 1);
      const float* x = t.x + (from * t.width + left) * kLanes;
      const auto products = [&](auto isWhole) {
        for (int64_t c = 0; c < t.channels; c += kLanes, x += plane) {
          const int64_t depth = std::min<int64_t>(kLanes, t.channels - c);
          for (int64_t k = 0; k < depth; ++k, w += G * kLanes) {
            Vf line[kWhole + 1];
            VfHalf lastLine;
#pragma GCC unroll 4
            for (int g = 0; g < kWhole; ++g) line[g] = load(w + g * kLanes);
            if constexpr (EndsHalf) lastLine = loadHalf(w + kWhole * kLanes);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
              if (!decltype(isWhole)::value && (r < first || r >= end)) continue;
              const Vf value = splat(x[r * kStride * kLanes + k]);
#pragma GCC unroll 4
              for (int g = 0; g < kWhole; ++g) sum[r][g] = fma(value, line[g], sum[r][g]);
              if constexpr (EndsHalf) last[r] = fma(lowerHalf(value), lastLine, last[r]);
            }
          }
        }
      };
      if (first == 0 && end == R) products(std::true_type{});
      else products(std::false_type{});
    }
  }
  float* y = t.y + block * resultPlane + (row * t.resultWidth + column) * kLanes;
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g)
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) store(y + g * resultPlane + r * kLanes, clipped(t.finish, g < kWhole ? sum[r][g] : widened(last[r])));
}

using StridedTile = void (*)(const StridedTask&, int64_t, int64_t, int64_t, const float*);

template <int G, bool EndsHalf, int... R>
StridedTile stridedTileFor(int64_t pixels, std::integer_sequence<int, R...>) {
  static constexpr StridedTile tiles[] = {stridedTile<R + 1, G, EndsHalf>...};
  return tiles[pixels - 1];
}

/// The rows for one group of results, in tiles of nearly equal width.
template <int G>
void stridedGroup(const StridedTask& t, int64_t block, const float* w) {
  constexpr auto kPixels = std::make_integer_sequence<int, rowsOf(G)>();
  const int64_t tiles = (t.resultWidth + rowsOf(G) - 1) / rowsOf(G);
  const bool endsHalf = t.results - block * kLanes <= (G - 1) * kLanes + kLanes / 2;
  for (int64_t row = t.rowBegin; row < t.rowEnd; ++row)
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t column = t.resultWidth * i / tiles, pixels = t.resultWidth * (i + 1) / tiles - column;
      (endsHalf ? stridedTileFor<G, true>(pixels, kPixels) : stridedTileFor<G, false>(pixels, kPixels))(t, row, column, block, w);
    }
}

void stridedConv(const StridedTask& t) {
  const int64_t blocks = (t.results + kLanes - 1) / kLanes, taps = t.kernel[0] * t.kernel[1];
  const float* w = t.weights;
  for (int64_t block = 0; block < blocks;) {
    const int group = groupOf(blocks - block);
    if (group == 3) stridedGroup<3>(t, block, w);
    else if (group == 2) stridedGroup<2>(t, block, w);
    else stridedGroup<1>(t, block, w);
    w += taps * t.channels * group * kLanes;
    block += group;
  }
}

constexpr StridedConvKernels makeStridedConvKernels() { return {kLanes, groupOf, stridedConv}; }

}  // namespace
}  // namespace ascribe::cpu
