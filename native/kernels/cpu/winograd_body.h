// Transformations of Winograd's algorithm over values in blocks; compiled once per instruction set, see simd.h.
#pragma once
#include <algorithm>

#include "kernels/cpu/blocked_conv_kernels.h"
#include "kernels/cpu/half_vectors.h"
#include "kernels/cpu/simd_math.h"

namespace ascribe::cpu {
namespace {

ASCRIBE_INLINE Vf clipped(const Finish& finish, Vf x) { return minOf(splat(finish.high), maxOf(splat(finish.low), x)); }
ASCRIBE_INLINE Vf finished(const Finish& finish, Vf x) {
  if (finish.kind == Finish::Kind::Silu) return siluOf(x);
  if (finish.kind == Finish::Kind::LeakyRelu) return x < Vf{} ? splat(finish.low) * x : x;
  return clipped(finish, x);
}

/// A vector of a bias of `count` numbers from one on; zero behind its end, and where there is none.
ASCRIBE_INLINE Vf biasFrom(const float* bias, int64_t from, int64_t count) {
  const int64_t left = count - from;
  return bias == nullptr || left <= 0 ? Vf{} : left >= kLanes ? load(bias + from) : loadPart(bias + from, left);
}

/// Stores a result that has its bit: `at` floats behind where the gates begin.
enum class Gating { None, Write, Read };
template <Gating G>
ASCRIBE_INLINE void storeGated(const Gates& gates, int64_t at, float* y, Vf v) {
  if constexpr (G == Gating::Read) {
    uint16_t open;
    __builtin_memcpy(&open, gates.read + at / 8, sizeof open);
    v = _mm512_maskz_mov_ps(open, v);
  }
  if constexpr (G == Gating::Write) {
    const auto open = static_cast<uint16_t>(_mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(v, splat(gates.low), _CMP_GT_OQ), v, splat(gates.high), _CMP_LT_OQ));
    __builtin_memcpy(gates.written + at / 8, &open, sizeof open);
  }
  store(y + at, v);
}
/// Calls `body` for the kind of gates that there are.
template <class Body>
ASCRIBE_INLINE void withGating(const Gates& gates, Body&& body) {
  if (gates.written != nullptr) body.template operator()<Gating::Write>();
  else if (gates.read != nullptr) body.template operator()<Gating::Read>();
  else body.template operator()<Gating::None>();
}

/// F(2, 3) at the points 0, 1, -1 and infinity.
struct EdgeOfTwo {
  static constexpr int kEdge = 2, kPatch = 4;
  template <class V>
  ASCRIBE_INLINE static void forward(const V (&d)[4], V (&out)[4]) {
    out[0] = d[0] - d[2];
    out[1] = d[1] + d[2];
    out[2] = d[2] - d[1];
    out[3] = d[1] - d[3];
  }
  template <class V>
  ASCRIBE_INLINE static void back(const V (&p)[4], V (&out)[2]) {
    out[0] = p[0] + p[1] + p[2];
    out[1] = p[1] - p[2] - p[3];
  }
};

/// F(4, 3) at the points 0, ±a, ±b and infinity; weights are transformed in blocked_conv_weights.cpp.
struct EdgeOfFour {
  static constexpr int kEdge = 4, kPatch = 6;
  static constexpr float a = kWinogradNear, b = kWinogradFar;
  template <class V>
  ASCRIBE_INLINE static V times(float factor, V v, V plus) {
    return fma(V{} + factor, v, plus);
  }
  template <class V>
  ASCRIBE_INLINE static void forward(const V (&d)[6], V (&out)[6]) {
    out[0] = times(a * a * b * b, d[0], times(-(a * a + b * b), d[2], d[4]));
    const V evenNear = times(-b * b, d[2], d[4]), oddNear = times(-b * b, d[1], d[3]);
    out[1] = times(a, oddNear, evenNear);
    out[2] = times(-a, oddNear, evenNear);
    const V evenFar = times(-a * a, d[2], d[4]), oddFar = times(-a * a, d[1], d[3]);
    out[3] = times(b, oddFar, evenFar);
    out[4] = times(-b, oddFar, evenFar);
    out[5] = times(a * a * b * b, d[1], times(-(a * a + b * b), d[3], d[5]));
  }
  template <class V>
  ASCRIBE_INLINE static void back(const V (&p)[6], V (&out)[4]) {
    const V evenNear = p[1] + p[2], oddNear = p[1] - p[2], evenFar = p[3] + p[4], oddFar = p[3] - p[4];
    out[0] = p[0] + (evenNear + evenFar);
    out[1] = times(a, oddNear, (V{} + b) * oddFar);
    out[2] = times(a * a, evenNear, (V{} + b * b) * evenFar);
    out[3] = times(a * a * a, oddNear, times(b * b * b, oddFar, p[5]));
  }
};

/// One patch of x, rows first.
template <class Edge, class V, bool IsWhole>
ASCRIBE_INLINE void inputTile(const WinogradTiles& t, const float* x, int64_t top, int64_t left, float* to, int64_t position) {
  constexpr int kPatch = Edge::kPatch;
  V half[kPatch][kPatch];  // [column][row]
  for (int r = 0; r < kPatch; ++r) {
    const int64_t row = top + r;
    const bool isRow = IsWhole || (row >= 0 && row < t.height);
    V d[kPatch], line[kPatch];
#pragma GCC unroll 8
    for (int c = 0; c < kPatch; ++c) {
      const int64_t column = left + c;
      if (IsWhole || (isRow && column >= 0 && column < t.width)) loadInto(d[c], x + (row * t.width + column) * kLanes);
      else d[c] = V{};
    }
    Edge::forward(d, line);
#pragma GCC unroll 8
    for (int c = 0; c < kPatch; ++c) half[c][r] = line[c];
  }
#pragma GCC unroll 8
  for (int c = 0; c < kPatch; ++c) {
    V line[kPatch];
    Edge::forward(half[c], line);
#pragma GCC unroll 8
    for (int r = 0; r < kPatch; ++r) store(to + (r * kPatch + c) * position, line[r]);
  }
}

template <class Edge, class V>
void inputBlock(const WinogradTiles& t, const float* x, int64_t padTop, int64_t padLeft, float* to, int64_t position) {
  for (int64_t row = t.rowBegin; row < t.rowBegin + t.rows; ++row)
    for (int64_t column = 0; column < t.columns; ++column, to += kLanes) {
      const int64_t top = Edge::kEdge * row - padTop, left = Edge::kEdge * column - padLeft;
      if (top >= 0 && left >= 0 && top + Edge::kPatch <= t.height && left + Edge::kPatch <= t.width) inputTile<Edge, V, true>(t, x, top, left, to, position);
      else inputTile<Edge, V, false>(t, x, top, left, to, position);
    }
}

bool endsHalf(const WinogradTiles& t, int64_t block) { return t.channels - block * kLanes <= kLanes / 2; }

template <class Edge>
void winogradInput(const WinogradTiles& t, const float* x, int64_t padTop, int64_t padLeft, float* to) {
  const int64_t run = t.count() * kLanes, position = t.blocks * run;
  for (int64_t block = 0; block < t.blocks; ++block, x += t.plane, to += run) {
    if (endsHalf(t, block)) inputBlock<Edge, VfHalf>(t, x, padTop, padLeft, to, position);
    else inputBlock<Edge, Vf>(t, x, padTop, padLeft, to, position);
  }
}

template <class Edge, class V, Gating G>
void outputBlock(const WinogradTiles& t, const float* products, int64_t position, Vf start, const float* residual, float* y, const Finish& finish, const Gates& gates) {
  constexpr int kEdge = Edge::kEdge, kPatch = Edge::kPatch;
  for (int64_t row = kEdge * t.rowBegin; row < kEdge * (t.rowBegin + t.rows); row += kEdge)
    for (int64_t column = 0; column < kEdge * t.columns; column += kEdge, products += kLanes) {
      V half[kEdge][kPatch];
#pragma GCC unroll 8
      for (int c = 0; c < kPatch; ++c) {
        V p[kPatch], line[kEdge];
#pragma GCC unroll 8
        for (int r = 0; r < kPatch; ++r) loadInto(p[r], products + (r * kPatch + c) * position);
        Edge::back(p, line);
#pragma GCC unroll 4
        for (int r = 0; r < kEdge; ++r) half[r][c] = line[r];
      }
#pragma GCC unroll 4
      for (int r = 0; r < kEdge; ++r) {
        if (row + r >= t.height) break;
        V line[kEdge];
        Edge::back(half[r], line);
#pragma GCC unroll 4
        for (int c = 0; c < kEdge; ++c) {
          if (column + c >= t.width) break;
          const int64_t at = ((row + r) * t.width + column + c) * kLanes;
          const Vf result = start + widened(line[c]);
          storeGated<G>(gates, at, y, finished(finish, residual == nullptr ? result : result + load(residual + at)));
        }
      }
    }
}

template <class Edge>
void winogradOutput(const WinogradTiles& t, const float* products, const float* bias, const float* residual, float* y, const Finish& finish, const Gates& gates) {
  const int64_t run = t.count() * kLanes, position = t.blocks * run;
  for (int64_t block = 0; block < t.blocks; ++block, products += run) {
    const int64_t at = block * t.plane;
    const Vf start = biasFrom(bias, block * kLanes, t.channels);
    const float* added = residual == nullptr ? nullptr : residual + at;
    withGating(gates, [&]<Gating G>() {
      if (endsHalf(t, block)) outputBlock<Edge, VfHalf, G>(t, products, position, start, added, y + at, finish, gates.from(at));
      else outputBlock<Edge, Vf, G>(t, products, position, start, added, y + at, finish, gates.from(at));
    });
  }
}

WinogradTransforms winogradFor(int edge) {
  return edge == 2 ? WinogradTransforms{winogradInput<EdgeOfTwo>, winogradOutput<EdgeOfTwo>} : WinogradTransforms{winogradInput<EdgeOfFour>, winogradOutput<EdgeOfFour>};
}

}  // namespace
}  // namespace ascribe::cpu
