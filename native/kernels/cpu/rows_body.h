// Row operations; compiled once per instruction set, see simd.h.
#pragma once
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/simd_math.h"

namespace ascribe::cpu {
namespace {

/// Sums f(i) over whole pairs of vectors in double; the caller adds the tail from wholeOf(n) on.
template <class F>
ASCRIBE_INLINE double sumVectors(int64_t n, F f) {
  Vd total[4] = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    Vd low, high;
    widen(f(i), low, high);
    total[0] += low;
    total[1] += high;
    widen(f(i + kLanes), low, high);
    total[2] += low;
    total[3] += high;
  }
  return (sumOf(total[0]) + sumOf(total[1])) + (sumOf(total[2]) + sumOf(total[3]));
}
constexpr int64_t wholeOf(int64_t n) { return n / (2 * kLanes) * (2 * kLanes); }

double rowSum(const float* x, int64_t n) {
  double total = sumVectors(n, [=](int64_t i) { return load(x + i); });
  for (int64_t i = wholeOf(n); i < n; ++i) total += static_cast<double>(x[i]);
  return total;
}
double rowDot(const float* x, const float* y, int64_t n) {
  double total = sumVectors(n, [=](int64_t i) { return load(x + i) * load(y + i); });
  for (int64_t i = wholeOf(n); i < n; ++i) total += static_cast<double>(x[i] * y[i]);
  return total;
}
double rowSquares(const float* x, int64_t n, float centre) {
  double total = sumVectors(n, [=](int64_t i) {
    const Vf d = load(x + i) - centre;
    return d * d;
  });
  for (int64_t i = wholeOf(n); i < n; ++i) total += static_cast<double>((x[i] - centre) * (x[i] - centre));
  return total;
}

template <class Better>
ASCRIBE_INLINE float rowExtremum(const float* x, int64_t n, float start, Better better) {
  Vf best = splat(start), spoiled{};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vf v = load(x + i);
    best = better(best, v);
    spoiled += v != v ? splat(1.0f) : Vf{};
  }
  float lanes[kLanes], result = start;
  bool nan = sumOf(spoiled) > 0;
  store(lanes, best);
  for (int l = 0; l < kLanes; ++l) result = better(splat(result), splat(lanes[l]))[0];
  for (; i < n; ++i) {
    nan |= x[i] != x[i];
    result = better(splat(result), splat(x[i]))[0];
  }
  return nan ? __builtin_nanf("") : result;
}
float rowMax(const float* x, int64_t n) {
  return rowExtremum(x, n, -__builtin_inff(), [](Vf best, Vf v) { return maxOf(best, v); });
}
float rowMin(const float* x, int64_t n) {
  return rowExtremum(x, n, __builtin_inff(), [](Vf best, Vf v) { return minOf(best, v); });
}

template <class F>
ASCRIBE_INLINE void sumColumns(int64_t size, int64_t stride, int64_t n, double* total, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    // Two runs of each, so that additions need not wait for each other.
    Vd sum[4] = {}, low, high;
    int64_t s = 0;
    for (; s + 2 <= size; s += 2) {
      widen(f(s * stride + i), low, high);
      sum[0] += low;
      sum[1] += high;
      widen(f((s + 1) * stride + i), low, high);
      sum[2] += low;
      sum[3] += high;
    }
    if (s < size) {
      widen(f(s * stride + i), low, high);
      sum[0] += low;
      sum[1] += high;
    }
    sum[0] += sum[2];
    sum[1] += sum[3];
    __builtin_memcpy(total + i, sum, 2 * sizeof(Vd));
  }
}
void rowColumnSums(const float* x, const float* y, int64_t size, int64_t stride, int64_t n, double* total) {
  if (y) sumColumns(size, stride, n, total, [=](int64_t i) { return load(x + i) * load(y + i); });
  else sumColumns(size, stride, n, total, [=](int64_t i) { return load(x + i); });
  for (int64_t i = n / kLanes * kLanes; i < n; ++i) {
    total[i] = 0;
    for (int64_t s = 0; s < size; ++s) total[i] += static_cast<double>(y ? x[s * stride + i] * y[s * stride + i] : x[s * stride + i]);
  }
}
void rowAddTo(double* total, const float* x, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Vd low, high, sum[2];
    widen(load(x + i), low, high);
    __builtin_memcpy(sum, total + i, sizeof sum);
    sum[0] += low;
    sum[1] += high;
    __builtin_memcpy(total + i, sum, sizeof sum);
  }
  for (; i < n; ++i) total[i] += static_cast<double>(x[i]);
}
void rowAxpy(float a, const float* x, float* y, int64_t n) {
  const Vf va = splat(a);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, fma(va, load(x + i), load(y + i)));
  for (; i < n; ++i) y[i] = fma(va, splat(x[i]), splat(y[i]))[0];
}
void rowNormalise(const float* x, float* y, int64_t n, float centre, float scale, const float* gain,
                  const float* offset) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Vf v = (load(x + i) - centre) * scale;
    if (gain) v *= load(gain + i);
    if (offset) v += load(offset + i);
    store(y + i, v);
  }
  for (; i < n; ++i) {
    float v = (x[i] - centre) * scale;
    if (gain) v *= gain[i];
    if (offset) v += offset[i];
    y[i] = v;
  }
}

/// Sum of e^(x - top) over the row; keeps the exponentials in y unless it is null.
double rowExponentials(const float* x, float* y, int64_t n, float top) {
  Vd total[2] = {};
  int64_t i = 0;
  const auto one = [&](Vf v) {
    Vd low, high;
    widen(v, low, high);
    total[0] += low;
    total[1] += high;
  };
  for (; i + kLanes <= n; i += kLanes) {
    const Vf e = expOf(load(x + i) - top);
    if (y) store(y + i, e);
    one(e);
  }
  if (i < n) {
    float tail[kLanes];
    for (int l = 0; l < kLanes; ++l) tail[l] = i + l < n ? x[i + l] - top : -__builtin_inff();
    const Vf e = expOf(load(tail));
    store(tail, e);
    if (y)
      for (int64_t j = i; j < n; ++j) y[j] = tail[j - i];
    one(e);
  }
  return sumOf(total[0]) + sumOf(total[1]);
}
void rowSoftmax(const float* x, float* y, int64_t n) {
  const double total = rowExponentials(x, y, n, rowMax(x, n));
  const float scale = static_cast<float>(1.0 / total);
  mapVectors(y, y, n, [=](Vf v) { return v * scale; });
}
/// What remains of halving a vector until one lane is left.
template <class Join>
ASCRIBE_INLINE float joinLanes(Vf v, Join join) {
#if defined(__AVX512F__)
  v = join(v, (Vf)_mm512_maskz_shuffle_f32x4(0xffff, (__m512)v, (__m512)v, 0x4e));
  v = join(v, (Vf)_mm512_maskz_shuffle_f32x4(0xffff, (__m512)v, (__m512)v, 0xb1));
  v = join(v, (Vf)_mm512_maskz_permute_ps(0xffff, (__m512)v, 0x4e));
  return join(v, (Vf)_mm512_maskz_permute_ps(0xffff, (__m512)v, 0xb1))[0];
#else
  float lanes[2 * kLanes] = {};
  store(lanes, v);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    v = join(load(lanes), load(lanes + width));
    store(lanes, v);
  }
  return lanes[0];
#endif
}

/// Exponentials as f32, where they lie.
struct ExactWeights {
  /// e^(scale (x - top))
  struct Exponential {
    Vf scale, top;
    Exponential(float by, float most) : scale(splat(by)), top(splat(most)) {}
    ASCRIBE_INLINE Vf operator()(Vf x) const { return expOf((x - top) * scale); }
  };
  static ASCRIBE_INLINE void store(float* x, int64_t i, Vf a, Vf b) {
    cpu::store(x + i, a);
    cpu::store(x + i + kLanes, b);
  }
  static void clear(float* x, int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) x[i] = 0;
  }
};

/// Pairs of vectors, the last ones filled up with what gives 0: so there is room behind x up to a whole pair.
template <class Weights>
float softmaxPiece(float* x, int64_t n, int64_t width, float scale, float* top, double* total) {
  constexpr int64_t kPair = 2 * kLanes;
  const float least = -__builtin_inff();
  const int64_t end = (n + kPair - 1) / kPair * kPair;
  for (int64_t i = n; i < end; ++i) x[i] = least;
  Vf first = splat(*top), second = first;
  for (int64_t i = 0; i < end; i += kPair) {
    first = maxOf(first, load(x + i));
    second = maxOf(second, load(x + i + kLanes));
  }
  // A NaN that the maximum loses comes back by its exponential, and spoils the sum.
  const float most = joinLanes(maxOf(first, second), [](Vf a, Vf b) __attribute__((always_inline)) { return maxOf(a, b); });
  // Where nothing has been seen yet, everything is 0.
  float from = most == least ? 0.0f : most;
  if (from < -1e30f || from > 1e30f) {
    // Its product with the scale may be out of range, though all differences are within.
    for (int64_t i = 0; i < end; ++i) x[i] -= from;
    from = 0;
  }
  const typename Weights::Exponential exponential(scale, from);
  Vf sum[2] = {};
  for (int64_t i = 0; i < end; i += kPair) {
    const Vf a = exponential(load(x + i)), b = exponential(load(x + i + kLanes));
    sum[0] += a;
    sum[1] += b;
    Weights::store(x, i, a, b);
  }
  Weights::clear(x, end, width);
  const float factor = *top == most ? 1.0f : expOf(splat((*top - most) * scale))[0];
  *total = *total * static_cast<double>(factor) + static_cast<double>(joinLanes(sum[0] + sum[1], [](Vf a, Vf b) __attribute__((always_inline)) { return a + b; }));
  *top = most;
  return factor;
}
double rowExponentialsInPlace(float* x, int64_t n, int64_t width) {
  float top = -__builtin_inff();
  double total = 0;
  softmaxPiece<ExactWeights>(x, n, width, 1, &top, &total);
  return total;
}
void rowAttentionGrad(float* p, float* s, int64_t n, float scale) {
  // Two sums, so that additions need not wait for each other.
  Vf sum[2] = {};
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    sum[0] = fma(load(p + i), load(s + i), sum[0]);
    sum[1] = fma(load(p + i + kLanes), load(s + i + kLanes), sum[1]);
  }
  for (; i + kLanes <= n; i += kLanes) sum[0] = fma(load(p + i), load(s + i), sum[0]);
  if (i < n) sum[1] = fma(loadPart(p + i, n - i), loadPart(s + i, n - i), sum[1]);
  const float mean = sumOf(sum[0] + sum[1]) * scale;
  for (i = 0; i + kLanes <= n; i += kLanes) {
    const Vf own = load(p + i) * scale;
    store(p + i, own);
    store(s + i, own * (load(s + i) - mean));
  }
  if (i == n) return;
  const Vf own = loadPart(p + i, n - i) * scale;
  storePart(p + i, own, n - i);
  storePart(s + i, own * (loadPart(s + i, n - i) - mean), n - i);
}
void rowLogSoftmax(const float* x, float* y, int64_t n) {
  const float top = rowMax(x, n);
  const float shift = static_cast<float>(__builtin_log(rowExponentials(x, nullptr, n, top)));
  mapVectors(x, y, n, [=](Vf v) { return (v - top) - shift; });
}

template <int V>
ASCRIBE_INLINE void softmaxColumnBlock(const float* x, float* y, int64_t length, int64_t stride, bool logarithm) {
  Vf top[V];
  Vd total[2 * V] = {};
  for (int v = 0; v < V; ++v) top[v] = splat(-__builtin_inff());
  for (int64_t a = 0; a < length; ++a)
    for (int v = 0; v < V; ++v) {
      // A NaN that a later element hides from the maximum still reaches the sum of exponentials.
      top[v] = maxOf(top[v], load(x + a * stride + v * kLanes));
    }
  for (int64_t a = 0; a < length; ++a)
    for (int v = 0; v < V; ++v) {
      const Vf e = expOf(load(x + a * stride + v * kLanes) - top[v]);
      if (!logarithm) store(y + a * stride + v * kLanes, e);
      Vd low, high;
      widen(e, low, high);
      total[2 * v] += low;
      total[2 * v + 1] += high;
    }
  for (int v = 0; v < V; ++v) {
    VfHalf parts[2] = {__builtin_convertvector(total[2 * v], VfHalf), __builtin_convertvector(total[2 * v + 1], VfHalf)};
    Vf sum;
    __builtin_memcpy(&sum, parts, sizeof sum);
    const Vf shift = logarithm ? logOf(sum) : 1.0f / sum;
    for (int64_t a = 0; a < length; ++a) {
      const int64_t at = a * stride + v * kLanes;
      store(y + at, logarithm ? (load(x + at) - top[v]) - shift : load(y + at) * shift);
    }
  }
}
void softmaxColumns(const float* x, float* y, int64_t length, int64_t stride, int64_t columns, bool logarithm) {
  int64_t j = 0;
  for (; j + 2 * kLanes <= columns; j += 2 * kLanes) softmaxColumnBlock<2>(x + j, y + j, length, stride, logarithm);
  for (; j + kLanes <= columns; j += kLanes) softmaxColumnBlock<1>(x + j, y + j, length, stride, logarithm);
  for (; j < columns; ++j) {
    float top = -__builtin_inff();
    for (int64_t a = 0; a < length; ++a) top = maxOf(splat(top), splat(x[a * stride + j]))[0];
    double total = 0;
    for (int64_t a = 0; a < length; ++a) {
      const float e = expOf(splat(x[a * stride + j] - top))[0];
      if (!logarithm) y[a * stride + j] = e;
      total += static_cast<double>(e);
    }
    const float sum = static_cast<float>(total), shift = logarithm ? logOf(splat(sum))[0] : 1.0f / sum;
    for (int64_t a = 0; a < length; ++a) {
      const int64_t at = a * stride + j;
      y[at] = logarithm ? (x[at] - top) - shift : y[at] * shift;
    }
  }
}

void rowSoftmaxGrad(const float* g, const float* y, float* out, int64_t n, bool logarithm) {
  const float mean = static_cast<float>(logarithm ? rowSum(g, n) : rowDot(g, y, n));
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vf gradient = load(g + i), value = load(y + i);
    store(out + i, logarithm ? gradient - expOf(value) * mean : value * (gradient - mean));
  }
  for (; i < n; ++i) out[i] = logarithm ? g[i] - expOf(splat(y[i]))[0] * mean : y[i] * (g[i] - mean);
}

void rowGradientMoments(const float* g, const float* x, const float* gain, int64_t n, float centre, double* first,
                        double* second) {
  const auto weighted = [=](int64_t i) { return gain ? load(g + i) * load(gain + i) : load(g + i); };
  double a = sumVectors(n, weighted);
  double b = sumVectors(n, [=](int64_t i) { return weighted(i) * (load(x + i) - centre); });
  for (int64_t i = wholeOf(n); i < n; ++i) {
    const float v = gain ? g[i] * gain[i] : g[i];
    a += static_cast<double>(v);
    b += static_cast<double>(v * (x[i] - centre));
  }
  *first = a;
  *second = b;
}
void rowNormGrad(const float* g, const float* x, const float* gain, float* out, int64_t n, float centre, float scale,
                 float a, float b) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Vf v = load(g + i) * scale;
    if (gain) v *= load(gain + i);
    store(out + i, (v - a) - b * (load(x + i) - centre));
  }
  for (; i < n; ++i) {
    float v = g[i] * scale;
    if (gain) v *= gain[i];
    out[i] = (v - a) - b * (x[i] - centre);
  }
}

template <int V>
ASCRIBE_INLINE void tapBlock(int64_t count, const float* const* sources, const float* weights, float start, float* y,
                             int64_t at, bool clip, float low, float high) {
  Vf sum[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) sum[v] = splat(start);
  for (int64_t t = 0; t < count; ++t) {
    const Vf w = splat(weights[t]);
    const float* source = sources[t] + at;
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[v] = fma(w, load(source + v * kLanes), sum[v]);
  }
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v)
    store(y + at + v * kLanes, clip ? minOf(splat(high), maxOf(splat(low), sum[v])) : sum[v]);
}
void rowTaps(int64_t count, const float* const* sources, const float* weights, float start, float* y, int64_t n,
             bool clip, float low, float high) {
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) tapBlock<4>(count, sources, weights, start, y, i, clip, low, high);
  for (; i + kLanes <= n; i += kLanes) tapBlock<1>(count, sources, weights, start, y, i, clip, low, high);
  if (i < n && n >= kLanes) {  // the last vector overlaps the one before: the same sums again
    return tapBlock<1>(count, sources, weights, start, y, n - kLanes, clip, low, high);
  }
  for (; i < n; ++i) {
    Vf sum = splat(start);
    for (int64_t t = 0; t < count; ++t) sum = fma(splat(weights[t]), splat(sources[t][i]), sum);
    y[i] = (clip ? minOf(splat(high), maxOf(splat(low), sum)) : sum)[0];
  }
}

void rowMaxTap(const float* x, float* best, int32_t* label, int64_t n, int32_t tap) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vf value = load(x + i), old = load(best + i);
    const Vi better = (value > old) | ((value != value) & (old == old));
    store(best + i, better ? value : old);
    if (label) {
      Vi at;
      __builtin_memcpy(&at, label + i, sizeof at);
      at = better ? splatInt(tap) : at;
      __builtin_memcpy(label + i, &at, sizeof at);
    }
  }
  for (; i < n; ++i)
    if (x[i] > best[i] || (x[i] != x[i] && best[i] == best[i])) {
      best[i] = x[i];
      if (label) label[i] = tap;
    }
}

constexpr RowKernels makeRowKernels() {
  return {rowSum,         rowDot,         rowSquares,         rowMax,      rowMin,      rowColumnSums, rowAddTo, rowAxpy,  rowNormalise,
          rowSoftmax,     softmaxPiece<ExactWeights>, rowExponentialsInPlace, rowAttentionGrad, rowLogSoftmax,  softmaxColumns,     rowSoftmaxGrad, rowGradientMoments, rowNormGrad, rowTaps,
          rowMaxTap};
}

}  // namespace
}  // namespace ascribe::cpu
