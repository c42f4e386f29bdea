// A convolution of planes that is brought up to date where they have changed; compiled once per instruction set, see simd.h.
#pragma once
#include <algorithm>
#include <cmath>

#include "kernels/cpu/similar_rows_kernels.h"
#include "kernels/cpu/winograd_body.h"

namespace ascribe::cpu {
namespace {

int64_t findChanges(const float* from, const float* to, int64_t count, int64_t most, NumberChange* changes, float* largest) {
  /// What sums may have been beside what they are to be: a larger number that is taken out again takes bits with it.
  constexpr float kMostShrinking = 4;
  int64_t found = 0;
  Vf before{}, after{};
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t left = std::min<int64_t>(kLanes, count - i);
    const Vf old = left == kLanes ? load(from + i) : loadPart(from + i, left), now = left == kLanes ? load(to + i) : loadPart(to + i, left);
    before = maxOf(before, magnitude(old));
    after = maxOf(after, magnitude(now));
    // NaN differs from everything.
    auto differ = static_cast<uint32_t>(_mm512_cmp_ps_mask(old, now, _CMP_NEQ_UQ));
    if (found + kLanes > most) return -1;
    for (; differ != 0; differ &= differ - 1) {
      const int64_t at = i + __builtin_ctz(differ);
      changes[found++] = {static_cast<int32_t>(at), to[at] - from[at]};
    }
  }
  float largestAfter = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    *largest = std::max(*largest, before[lane]);
    largestAfter = std::max(largestAfter, after[lane]);
  }
  if (!(*largest <= kMostShrinking * largestAfter)) return -1;
  for (int64_t i = 0; i < found; ++i)
    if (!std::isfinite(changes[i].by)) return -1;
  return found;
}

void addChanges(const PlanesGeometry& g, const NumberChange* changes, int64_t count, const float* weights, float* sums) {
  const int64_t plane = g.out[0] * g.out[1] * kLanes, tap = g.blocks * kLanes;
  int64_t row = -1, rowEnd = 0;
  TapRange down{};
  const float* ofChannel = weights;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t place = changes[i].place;
    if (place >= rowEnd) {
      row = place / g.in[1];
      rowEnd = (row + 1) * g.in[1];
      down = g.down[row % g.in[0]];
      ofChannel = weights + row / g.in[0] * g.kernel[0] * g.kernel[1] * tap;
    }
    const TapRange across = g.across[place - rowEnd + g.in[1]];
    const Vf by = splat(changes[i].by);
    for (int64_t y = 0; y < down.count; ++y)
      for (int64_t x = 0; x < across.count; ++x) {
        const float* w = ofChannel + ((down.tap - y * g.stride[0]) * g.kernel[1] + across.tap - x * g.stride[1]) * tap;
        float* sum = sums + ((down.first + y) * g.out[1] + across.first + x) * kLanes;
        for (int64_t block = 0; block < g.blocks; ++block) store(sum + block * plane, fma(by, load(w + block * kLanes), load(sum + block * plane)));
      }
  }
}

bool finishSums(const Finish& finish, const float* sums, float* y, int64_t count) {
  Vf odd{};
  for (int64_t i = 0; i < count; i += kLanes) {
    const Vf sum = load(sums + i);
    // Zero where it is finite.
    odd += sum - sum;
    store(y + i, finished(finish, sum));
  }
  return sumOf(odd) == 0;
}

constexpr SimilarRowsKernels makeSimilarRowsKernels() { return {kLanes, findChanges, addChanges, finishSums}; }

}  // namespace
}  // namespace ascribe::cpu
