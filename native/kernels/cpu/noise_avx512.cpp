#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/cpu/noise.h"

namespace ascribe::cpu {

uint32_t noiseAvx512(const RandomStream::Name& stream, uint64_t pair, double deviation, const float* x, float* y);

namespace {

constexpr __mmask8 kAll = 0xff;  // the unmasked forms trip a false warning of GCC 12

struct Words {
  __m512i a, b, c, d;
};

/// philox4x32 of eight counters: one word in each 64-bit lane, whose upper half is not kept clean on the way.
inline Words philox(Words counter, uint32_t key0, uint32_t key1) {
  const __m512i multiplier0 = _mm512_set1_epi64(0xD2511F53), multiplier1 = _mm512_set1_epi64(0xCD9E8D57);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const __m512i product0 = _mm512_maskz_mul_epu32(kAll, counter.a, multiplier0), product1 = _mm512_maskz_mul_epu32(kAll, counter.c, multiplier1);
    const __m512i words0 = _mm512_set1_epi64(key0), words1 = _mm512_set1_epi64(key1);
    constexpr int kXor = 0x96;
    counter = {_mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(kAll, product1, 32), counter.b, words0, kXor), product1,
               _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(kAll, product0, 32), counter.d, words1, kXor), product0};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

/// The upper 53 of the 64 bits that two words make.
inline __m512i upperBits(__m512i high, __m512i low) {
  const __m512i word = _mm512_set1_epi64(0xffffffff);
  return _mm512_or_si512(_mm512_maskz_slli_epi64(kAll, _mm512_and_si512(high, word), 21), _mm512_maskz_srli_epi64(kAll, _mm512_and_si512(low, word), 11));
}

template <int N>
inline __m512d polynomial(__m512d x, const double (&highestFirst)[N]) {
  __m512d sum = _mm512_set1_pd(highestFirst[0]);
#pragma GCC unroll 16
  for (int i = 1; i < N; ++i) sum = _mm512_fmadd_pd(sum, x, _mm512_set1_pd(highestFirst[i]));
  return sum;
}

/// -2 log(k 2^-53) for whole k from 1 to 2^53, within 1e-15 of its value.
inline __m512d squaredRadius(__m512d k) {
  // Mantissa in [sqrt(1/2), sqrt(2)): the exponent steps at sqrt(1/2).
  const __m512i raw = _mm512_castpd_si512(k);
  const __m512i exponent = _mm512_maskz_srai_epi64(kAll, _mm512_sub_epi64(raw, _mm512_set1_epi64(0x3fe6a09e667f3bcd)), 52);
  const __m512d mantissa = _mm512_castsi512_pd(_mm512_sub_epi64(raw, _mm512_maskz_slli_epi64(kAll, exponent, 52)));
  // log m = 2 artanh((m - 1) / (m + 1)), by its series.
  const __m512d one = _mm512_set1_pd(1);
  const __m512d s = _mm512_div_pd(_mm512_sub_pd(mantissa, one), _mm512_add_pd(mantissa, one)), square = _mm512_mul_pd(s, s);
  static constexpr double kSeries[] = {1. / 19, 1. / 17, 1. / 15, 1. / 13, 1. / 11, 1. / 9, 1. / 7, 1. / 5, 1. / 3, 1};
  const __m512d turns = _mm512_sub_pd(_mm512_maskz_cvtepi64_pd(kAll, exponent), _mm512_set1_pd(53));
  const __m512d part = _mm512_mul_pd(_mm512_mul_pd(s, _mm512_set1_pd(-4)), polynomial(square, kSeries));
  return _mm512_fmadd_pd(turns, _mm512_set1_pd(-2 * 0.693147180559945309417), part);
}

/// The cosine and sine of 2 pi v, 0 <= v < 1, within 3e-15.
inline void circle(__m512d v, __m512d& cosine, __m512d& sine) {
  // v = quarter / 4 + rest, |rest| <= 1/8, both exact.
  const __m512d quarter = _mm512_maskz_roundscale_pd(kAll, _mm512_mul_pd(v, _mm512_set1_pd(4)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512d a = _mm512_mul_pd(_mm512_fmadd_pd(quarter, _mm512_set1_pd(-0.25), v), _mm512_set1_pd(6.28318530717958647693));
  const __m512d square = _mm512_mul_pd(a, a);
  static constexpr double kCosine[] = {1. / 20922789888000, -1. / 87178291200, 1. / 479001600, -1. / 3628800, 1. / 40320, -1. / 720, 1. / 24, -1. / 2, 1};
  static constexpr double kSine[] = {-1. / 1307674368000, 1. / 6227020800, -1. / 39916800, 1. / 362880, -1. / 5040, 1. / 120, -1. / 6, 1};
  const __m512d c = polynomial(square, kCosine), s = _mm512_mul_pd(a, polynomial(square, kSine));
  const __m512i turns = _mm512_maskz_cvtpd_epi64(kAll, quarter), one = _mm512_set1_epi64(1), two = _mm512_set1_epi64(2);
  const __mmask8 isOdd = _mm512_test_epi64_mask(turns, one);
  const __mmask8 flipsSine = _mm512_test_epi64_mask(turns, two), flipsCosine = _mm512_test_epi64_mask(_mm512_add_epi64(turns, one), two);
  const __m512d signBit = _mm512_set1_pd(-0.0);
  cosine = _mm512_mask_blend_pd(isOdd, c, s);
  cosine = _mm512_mask_xor_pd(cosine, flipsCosine, cosine, signBit);
  sine = _mm512_mask_blend_pd(isOdd, s, c);
  sine = _mm512_mask_xor_pd(sine, flipsSine, sine, signBit);
}

/// Eight elements of x with their normals, and which of them are so near the middle between two floats that the rounding may
/// be another.
inline __mmask8 addEight(const float* x, float* y, __m512d normal, __m512d radius, double deviation) {
  // Ample: the normals of this kernel and of the C library differ by less than 1e-14 of the radius.
  const __m512d start = _mm512_maskz_cvtps_pd(kAll, _mm256_loadu_ps(x)), size = _mm512_set1_pd(deviation);
  const __m512d sum = _mm512_add_pd(start, _mm512_mul_pd(size, normal));
  const __m512d reach = _mm512_add_pd(_mm512_add_pd(_mm512_mul_pd(radius, _mm512_abs_pd(size)), _mm512_abs_pd(start)), _mm512_set1_pd(1e-60));
  const __m512d error = _mm512_mul_pd(reach, _mm512_set1_pd(0x1p-45));
  const __m256 low = _mm512_maskz_cvtpd_ps(kAll, _mm512_sub_pd(sum, error)), high = _mm512_maskz_cvtpd_ps(kAll, _mm512_add_pd(sum, error));
  _mm256_storeu_ps(y, high);
  return _mm256_cmpneq_epi32_mask(_mm256_castps_si256(low), _mm256_castps_si256(high));
}

}  // namespace

uint32_t noiseAvx512(const RandomStream::Name& stream, uint64_t pair, double deviation, const float* x, float* y) {
  const __m512i block = _mm512_add_epi64(_mm512_set1_epi64(static_cast<int64_t>(pair)), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
  const Words words = philox({block, _mm512_maskz_srli_epi64(kAll, block, 32), _mm512_set1_epi64(stream.sample), _mm512_set1_epi64(stream.item)}, stream.key0, stream.key1);
  const __m512d first = _mm512_maskz_cvtepi64_pd(kAll, _mm512_add_epi64(upperBits(words.a, words.b), _mm512_set1_epi64(1)));
  const __m512d second = _mm512_mul_pd(_mm512_maskz_cvtepi64_pd(kAll, upperBits(words.c, words.d)), _mm512_set1_pd(0x1p-53));
  const __m512d radius = _mm512_maskz_sqrt_pd(kAll, squaredRadius(first));
  __m512d cosine, sine;
  circle(second, cosine, sine);
  const __m512d even = _mm512_mul_pd(radius, cosine), odd = _mm512_mul_pd(radius, sine);
  const __m512i lower = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0), upper = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
  const auto both = [](__m512d a, __m512i order, __m512d b) { return _mm512_permutex2var_pd(a, order, b); };
  const uint32_t low = addEight(x, y, both(even, lower, odd), both(radius, lower, radius), deviation);
  const uint32_t high = addEight(x + 8, y + 8, both(even, upper, odd), both(radius, upper, radius), deviation);
  return low | high << 8;
}

}  // namespace ascribe::cpu
#endif
