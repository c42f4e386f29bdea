// Products of rows rounded to 8 bits with weights in blocks, over a type of lanes `V`. Include it only in files named
// block_*.cpp, one for each instruction set: everything here has internal linkage on purpose (simd.h says why).
#pragma once
#include <bit>
#include <cstring>
#include <limits>

#include "graph/half.h"
#include "kernels/cpu/block_kernels.h"
#include "kernels/cpu/block_panels.h"
#include "runtime/error.h"

namespace ascribe::cpu {
namespace {

#define ASCRIBE_LANES inline __attribute__((always_inline))

/// A block of each row of a panel. What `first` and `second` hold follows from the weights that it is made for: Q8_0, -128 times
/// the sum of the integers; Q4_K, their sum as f32; Q6_K, -32 times the sums of the first and the second sixteen.
template <int R>
struct RowBlock {
  int8_t values[R][kRowBlock];
  float scale[R];
  int32_t first[R], second[R];
};
static_assert(sizeof(RowBlock<4>) == 4 * kRowBlockBytes);

/// The bits of |x| order as its value does, with infinity and NaN above all numbers.
inline uint32_t magnitude(float x) { return std::bit_cast<uint32_t>(x) & 0x7fffffffu; }

template <int R>
inline void roundBlock(DType type, const float* x, RowBlock<R>& to, int r) {
  uint32_t largest = 0;
  for (int i = 0; i < kRowBlock; ++i) largest = magnitude(x[i]) > largest ? magnitude(x[i]) : largest;
  constexpr uint32_t kInfinity = 0x7f800000u;
  if (largest >= kInfinity || largest < std::bit_cast<uint32_t>(0x1p-118f)) {
    std::memset(to.values[r], 0, kRowBlock);
    to.scale[r] = largest >= kInfinity ? std::numeric_limits<float>::quiet_NaN() : 0;
    to.first[r] = to.second[r] = 0;  // 0 as f32 too
    return;
  }
  const float most = std::bit_cast<float>(largest), inverse = 127 / most;
  int32_t sums[2] = {0, 0};
  for (int half = 0; half < 2; ++half) {
    int8_t* values = to.values[r] + half * 16;
    // Added to 1.5 x 2^23 a number is rounded to a whole one, to the nearest, ties to even, which stands in the last byte.
    for (int i = 0; i < 16; ++i) values[i] = static_cast<int8_t>(std::bit_cast<int32_t>(x[half * 16 + i] * inverse + 0x1.8p23f));
    for (int i = 0; i < 16; ++i) sums[half] += values[i];
  }
  to.scale[r] = most / 127;
  to.second[r] = 0;
  if (type == DType::Q8_0) to.first[r] = -128 * (sums[0] + sums[1]);
  else if (type == DType::Q4_K) to.first[r] = std::bit_cast<int32_t>(static_cast<float>(sums[0] + sums[1]));
  else to.first[r] = -32 * sums[0], to.second[r] = -32 * sums[1];
}

template <int R>
void roundRows(DType type, int64_t blocks, const float* x, int64_t stride, int64_t present, std::byte* to) {
  auto* out = reinterpret_cast<RowBlock<R>*>(to);
  if (present < R) std::memset(to, 0, static_cast<size_t>(blocks) * sizeof(RowBlock<R>));
  for (int r = 0; r < present; ++r)
    for (int64_t b = 0; b < blocks; ++b) roundBlock(type, x + r * stride + b * kRowBlock, out[b], r);
}

/// Walks of a panel for the columns from one on. A step adds what the next kBlocks blocks give.
template <class V>
struct Q8_0 {
  static constexpr int64_t kBlocks = 1;
  const std::byte *scales, *integers;
  Q8_0(const std::byte* panel, int64_t blocks, int column) : scales(panel + 2 * column), integers(panel + integersOfQ8_0(blocks) + 4 * column) {}
  template <int R>
  ASCRIBE_LANES void step(const RowBlock<R>* x, typename V::Reals (&c)[R]) {
    typename V::Integers sum[R];
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) sum[r] = V::startOffset(x->first[r]);
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) {
      const auto w = V::offset(integers + 64 * g);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) sum[r] = V::addOffset(sum[r], w, x->values[r] + 4 * g);
    }
    const auto scale = V::halves(scales);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) c[r] = V::add(c[r], V::mul(V::mul(V::real(sum[r]), scale), V::splat(x->scale[r])));
    scales += 32;
    integers += 512;
  }
};

template <class V>
struct Q4_K {
  static constexpr int64_t kBlocks = 8;
  const std::byte* panel;
  int column;
  Q4_K(const std::byte* from, int64_t, int c) : panel(from), column(c) {}
  template <int R>
  ASCRIBE_LANES void step(const RowBlock<R>* x, typename V::Reals (&c)[R]) {
    const auto d = V::halves(panel + 2 * column), m = V::halves(panel + 32 + 2 * column);
    const std::byte *own = panel + 64 + column, *from = panel + 320 + 4 * column;
    for (int part = 0; part < 8; ++part, ++x, own += 32, from += 256) {
      typename V::Integers sum[R];
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) sum[r] = V::zero();
#pragma GCC unroll 4
      for (int g = 0; g < 4; ++g) {
        const auto both = V::bytes(from + 64 * g);
        const auto low = V::lowNibbles(both), high = V::highNibbles(both);
#pragma GCC unroll 12
        for (int r = 0; r < R; ++r) sum[r] = V::addSmall(sum[r], low, x->values[r] + 4 * g);
#pragma GCC unroll 12
        for (int r = 0; r < R; ++r) sum[r] = V::addSmall(sum[r], high, x->values[r] + 16 + 4 * g);
      }
      const auto scale = V::mul(d, V::real(V::unsignedBytes(own))), less = V::mul(m, V::real(V::unsignedBytes(own + 16)));
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        const auto product = V::sub(V::mul(V::real(sum[r]), scale), V::mul(less, V::splat(std::bit_cast<float>(x->first[r]))));
        c[r] = V::add(c[r], V::mul(product, V::splat(x->scale[r])));
      }
    }
    panel += kPanelQ4_K;
  }
};

template <class V>
struct Q6_K {
  static constexpr int64_t kBlocks = 8;
  const std::byte* panel;
  int column;
  Q6_K(const std::byte* from, int64_t, int c) : panel(from), column(c) {}
  template <int R>
  ASCRIBE_LANES void step(const RowBlock<R>* x, typename V::Reals (&c)[R]) {
    const auto d = V::halves(panel + 2 * column);
    const std::byte *own = panel + 32 + column, *from = panel + 288 + 4 * column;
    for (int part = 0; part < 8; ++part, ++x, own += 32, from += 384) {
      typename V::Integers total[R], sum[R];
      const auto half = [&](int which) __attribute__((always_inline)) {
#pragma GCC unroll 12
        for (int r = 0; r < R; ++r) sum[r] = V::startSmall(which == 0 ? x->first[r] : x->second[r]);
        const auto pairs = V::bytes(from + 256 + 64 * which);
#pragma GCC unroll 4
        for (int g = 0; g < 4; ++g) {
          const auto both = V::bytes(from + 64 * g);
          const auto w = V::sixBits(which == 0 ? V::lowNibbles(both) : V::highNibbles(both), pairs, g);
#pragma GCC unroll 12
          for (int r = 0; r < R; ++r) sum[r] = V::addSmall(sum[r], w, x->values[r] + 16 * which + 4 * g);
        }
        const auto scale = V::signedBytes(own + 16 * which);
#pragma GCC unroll 12
        for (int r = 0; r < R; ++r) {
          const auto scaled = V::mulIntegers(sum[r], scale);
          total[r] = which == 0 ? scaled : V::addIntegers(total[r], scaled);
        }
      };
      half(0);
      half(1);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) c[r] = V::add(c[r], V::mul(V::mul(V::real(total[r]), d), V::splat(x->scale[r])));
    }
    panel += kPanelQ6_K;
  }
};

template <class V, template <class> class Format, int R>
void tileOf(int64_t blocks, const std::byte* x, const std::byte* weights, float* c, int64_t ldc, int64_t present, int64_t columns) {
  for (int column = 0; column < columns; column += V::kLanes) {
    const auto* rows = reinterpret_cast<const RowBlock<R>*>(x);
    Format<V> panel(weights, blocks, column);
    typename V::Reals sums[R];
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) sums[r] = V::splat(0);
    for (int64_t b = 0; b < blocks; b += Format<V>::kBlocks) panel.step(rows + b, sums);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r)
      if (r < present) V::store(c + r * ldc + column, sums[r], columns - column);
  }
}

template <int R>
struct OfRows {
  template <class V, int Most>
  static void tile(DType type, int64_t blocks, const std::byte* x, const std::byte* weights, float* c, int64_t ldc, int64_t present, int64_t columns) {
    if (type == DType::Q8_0) return tileOf<V, Q8_0, R>(blocks, x, weights, c, ldc, present, columns);
    if (type == DType::Q4_K) return tileOf<V, Q4_K, R>(blocks, x, weights, c, ldc, present, columns);
    if constexpr (R <= Most) return tileOf<V, Q6_K, R>(blocks, x, weights, c, ldc, present, columns);
    throw Error("INTERNAL", "more rows than a panel has");
  }
};

/// body.template operator()<R>() for the `rows` of a panel, of which there are `Most` at most.
template <int Most, class Body>
void withRows(int rows, Body&& body) {
  switch (rows) {
    case 1: return body.template operator()<1>();
    case 2: return body.template operator()<2>();
    case 4: return body.template operator()<4>();
    case 8:
      if constexpr (Most >= 8) return body.template operator()<8>();
      break;
    case 12:
      if constexpr (Most >= 12) return body.template operator()<12>();
      break;
    default: break;
  }
  throw Error("INTERNAL", "no panel has so many rows");
}

template <class V, int Rows, int RowsQ6_K>
constexpr BlockKernels makeBlockKernels(std::string_view name) {
  return {
      .name = name,
      .rows = Rows,
      .rowsQ6_K = RowsQ6_K,
      .round =
          [](DType type, int rows, int64_t blocks, const float* x, int64_t stride, int64_t present, std::byte* to) {
            withRows<Rows>(rows, [&]<int R>() { roundRows<R>(type, blocks, x, stride, present, to); });
          },
      .tile =
          [](DType type, int rows, int64_t blocks, const std::byte* x, const std::byte* weights, float* c, int64_t ldc, int64_t present, int64_t columns) {
            withRows<Rows>(rows, [&]<int R>() { OfRows<R>::template tile<V, RowsQ6_K>(type, blocks, x, weights, c, ldc, present, columns); });
          },
  };
}

}  // namespace
}  // namespace ascribe::cpu
