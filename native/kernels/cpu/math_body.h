// Elementwise loops; compiled once per instruction set, see simd.h.
#pragma once
#include "kernels/cpu/math_kernels.h"
#include "kernels/cpu/simd_math.h"

namespace ascribe::cpu {
namespace {

constexpr float kSqrtTwoOverPi = 0.797884561f, kGeluCubic = 0.044715f;

void unaryLoop(Unary op, const float* x, float* y, int64_t n, float a, float b) {
  const Vf va = splat(a), vb = splat(b), zero{}, one = splat(1.0f);
  switch (op) {
    case Unary::Neg: return mapVectors(x, y, n, [](Vf v) { return -v; });
    case Unary::Abs: return mapVectors(x, y, n, [](Vf v) { return magnitude(v); });
    case Unary::Sign:
      return mapVectors(x, y, n, [=](Vf v) { return v > zero ? one : v < zero ? -one : v; });
    case Unary::Reciprocal: return mapVectors(x, y, n, [=](Vf v) { return one / v; });
    case Unary::Sqrt: return mapVectors(x, y, n, [](Vf v) { return squareRoot(v); });
    case Unary::Floor: return mapVectors(x, y, n, [](Vf v) { return floorOf(v); });
    case Unary::Ceil: return mapVectors(x, y, n, [](Vf v) { return ceilOf(v); });
    case Unary::Round: return mapVectors(x, y, n, [](Vf v) { return roundOf(v); });
    case Unary::Exp: return mapVectors(x, y, n, [](Vf v) { return expOf(v); });
    case Unary::Log: return mapVectors(x, y, n, [](Vf v) { return logOf(v); });
    case Unary::Tanh: return mapVectors(x, y, n, [](Vf v) { return tanhOf(v); });
    case Unary::Sigmoid: return mapVectors(x, y, n, [](Vf v) { return sigmoidOf(v); });
    case Unary::Erf: return mapVectors(x, y, n, [](Vf v) { return erfOf(v); });
    case Unary::Softplus:
      return mapVectors(x, y, n, [=](Vf v) { return maxOf(zero, v) + logOnePlus(expOf(-magnitude(v))); });
    case Unary::Softsign: return mapVectors(x, y, n, [=](Vf v) { return v / (one + magnitude(v)); });
    case Unary::Silu: return mapVectors(x, y, n, [](Vf v) { return siluOf(v); });
    case Unary::Mish:
      return mapVectors(x, y, n, [=](Vf v) {  // tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2)
        const Vf e = expOf(minOf(splat(20.0f), v)), top = e * (e + 2.0f);
        return v * (top / (top + 2.0f));
      });
    case Unary::Gelu: return mapVectors(x, y, n, [](Vf v) { return v * normalCdf(v, normalDecay(v)); });
    case Unary::GeluTanh:
      return mapVectors(x, y, n, [=](Vf v) {  // (1 + tanh z) / 2 is the sigmoid of 2 z
        return v * sigmoidOf(2.0f * kSqrtTwoOverPi * v * fma(v * v, splat(kGeluCubic), one));
      });
    case Unary::HardSwish:
      return mapVectors(x, y, n, [=](Vf v) { return v * minOf(one, maxOf(zero, v / 6.0f + 0.5f)); });
    case Unary::Relu: return mapVectors(x, y, n, [=](Vf v) { return maxOf(zero, v); });
    case Unary::LeakyRelu: return mapVectors(x, y, n, [=](Vf v) { return v < zero ? va * v : v; });
    case Unary::Elu:
      return mapVectors(x, y, n, [=](Vf v) { return v < zero ? va * expMinusOneOfNegative(minOf(zero, v)) : v; });
    case Unary::Celu:
      return mapVectors(x, y, n, [=](Vf v) { return v < zero ? va * expMinusOneOfNegative(minOf(zero, v / va)) : v; });
    case Unary::Selu:
      return mapVectors(x, y, n, [=](Vf v) {
        return vb * (v < zero ? va * expMinusOneOfNegative(minOf(zero, v)) : v);
      });
    case Unary::ThresholdedRelu: return mapVectors(x, y, n, [=](Vf v) { return v > va ? v : zero; });
    case Unary::HardSigmoid:
      return mapVectors(x, y, n, [=](Vf v) { return minOf(one, maxOf(zero, va * v + vb)); });
    case Unary::Clip: return mapVectors(x, y, n, [=](Vf v) { return minOf(vb, maxOf(va, v)); });
    case Unary::Affine: return mapVectors(x, y, n, [=](Vf v) { return va * v + vb; });
  }
}

template <class F>
ASCRIBE_INLINE void mapTwo(Steps steps, const float* x, const float* y, float* out, int64_t n, F f) {
  const int64_t whole = n / kLanes * kLanes;
  if (steps == Steps::Both) {
    for (int64_t i = 0; i < whole; i += kLanes) store(out + i, f(load(x + i), load(y + i)));
  } else if (steps == Steps::First) {
    const Vf fixed = splat(*y);
    for (int64_t i = 0; i < whole; i += kLanes) store(out + i, f(load(x + i), fixed));
  } else {
    const Vf fixed = splat(*x);
    for (int64_t i = 0; i < whole; i += kLanes) store(out + i, f(fixed, load(y + i)));
  }
  if (whole == n) return;
  float tail[2][kLanes] = {};
  for (int64_t i = whole; i < n; ++i) {
    tail[0][i - whole] = steps == Steps::Second ? *x : x[i];
    tail[1][i - whole] = steps == Steps::First ? *y : y[i];
  }
  store(tail[0], f(load(tail[0]), load(tail[1])));
  for (int64_t i = whole; i < n; ++i) out[i] = tail[0][i - whole];
}

void binaryLoop(Binary op, Steps s, const float* x, const float* y, float* o, int64_t n, float a, float b) {
  const Vf va = splat(a), vb = splat(b), zero{}, one = splat(1.0f);
  switch (op) {
    case Binary::Add: return mapTwo(s, x, y, o, n, [](Vf p, Vf q) { return p + q; });
    case Binary::Sub: return mapTwo(s, x, y, o, n, [](Vf p, Vf q) { return p - q; });
    case Binary::Mul: return mapTwo(s, x, y, o, n, [](Vf p, Vf q) { return p * q; });
    case Binary::Div: return mapTwo(s, x, y, o, n, [](Vf p, Vf q) { return p / q; });
    // The hardware's rule gives the second operand for NaN; a NaN in the first has to be kept by hand.
    case Binary::Min: return mapTwo(s, x, y, o, n, [](Vf p, Vf q) { return p != p ? p : minOf(p, q); });
    case Binary::Max: return mapTwo(s, x, y, o, n, [](Vf p, Vf q) { return p != p ? p : maxOf(p, q); });
    case Binary::Prelu: return mapTwo(s, x, y, o, n, [=](Vf p, Vf q) { return p < zero ? p * q : p; });
    case Binary::ReluGrad: return mapTwo(s, x, y, o, n, [=](Vf g, Vf v) { return v > zero ? g : zero; });
    case Binary::SigmoidGrad: return mapTwo(s, x, y, o, n, [=](Vf g, Vf v) { return g * (v * (one - v)); });
    case Binary::TanhGrad: return mapTwo(s, x, y, o, n, [=](Vf g, Vf v) { return g * fma(-v, v, one); });
    case Binary::LeakyReluGrad:
      return mapTwo(s, x, y, o, n, [=](Vf g, Vf v) { return v > zero ? g : va * g; });
    case Binary::EluGrad:
      return mapTwo(s, x, y, o, n, [=](Vf g, Vf v) { return v > zero ? g : g * va * expOf(minOf(zero, v)); });
    case Binary::ClipGrad:
      return mapTwo(s, x, y, o, n, [=](Vf g, Vf v) { return (v > va) & (v < vb) ? g : zero; });
    case Binary::GeluGrad:
      return mapTwo(s, x, y, o, n, [](Vf g, Vf v) {
        const Vf decay = normalDecay(v);
        return g * fma(v, 0.398942280f * decay, normalCdf(v, decay));
      });
    case Binary::GeluTanhGrad:
      return mapTwo(s, x, y, o, n, [=](Vf g, Vf v) {
        const Vf square = v * v, k = splat(2.0f * kSqrtTwoOverPi);
        Vf rest;
        const Vf p = sigmoidPair(k * v * fma(square, splat(kGeluCubic), one), rest);
        const Vf slope = k * fma(square, splat(3.0f * kGeluCubic), one);
        return g * fma(v * slope, p * rest, p);
      });
    case Binary::SiluGrad:
      return mapTwo(s, x, y, o, n, [](Vf g, Vf v) {
        Vf rest;
        const Vf p = sigmoidPair(v, rest);
        return g * fma(v * p, rest, p);
      });
    case Binary::HardSwishGrad:
      return mapTwo(s, x, y, o, n, [=](Vf g, Vf v) {
        return v >= splat(3.0f) ? g : v > splat(-3.0f) ? g * (v / 3.0f + 0.5f) : zero;
      });
    case Binary::HardSigmoidGrad:
      return mapTwo(s, x, y, o, n, [=](Vf g, Vf v) {
        const Vf line = va * v + vb;
        return (line > zero) & (line < one) ? g * va : zero;
      });
  }
}

/// Eight elements to a byte.
ASCRIBE_INLINE uint8_t gateByte(const float* y, float low, float high) {
#if defined(__AVX2__)
  const __m256 v = _mm256_loadu_ps(y), above = _mm256_cmp_ps(v, _mm256_set1_ps(low), _CMP_GT_OQ), below = _mm256_cmp_ps(v, _mm256_set1_ps(high), _CMP_LT_OQ);
  return static_cast<uint8_t>(_mm256_movemask_ps(_mm256_and_ps(above, below)));
#elif defined(ASCRIBE_NEON)
  const auto four = [=](const float* p) {
    const Vf v = load(p);
    const Vi open = (v > low) & (v < high);
    return vaddvq_u32(reinterpret_cast<Vu>(open) & Vu{1, 2, 4, 8});
  };
  return static_cast<uint8_t>(four(y) | four(y + 4) << 4);
#else
  unsigned byte = 0;
  for (unsigned i = 0; i < 8; ++i) byte |= static_cast<unsigned>(y[i] > low && y[i] < high) << i;
  return static_cast<uint8_t>(byte);
#endif
}
void gateBitsLoop(const float* y, uint8_t* bits, int64_t n, float low, float high) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) bits[i / 8] = gateByte(y + i, low, high);
  if (i == n) return;
  float tail[8];
  for (int64_t j = 0; j < 8; ++j) tail[j] = i + j < n ? y[i + j] : low;
  bits[i / 8] = gateByte(tail, low, high);
}

/// Eight elements from a byte.
ASCRIBE_INLINE void gateEight(const float* g, unsigned byte, float* out, float alpha) {
#if defined(__AVX2__)
  const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256 open = _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(byte)), each), each));
  const __m256 v = _mm256_loadu_ps(g), closed = alpha == 0 ? _mm256_setzero_ps() : _mm256_mul_ps(_mm256_set1_ps(alpha), v);
  _mm256_storeu_ps(out, _mm256_blendv_ps(closed, v, open));
#elif defined(ASCRIBE_NEON)
  const auto four = [=](const float* from, float* to, Vi each) {
    const Vi open = (splatInt(static_cast<int32_t>(byte)) & each) != 0;
    const Vf v = load(from);
    store(to, open ? v : alpha == 0 ? Vf{} : alpha * v);
  };
  four(g, out, Vi{1, 2, 4, 8});
  four(g + 4, out + 4, Vi{16, 32, 64, 128});
#else
  for (unsigned i = 0; i < 8; ++i) out[i] = byte >> i & 1 ? g[i] : alpha == 0 ? 0.0f : alpha * g[i];
#endif
}
void bitGateLoop(const float* g, const uint8_t* bits, float* out, int64_t n, float alpha) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) gateEight(g + i, bits[i / 8], out + i, alpha);
  if (i == n) return;
  float tail[8] = {};
  for (int64_t j = i; j < n; ++j) tail[j - i] = g[j];
  gateEight(tail, bits[i / 8], tail, alpha);
  for (int64_t j = i; j < n; ++j) out[j] = tail[j - i];
}

void interpolateLoop(const float* a, const float* b, float* out, int64_t n, float p) {
  const Vf at = splat(p), rest = splat(1.0f - p);
  mapTwo(Steps::Both, a, b, out, n, [=](Vf x, Vf y) { return fma(at, y, rest * x); });
}

constexpr MathKernels makeMathKernels() { return {unaryLoop, binaryLoop, gateBitsLoop, bitGateLoop, interpolateLoop}; }

}  // namespace
}  // namespace ascribe::cpu
