// Transcendental functions on vectors, within a few units in the last place of the true value. The polynomials
// are weighted minimax fits (Lawson iteration on Chebyshev nodes), each to a relative error below 1e-8.
#pragma once
#include "kernels/cpu/simd.h"

namespace ascribe::cpu {
namespace {

template <int N>
ASCRIBE_INLINE Vf polynomial(Vf x, const float (&highestFirst)[N]) {
  Vf sum = splat(highestFirst[0]);
#pragma GCC unroll 16
  for (int i = 1; i < N; ++i) sum = fma(sum, x, splat(highestFirst[i]));
  return sum;
}

ASCRIBE_INLINE Vf powerOfTwo(Vi n) { return fromBits((n + 127) << 23); }

/// x 2^n for whole n of any size, once rounded.
ASCRIBE_INLINE Vf scaledByPower(Vf x, Vf n) {
#if defined(__AVX512F__)
  return _mm512_maskz_scalef_ps(0xffff, x, n);
#else
  // Two steps, since 2^n itself may be out of range where the result is subnormal or just below the maximum.
  const Vi whole = toInt(n), half = whole >> 1;
  return x * powerOfTwo(half) * powerOfTwo(whole - half);
#endif
}

/// Splits x = n ln 2 + r with |r| <= ln 2 / 2, and returns (e^r - 1 - r) / r^2 with r and n.
ASCRIBE_INLINE Vf reduceExp(Vf x, Vf low, Vf& r, Vf& n) {
  n = nearestSmall(x * 1.44269504f);
  r = fma(n, splat(-0.693359375f), x);  // 10 bits: the product is exact
  r = fma(n, splat(2.12194440e-4f), r) + low;
  static constexpr float kExp[] = {1.381443104e-03f, 8.368796892e-03f, 4.166839584e-02f, 1.666651997e-01f,
                                   4.999999340e-01f};
  return polynomial(r, kExp);
}

/// e^(x + low) for a small correction `low`. NaN goes through, the ends are 0 and infinity.
ASCRIBE_INLINE Vf expOfSum(Vf x, Vf low) {
  x = minOf(splat(89.0f), maxOf(splat(-104.0f), x));
  Vf r, n;
  const Vf p = reduceExp(x, low, r, n);
  return scaledByPower(fma(p, r * r, r) + 1.0f, n);
}
ASCRIBE_INLINE Vf expOf(Vf x) { return expOfSum(x, Vf{}); }

/// e^x - 1 for x <= 0.
ASCRIBE_INLINE Vf expMinusOneOfNegative(Vf x) {
  x = maxOf(splat(-87.0f), x);
  Vf r, n;
  const Vf p = reduceExp(x, Vf{}, r, n);
  const Vf scale = powerOfTwo(toInt(n));
  return fma(scale, fma(p, r * r, r), scale - 1.0f);
}

ASCRIBE_INLINE Vf logOf(Vf x) {
  const Vi subnormal = x < 1.17549435e-38f;
  const Vf scaled = subnormal ? x * 8388608.0f : x;
  Vi raw = bits(scaled);
  // Mantissa in [sqrt(1/2), sqrt(2)): the exponent steps at sqrt(1/2).
  // Unsigned, since the bits of a negative number may wrap around; its logarithm is NaN whatever comes out here.
  const Vi exponent = reinterpret_cast<Vi>(reinterpret_cast<Vu>(raw) - 0x3f3504f3u) >> 23;
  const Vf f = fromBits(reinterpret_cast<Vi>(reinterpret_cast<Vu>(raw) - reinterpret_cast<Vu>(exponent << 23))) - 1.0f;
  const Vf e = toFloat(exponent) - (subnormal ? splat(23.0f) : Vf{});
  static constexpr float kLog[] = {6.748297378e-02f,  -1.167787353e-01f, 1.188864910e-01f,  -1.240528012e-01f,
                                   1.421945063e-01f,  -1.666800832e-01f, 2.000212374e-01f,  -2.500000946e-01f,
                                   3.333331254e-01f};
  const Vf square = f * f;
  Vf small = polynomial(f, kLog) * f * square;
  small = fma(e, splat(-2.12194440e-4f), small);
  small = fma(square, splat(-0.5f), small);
  Vf result = fma(e, splat(0.693359375f), small + f);
  result = x == __builtin_inff() ? x : result;
  result = x == 0.0f ? splat(-__builtin_inff()) : result;
  return (x < 0.0f) | (x != x) ? splat(__builtin_nanf("")) : result;
}

/// log(1 + u) for u >= 0.
ASCRIBE_INLINE Vf logOnePlus(Vf u) {
  const Vf w = u + 1.0f;
  return logOf(w) + (u - (w - 1.0f)) / w;
}

ASCRIBE_INLINE Vf tanhOf(Vf x) {
  static constexpr float kTanh[] = {-5.648307610e-03f, 2.058981754e-02f, -5.372512346e-02f, 1.333127439e-01f,
                                    -3.333327606e-01f};
  const Vf size = magnitude(x), square = x * x;
  const Vf small = fma(polynomial(square, kTanh) * square, x, x);
  const Vf large = withSign(1.0f - 2.0f / (expOf(size + size) + 1.0f), x);
  return size < 0.63f ? small : (x != x) ? x : large;
}

/// 1 / (1 + e^-x), with a relative error that stays small far out on the negative side.
ASCRIBE_INLINE Vf sigmoidOf(Vf x) {
  const Vf e = expOf(-magnitude(x));
  return (x < 0.0f ? e : splat(1.0f)) / (e + 1.0f);
}

/// 1 / x for 1 <= x < 2^126, within an ulp or so: a division takes as long as ten multiplications.
ASCRIBE_INLINE Vf reciprocalFromOne(Vf x) {
#if defined(__AVX512F__)
  const Vf guess = _mm512_maskz_rcp14_ps(0xffff, x);
  return fma(fma(-x, guess, splat(1.0f)), guess, guess);
#elif defined(ASCRIBE_NEON)
  // Eight bits of a guess become 16, and 16 all of them.
  Vf guess = vrecpeq_f32(x);
  guess *= vrecpsq_f32(x, guess);
  return fma(fma(-x, guess, splat(1.0f)), guess, guess);
#else
  return 1.0f / x;
#endif
}

/// x / (1 + e^-x) in half the instructions of x sigmoidOf(x): beyond 87 either way the exponential stays what it is there.
/// NaN goes through.
ASCRIBE_INLINE Vf siluOf(Vf x) {
  const Vf bounded = minOf(splat(87.0f), maxOf(splat(-87.0f), x)), magic = splat(12582912.0f);
  // The low bits of `shifted` are the exponent, which the shift brings to where it is added to that of a number near 1.
  const Vf shifted = fma(bounded, splat(-1.44269504f), magic), count = shifted - magic;
  const Vf r = fma(count, splat(2.12194440e-4f), fma(count, splat(-0.693359375f), -bounded));
  static constexpr float kExp[] = {1.381443104e-03f, 8.368796892e-03f, 4.166839584e-02f, 1.666651997e-01f, 4.999999340e-01f};
  const Vf near = fma(polynomial(r, kExp), r * r, r) + 1.0f;
  const Vf e = fromBits(bits(near) + (bits(shifted) << 23));
  return x * reciprocalFromOne(e + 1.0f);
}

/// The sigmoid and what it leaves to 1: both relatively accurate, where 1 - sigmoid would not be.
ASCRIBE_INLINE Vf sigmoidPair(Vf x, Vf& rest) {
  const Vf e = expOf(-magnitude(x)), large = 1.0f / (e + 1.0f), small = e * large;
  rest = x < 0.0f ? large : small;
  return x < 0.0f ? small : large;
}

/// x^2 = high + low, high exact: e^(-x^2) would lose as many bits as x^2 has before its point.
ASCRIBE_INLINE Vf exactSquare(Vf x, Vf& low) {
  const Vf top = fromBits(bits(x) & splatInt(static_cast<int32_t>(0xfffff000u)));
  low = (x - top) * (x + top);
  return top * top;
}

/// e^(u^2) erfc(u) for u in [0.45, 10.6].
ASCRIBE_INLINE Vf scaledErfc(Vf u) {
  static constexpr float kTail[] = {-1.896875491e-04f, -6.903627710e-04f, 1.960679896e-03f,  2.505181176e-03f,
                                    -2.379174858e-02f, 6.831095949e-02f,  -1.192710981e-01f, 1.296450024e-01f,
                                    -4.756240310e-02f, -1.356211033e-01f, 1.253008059e+00f};
  const Vf t = (u - 3.0f) / (u + 3.0f);
  return polynomial(t, kTail) / fma(u, splat(2.0f), splat(1.0f));
}
/// erf(u) / u by u^2, |u| <= 1.
ASCRIBE_INLINE Vf erfRatio(Vf square) {
  static constexpr float kErf[] = {7.853854705e-05f,  -8.010191612e-04f, 5.188327456e-03f, -2.685381181e-02f,
                                   1.128358515e-01f,  -3.761262582e-01f, 1.128379166e+00f};
  return polynomial(square, kErf);
}

ASCRIBE_INLINE Vf erfOf(Vf x) {
  const Vf size = minOf(splat(10.0f), magnitude(x));
  Vf low;
  const Vf high = exactSquare(size, low);
  const Vf tail = expOfSum(-high, -low) * scaledErfc(maxOf(splat(0.5f), size));
  return size < 1.0f ? x * erfRatio(x * x) : (x != x) ? x : withSign(1.0f - tail, x);
}

/// e^(-x^2 / 2). NaN goes through.
ASCRIBE_INLINE Vf normalDecay(Vf x) {
  const Vf size = minOf(splat(14.9f), magnitude(x));  // from there on it is 0, and no exponent is out of range
  Vf low, high;
  if constexpr (kFused) {
    high = size * size;
    low = fma(size, size, -high);
  } else {
    high = exactSquare(size, low);
  }
  // x^2 = w - 2 n ln 2 with whole n <= 0; the polynomial is reduceExp's, its coefficients taken for e^(-w / 2).
  const Vf magic = splat(12582912.0f), n = fma(high, splat(-0.72134752f), magic) - magic;
  const Vf w = fma(n, splat(-4.24388880e-4f), fma(n, splat(1.38671875f), high)) + low;
  static constexpr float kExp[] = {1.381443104e-03f / 64, -8.368796892e-03f / 32, 4.166839584e-02f / 16,
                                   -1.666651997e-01f / 8,  4.999999340e-01f / 4};
  return scaledByPower(fma(polynomial(w, kExp), w * w, -0.5f * w) + 1.0f, n);
}
/// The normal distribution function, erfc(-x / sqrt 2) / 2, relatively accurate in its lower tail; `decay` is normalDecay(x).
/// One fit covers the tail from 0 on: erfc(u) e^(u^2) (|x| + 3.75) / 2, u = |x| / sqrt 2, by (|x| - 3.75) / (|x| + 3.75). A
/// reciprocal that is an ulp off would cost what the bound on the error leaves, so it is a true division; the third
/// coefficient is a few of its steps off the fit, so that the function of 0 is one half to the bit.
ASCRIBE_INLINE Vf normalCdf(Vf x, Vf decay) {
  static constexpr float kTail[] = {4.434503792e-04f,  5.096296674e-04f,  -4.169055262e-03f, 1.200072765e-03f, 3.749250623e-02f,
                                    -1.515208349e-01f, 3.529396043e-01f, -5.881882777e-01f, 7.502940742e-01f};
  const Vf size = minOf(splat(14.9f), magnitude(x)), ratio = 1.0f / (size + 3.75f);
  const Vf tail = decay * (ratio * polynomial((size - 3.75f) * ratio, kTail));
  return x < 0.0f ? tail : 1.0f - tail;
}

ASCRIBE_INLINE Vf roundOf(Vf x) {
  const Vf size = magnitude(x);
  return size < 8388608.0f ? withSign((size + 8388608.0f) - 8388608.0f, x) : x;
}
ASCRIBE_INLINE Vf floorOf(Vf x) {
  const Vf near = roundOf(x);
  return near > x ? near - 1.0f : near;
}
ASCRIBE_INLINE Vf ceilOf(Vf x) {
  const Vf near = roundOf(x);
  return near < x ? near + 1.0f : near;
}

}  // namespace
}  // namespace ascribe::cpu
