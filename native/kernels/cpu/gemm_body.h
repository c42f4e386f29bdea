// The register-level part of the product; compiled once per instruction set, see simd.h.
#pragma once
#include <type_traits>

#include "graph/blocks.h"
#include "kernels/cpu/gemm_kernels.h"
#include "kernels/cpu/simd.h"

namespace ascribe::cpu {
namespace {

#if defined(__AVX512F__)
constexpr int kRows = 14, kVectors = 2;  // 28 accumulators of 32 registers
#elif defined(__AVX2__)
constexpr int kRows = 6, kVectors = 2;  // 12 of 16
#elif defined(ASCRIBE_NEON)
constexpr int kRows = 6, kVectors = 4;  // 24 of 32; a line of B and one of A stay beside them
#else
constexpr int kRows = 4, kVectors = 2;  // 8 of 16; the product needs a register of its own without FMA
#endif
constexpr int kColumns = kVectors * kLanes;
/// A vector of 16 lanes is a line of the cache, which leaves room for one more load beside those of a word.
constexpr bool kFetchesAhead = kLanes == 16;
static_assert(64 % kColumns == 0, "attention packs keys and values 64 at a time, in whole panels");

struct FromF32 {
  using Type = float;
  static ASCRIBE_INLINE float one(const float* p) { return *p; }
  static ASCRIBE_INLINE V4 four(const float* p) { return load4(p); }
  static ASCRIBE_INLINE Vf vector(const float* p) { return load(p); }
};
struct FromF16 {
  using Type = uint16_t;
#if defined(__F16C__)
  static ASCRIBE_INLINE float one(const uint16_t* p) { return _cvtsh_ss(*p); }
  static ASCRIBE_INLINE V4 four(const uint16_t* p) {
    return _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
#if defined(__AVX512F__)
  static ASCRIBE_INLINE Vf vector(const uint16_t* p) {
    return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
#else
  static ASCRIBE_INLINE Vf vector(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
#endif
#elif defined(ASCRIBE_NEON)
  static ASCRIBE_INLINE float one(const uint16_t* p) {
    __fp16 narrow;
    __builtin_memcpy(&narrow, p, sizeof narrow);
    return narrow;
  }
  static ASCRIBE_INLINE V4 four(const uint16_t* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
  static ASCRIBE_INLINE Vf vector(const uint16_t* p) { return four(p); }
#else
  static ASCRIBE_INLINE float one(const uint16_t* p) { return widenF16(*p); }
  static ASCRIBE_INLINE V4 four(const uint16_t* p) { return V4{one(p), one(p + 1), one(p + 2), one(p + 3)}; }
  static ASCRIBE_INLINE Vf vector(const uint16_t* p) { return four(p); }
#endif
};
struct FromBf16 {
  using Type = uint16_t;
  static ASCRIBE_INLINE float one(const uint16_t* p) {
    const uint32_t wide = static_cast<uint32_t>(*p) << 16;
    float value;
    __builtin_memcpy(&value, &wide, sizeof value);
    return value;
  }
  static ASCRIBE_INLINE V4 four(const uint16_t* p) {
    typedef uint16_t Narrow __attribute__((vector_size(8)));
    Narrow narrow;
    __builtin_memcpy(&narrow, p, sizeof narrow);
    return reinterpret_cast<V4>(__builtin_convertvector(narrow, Vi4) << 16);
  }
  static ASCRIBE_INLINE Vf vector(const uint16_t* p) {
    typedef uint16_t Narrow __attribute__((vector_size(sizeof(Vf) / 2)));
    Narrow narrow;
    __builtin_memcpy(&narrow, p, sizeof narrow);
    return fromBits(__builtin_convertvector(narrow, Vi) << 16);
  }
};

template <class From, int Width>
void packColumns(float* panel, const void* source, int64_t stride, int64_t count, int64_t depth) {
  const auto* from = static_cast<const typename From::Type*>(source);
  if (count == Width) {
    for (int64_t p = 0; p < depth; ++p, from += stride, panel += Width) {
      int i = 0;
      for (; i + 4 <= Width; i += 4) store4(panel + i, From::four(from + i));
      for (; i < Width; ++i) panel[i] = From::one(from + i);
    }
    return;
  }
  for (int64_t p = 0; p < depth; ++p, from += stride, panel += Width) {
    for (int64_t i = 0; i < count; ++i) panel[i] = From::one(from + i);
    for (int64_t i = count; i < Width; ++i) panel[i] = 0;
  }
}

/// Transposes 4 x 4 at a time: panel[p][i] = line i, element p.
template <class From, int Width>
void packLines(float* panel, const void* source, int64_t stride, int64_t count, int64_t depth) {
  const auto* from = static_cast<const typename From::Type*>(source);
  int64_t p = 0;
  if (count == Width) {
    for (; p + 4 <= depth; p += 4) {
      float* out = panel + p * Width;
      int i = 0;
      for (; i + 4 <= Width; i += 4) {
        const auto* line = from + i * stride + p;
        const V4 a = From::four(line), b = From::four(line + stride), c = From::four(line + 2 * stride),
                 d = From::four(line + 3 * stride);
        const V4 ab0 = shuffle<0, 4, 1, 5>(a, b), ab1 = shuffle<2, 6, 3, 7>(a, b);
        const V4 cd0 = shuffle<0, 4, 1, 5>(c, d), cd1 = shuffle<2, 6, 3, 7>(c, d);
        store4(out + i, shuffle<0, 1, 4, 5>(ab0, cd0));
        store4(out + Width + i, shuffle<2, 3, 6, 7>(ab0, cd0));
        store4(out + 2 * Width + i, shuffle<0, 1, 4, 5>(ab1, cd1));
        store4(out + 3 * Width + i, shuffle<2, 3, 6, 7>(ab1, cd1));
      }
      for (; i < Width; ++i) {
        const V4 a = From::four(from + i * stride + p);
        for (int q = 0; q < 4; ++q) out[q * Width + i] = a[q];
      }
    }
  }
  for (; p < depth; ++p) {
    float* out = panel + p * Width;
    for (int64_t i = 0; i < count; ++i) out[i] = From::one(from + i * stride + p);
    for (int64_t i = count; i < Width; ++i) out[i] = 0;
  }
}

ASCRIBE_INLINE float finishOne(float product, float c, int64_t i, int64_t j, const TileStore& s) {
  float value = s.alpha * product;
  if (s.beta != 0) value += s.beta * c;
  if (s.rowBias) value += s.rowBias[i];
  if (s.columnBias) value += s.columnBias[j];
  if (s.clip) {
    value = s.low > value ? s.low : value;
    value = s.high < value ? s.high : value;
  }
  return value;
}

template <int V>
void finishTile(int64_t rows, int64_t columns, const float* lanes, float* c, int64_t ldc, const TileStore& s) {
  constexpr int kWidth = V * kLanes;
  if (columns < kWidth) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) c[i * ldc + j] = finishOne(lanes[i * kWidth + j], c[i * ldc + j], i, j, s);
    return;
  }
  const Vf alpha = splat(s.alpha), beta = splat(s.beta), low = splat(s.low), high = splat(s.high);
  for (int64_t i = 0; i < rows; ++i)
    for (int v = 0; v < V; ++v) {
      float* out = c + i * ldc + v * kLanes;
      // Separate roundings, as in finishOne: an element must not depend on where a tile's edge falls.
      Vf value = alpha * load(lanes + i * kWidth + v * kLanes);
      if (s.beta != 0) value += beta * load(out);
      if (s.rowBias) value += splat(s.rowBias[i]);
      if (s.columnBias) value += load(s.columnBias + v * kLanes);
      if (s.clip) value = minOf(high, maxOf(low, value));
      store(out, value);
    }
}

/// A tile from its registers to C. Tiles without biases, which nearly all are, do not pass through memory.
template <int R, int V>
ASCRIBE_INLINE void storeRows(const Vf (&sum)[R][V], int64_t columns, float* c, int64_t ldc, const TileStore& s) {
  if (!s.rowBias && !s.columnBias && !s.clip && (s.beta == 0 || s.beta == 1)) {
    // Only the last vector can be a part: a tile of fewer has fewer vectors, see tile().
    const int64_t left = columns - (V - 1) * kLanes;
    const bool isWhole = left == kLanes;
    const auto each = [&](auto value) __attribute__((always_inline)) {
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
          float* out = c + i * ldc + v * kLanes;
          if (v + 1 < V || isWhole) store(out, value(sum[i][v], out, kLanes));
          else storePart(out, value(sum[i][v], out, left), left);
        }
    };
    const auto old = [](const float* out, int64_t n) __attribute__((always_inline)) { return n == kLanes ? load(out) : loadPart(out, n); };
    const Vf alpha = splat(s.alpha);
    if (s.beta == 0 && s.alpha == 1) each([](Vf x, const float*, int64_t) __attribute__((always_inline)) { return x; });
    else if (s.beta == 0) each([&](Vf x, const float*, int64_t) __attribute__((always_inline)) { return alpha * x; });
    else if (s.alpha == 1) each([&](Vf x, const float* out, int64_t n) __attribute__((always_inline)) { return x + old(out, n); });
    else each([&](Vf x, const float* out, int64_t n) __attribute__((always_inline)) { return alpha * x + old(out, n); });
    return;
  }
  float lanes[R][V * kLanes];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(&lanes[i][v * kLanes], sum[i][v]);
  finishTile<V>(R, columns, &lanes[0][0], c, ldc, s);
}

/// A word of A's panel times a vector of B's, added.
struct MultiplyAdd {
  static constexpr int pair = 1;
  static ASCRIBE_INLINE Vf run(Vf x, Vf line, Vf sum) { return fma(x, line, sum); }
};

/// Where the rows of A lie: in a panel, in a matrix whose lines they are, or in one whose columns they are.
enum class Rows { Panel, Lines, Columns };

/// R rows of A; `lda` words between rows, or between the words of a row where those are columns.
template <class Multiply, int R, int V, Rows Lie>
void tileRows(int64_t columns, int64_t words, const float* a, int64_t lda, const float* b, float* c, int64_t ldc,
              const TileStore& s) {
  Vf sum[R][V];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[i][v] = Vf{};
  // What the end of the loop stores to is fetched while it runs.
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) __builtin_prefetch(c + i * ldc + v * kLanes, 1);
  // What a caller does not want fetched is what is read anyway.
  const float* ahead = s.ahead ? s.ahead : b;
  for (int64_t p = 0; p < words; ++p) {
    if constexpr (kFetchesAhead && Lie == Rows::Panel && R == kRows && V == kVectors) __builtin_prefetch(ahead + p * 16, 0, 2);
    Vf line[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) line[v] = load(b + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const Vf x = splat(Lie == Rows::Lines ? a[i * lda] : a[i]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[i][v] = Multiply::run(x, line[v], sum[i][v]);
    }
    a += Lie == Rows::Panel ? kRows : Lie == Rows::Lines ? 1 : lda;
    b += kColumns;
  }
  storeRows<R, V>(sum, columns, c, ldc, s);
}

template <class Multiply, int V, Rows Lie>
void tileOf(int64_t rows, int64_t columns, int64_t words, const float* a, int64_t lda, const float* b, float* c,
            int64_t ldc, const TileStore& s) {
  switch (rows) {
    case 1: return tileRows<Multiply, 1, V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 2: return tileRows<Multiply, 2, V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 3: return tileRows<Multiply, 3, V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 4: return tileRows<Multiply, 4, V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 5: return tileRows<Multiply, (kRows < 5 ? kRows : 5), V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 6: return tileRows<Multiply, (kRows < 6 ? kRows : 6), V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 7: return tileRows<Multiply, (kRows < 7 ? kRows : 7), V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 8: return tileRows<Multiply, (kRows < 8 ? kRows : 8), V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 9: return tileRows<Multiply, (kRows < 9 ? kRows : 9), V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 10: return tileRows<Multiply, (kRows < 10 ? kRows : 10), V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 11: return tileRows<Multiply, (kRows < 11 ? kRows : 11), V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 12: return tileRows<Multiply, (kRows < 12 ? kRows : 12), V, Lie>(columns, words, a, lda, b, c, ldc, s);
    case 13: return tileRows<Multiply, (kRows < 13 ? kRows : 13), V, Lie>(columns, words, a, lda, b, c, ldc, s);
    default: return tileRows<Multiply, kRows, V, Lie>(columns, words, a, lda, b, c, ldc, s);
  }
}

template <class Multiply>
void tile(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t lda, const float* b, float* c,
          int64_t ldc, const TileStore& s) {
  const int64_t words = (depth + Multiply::pair - 1) / Multiply::pair;
  const bool isWide = columns > kLanes;
  if (lda == 0) return (isWide ? tileOf<Multiply, kVectors, Rows::Panel> : tileOf<Multiply, 1, Rows::Panel>)(rows, columns, words, a, lda, b, c, ldc, s);
  if (lda > 0) return (isWide ? tileOf<Multiply, kVectors, Rows::Lines> : tileOf<Multiply, 1, Rows::Lines>)(rows, columns, words, a, lda, b, c, ldc, s);
  (isWide ? tileOf<Multiply, kVectors, Rows::Columns> : tileOf<Multiply, 1, Rows::Columns>)(rows, columns, words, a, -lda, b, c, ldc, s);
}

/// How elements that are not packed are read: as they are, or (gemm_avx512bf16.cpp) rounded to bf16.
template <class From>
using Exact = From;

/// One line of B against R lines of A: B is read once, which is what a few rows are limited by. The number of
/// sums per row hides the latency of the multiply-add.
template <class From, int R>
ASCRIBE_INLINE void dotLine(int64_t k, const float* a, int64_t lda, const typename From::Type* b, float (&result)[R]) {
  constexpr int kSums = R == 1 ? 8 : R == 2 ? 4 : 2;
  Vf sum[R][kSums] = {};
  int64_t p = 0;
  for (; p + kSums * kLanes <= k; p += kSums * kLanes) {
#pragma GCC unroll 8
    for (int u = 0; u < kSums; ++u) {
      const Vf x = From::vector(b + p + u * kLanes);
#pragma GCC unroll 4
      for (int i = 0; i < R; ++i) sum[i][u] = fma(load(a + i * lda + p + u * kLanes), x, sum[i][u]);
    }
  }
  for (int i = 0; i < R; ++i) {
    Vf total = sum[i][0];
    for (int u = 1; u < kSums; ++u) total += sum[i][u];
    result[i] = sumOf(total);
  }
  for (; p < k; ++p) {
    const float x = From::one(b + p);
    for (int i = 0; i < R; ++i) result[i] += a[i * lda + p] * x;
  }
}

template <class From, int R>
void dotRows(int64_t n, int64_t k, const float* a, int64_t lda, const void* b, int64_t ldb, float alpha, float beta,
             float* out, int64_t rowStride, int64_t columnStride) {
  const auto* line = static_cast<const typename From::Type*>(b);
  for (int64_t j = 0; j < n; ++j, line += ldb) {
    float result[R];
    dotLine<From, R>(k, a, lda, line, result);
    for (int i = 0; i < R; ++i) {
      float* c = out + i * rowStride + j * columnStride;
      *c = beta != 0 ? alpha * result[i] + beta * *c : alpha * result[i];
    }
  }
}

template <class From>
void dotsFrom(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const void* b, int64_t ldb, float alpha,
              float beta, float* out, int64_t rowStride, int64_t columnStride) {
  for (int64_t i = 0; i < m; i += 4) {
    const float* rows = a + i * lda;
    float* c = out + i * rowStride;
    switch (m - i) {
      case 1: dotRows<From, 1>(n, k, rows, lda, b, ldb, alpha, beta, c, rowStride, columnStride); break;
      case 2: dotRows<From, 2>(n, k, rows, lda, b, ldb, alpha, beta, c, rowStride, columnStride); break;
      case 3: dotRows<From, 3>(n, k, rows, lda, b, ldb, alpha, beta, c, rowStride, columnStride); break;
      default: dotRows<From, 4>(n, k, rows, lda, b, ldb, alpha, beta, c, rowStride, columnStride); break;
    }
  }
}

template <template <class> class Read>
void dots(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const void* b, int64_t ldb, int storage,
          float alpha, float beta, float* out, int64_t rowStride, int64_t columnStride) {
  switch (storage) {
    case 0: return dotsFrom<Read<FromF32>>(m, n, k, a, lda, b, ldb, alpha, beta, out, rowStride, columnStride);
    case 1: return dotsFrom<Read<FromF16>>(m, n, k, a, lda, b, ldb, alpha, beta, out, rowStride, columnStride);
    default: return dotsFrom<FromBf16>(m, n, k, a, lda, b, ldb, alpha, beta, out, rowStride, columnStride);
  }
}

template <class From>
void axpysFrom(int64_t k, int64_t n, const float* a, const void* b, int64_t ldb, float* y) {
  const auto* from = static_cast<const typename From::Type*>(b);
  int64_t p = 0;
  for (; p + 4 <= k; p += 4) {
    const auto *b0 = from + p * ldb, *b1 = b0 + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;
    const Vf a0 = splat(a[p]), a1 = splat(a[p + 1]), a2 = splat(a[p + 2]), a3 = splat(a[p + 3]);
    int64_t j = 0;
    for (; j + kLanes <= n; j += kLanes) {
      const Vf first = fma(a1, From::vector(b1 + j), fma(a0, From::vector(b0 + j), load(y + j)));
      store(y + j, fma(a3, From::vector(b3 + j), fma(a2, From::vector(b2 + j), first)));
    }
    for (; j < n; ++j)
      y[j] += a[p] * From::one(b0 + j) + a[p + 1] * From::one(b1 + j) + a[p + 2] * From::one(b2 + j) +
              a[p + 3] * From::one(b3 + j);
  }
  for (; p < k; ++p)
    for (int64_t j = 0; j < n; ++j) y[j] += a[p] * From::one(from + p * ldb + j);
}

template <template <class> class Read>
void axpys(int64_t k, int64_t n, const float* a, const void* b, int64_t ldb, int storage, float* y) {
  switch (storage) {
    case 0: return axpysFrom<Read<FromF32>>(k, n, a, b, ldb, y);
    case 1: return axpysFrom<Read<FromF16>>(k, n, a, b, ldb, y);
    default: return axpysFrom<FromBf16>(k, n, a, b, ldb, y);
  }
}

template <class From>
void widenLine(float* to, const void* from, int64_t n) {
  const auto* line = static_cast<const typename From::Type*>(from);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(to + i, From::vector(line + i));
  for (; i < n; ++i) to[i] = From::one(line + i);
}

template <template <class> class Read>
void widenLines(DType type, float* to, const void* from, int64_t n) {
  switch (type) {
    case DType::F32: return widenLine<Read<FromF32>>(to, from, n);
    case DType::F16: return widenLine<Read<FromF16>>(to, from, n);
    case DType::BF16: return widenLine<FromBf16>(to, from, n);
    default:
      widenBlocks(type, from, to, n);
      if constexpr (!std::is_same_v<Read<FromF32>, FromF32>) widenLine<Read<FromF32>>(to, to, n);
  }
}

constexpr GemmKernels makeGemmKernels(decltype(GemmKernels::tile) tile) {
  return {
      .rowTile = kRows,
      .columnTile = kColumns,
      .depthBlock = 256,
      .rowBlock = kRows * (144 / kRows),
      .columnSweep = 512,
      .columnBlock = 1024,
      .pair = 1,
      .tile = tile,
      .packA = {{packLines<FromF32, kRows>, packColumns<FromF32, kRows>},
                {packLines<FromF16, kRows>, packColumns<FromF16, kRows>},
                {packLines<FromBf16, kRows>, packColumns<FromBf16, kRows>}},
      .packB = {{packLines<FromF32, kColumns>, packColumns<FromF32, kColumns>},
                {packLines<FromF16, kColumns>, packColumns<FromF16, kColumns>},
                {packLines<FromBf16, kColumns>, packColumns<FromBf16, kColumns>}},
      .dots = dots<Exact>,
      .widen = widenLines<Exact>,
      .narrow = nullptr,
      .axpys = axpys<Exact>,
  };
}

}  // namespace
}  // namespace ascribe::cpu
