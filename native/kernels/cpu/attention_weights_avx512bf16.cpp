#if defined(__x86_64__)
// GCC 12 takes the undefined operand of its own intrinsics for an uninitialised variable.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include "kernels/cpu/attention_weights.h"

#include <algorithm>

#include "kernels/cpu/gemm_body.h"
#include "kernels/cpu/simd_math.h"

namespace ascribe::cpu {
namespace {

/// 24 sums of 32 registers: the others are for the exponentials beside them.
constexpr int kTall = 12;
/// The rest of a block, where that many are enough: as many sums as hide the latency of a product.
constexpr int kShort = kTall / 2;
/// A power of two is told by its 16th part, see Constants.
constexpr int kParts = 16;
/// Sixteenths by which a table's mantissas are above those of its powers.
constexpr int kLift = 2;
/// Powers of two by which a score may be above its top, before the top grows.
constexpr float kHeadroom = 16;

/// 2^(t / 16) = 2^(n / 16) 2^(r / 16) with whole n and |r| <= 1/2: by a line through the points of a table that n's low four bits
/// choose, and n's other bits added to the exponent. n 2^19 is added to the number as it stands: that moves the exponent by n's
/// upper bits, and the mantissa by the lower ones, which the table has taken off before. So that it stays a mantissa
/// there, it is lifted by two sixteenths and n is two less; and so that 2^(r / 16) below 1 is none of another exponent, all
/// powers have half a sixteenth more, which is the factor of all weights.
struct Constants {
  alignas(64) float value[kParts], slope[kParts];
  float least = -127.0F * kParts;  // here and below, an exponent of 0 makes 0 of the power
  float magic = 12582912.0F - kLift;
  int ones = 0x3f803f80;
};
constexpr double kError = 1.25e-4;
constexpr double kStep = 1.0442737824274138, kHalfStep = 1.0218971486541166;

constexpr Constants makeConstants() {
  Constants made{};
  double power[kParts] = {kHalfStep};
  for (int f = 1; f < kParts; ++f) power[f] = power[f - 1] * kStep;
  for (int i = 0; i < kParts; ++i) {
    const int f = (i + kLift) % kParts;
    // A line is below the power at both ends, by 2.35e-4: it is moved half of that up.
    made.value[i] = static_cast<float>(power[f] * (1 + 1.17e-4) + (kLift - f) / static_cast<double>(kParts));
    made.slope[i] = static_cast<float>(power[f] * 0.6931471805599453 / kParts);
  }
  return made;
}
constexpr Constants kConstants = makeConstants();

/// What the compiler is not to keep in a register: it would take that of a sum.
template <class T>
ASCRIBE_INLINE const T* afresh(const T* p) {
  asm volatile("" : "+r"(p));
  return p;
}

/// Weights of 32 scores. Few of its operations are of the kind that products are: a multiplication and a line for each vector.
ASCRIBE_INLINE void weightsOfRow(const float* scores, const float* top, const float* scale, const Constants* constants, float* sum, float* weights) {
  const Constants* c = afresh(constants);
  const Vf by = splat(*scale), magic = splat(c->magic);
  const auto power = [&](const float* x) __attribute__((always_inline)) {
    const Constants* own = afresh(c);
    const Vf t = maxOf(splat(own->least), (load(x) - splat(*afresh(top))) * by);
    const Vf shifted = t + magic, rest = t - (shifted - magic);
    const auto n = reinterpret_cast<__m512i>(shifted);
    const Vf value = _mm512_maskz_permutexvar_ps(0xffff, n, load(own->value)), slope = _mm512_maskz_permutexvar_ps(0xffff, n, load(own->slope));
    return reinterpret_cast<Vf>(_mm512_add_epi32(reinterpret_cast<__m512i>(fma(slope, rest, value)), _mm512_maskz_slli_epi32(0xffff, n, 19)));
  };
  const Vf low = power(scores), high = power(scores + kLanes);
  const __m512bh both = _mm512_cvtne2ps_pbh(high, low);
  // Of the rounded weights: where one is nearly all, its rounding falls out.
  store(sum, _mm512_dpbf16_ps(load(sum), both, reinterpret_cast<__m512bh>(_mm512_set1_epi32(c->ones))));
  _mm512_storeu_si512(weights, reinterpret_cast<__m512i>(both));
}

struct Sweep {
  const WeightRows& rows;
  const WeightKeys& keys;
  float* weights;
  int64_t apart;
  float scale, limit;
};

/// A row's scores go far above its top, or are its first: what has been made with the top before is brought to the new one.
void raise(const Sweep& s, int row, const float* scores, int64_t done) {
  const float most = _mm512_reduce_max_ps(maxOf(load(scores), load(scores + kLanes)));
  float& top = s.rows.tops[row];
  if (!(most - top > s.limit)) return;
  const float factor = expOf(splat((top - most) * s.rows.scale))[0];
  top = most;
  float *sum = s.rows.sums + row * kLanes, *results = s.rows.results + row * s.rows.width;
  store(sum, load(sum) * factor);
  if (row < s.rows.count)
    for (int64_t j = 0; j < s.rows.width; ++j) results[j] *= factor;
  float* line = s.weights + row * s.apart;
  for (int64_t j = 0; j < done / 2; j += kLanes) {
    const __m512i old = _mm512_loadu_si512(line + j);
    const Vf low = reinterpret_cast<Vf>(_mm512_maskz_slli_epi32(0xffff, old, 16)) * factor, high = reinterpret_cast<Vf>(old & _mm512_set1_epi32(-65536)) * factor;
    const __m512i rounded = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    // The low ones are in the lower half: back to pairs.
    _mm512_storeu_si512(line + j, _mm512_or_si512(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(rounded)),
                                                  _mm512_maskz_slli_epi32(0xffff, _mm512_cvtepu16_epi32(_mm512_maskz_extracti64x4_epi64(0xff, rounded, 1)), 16)));
  }
}

/// Scores of keys [at, at + 32) to `scores`, where those of the tile before are, whose weights are taken on the way: a row's
/// behind every `Words` words of depth; none with -1.
template <int Tall, int Words>
void tile(const Sweep& s, int64_t at, float (*scores)[kColumns]) {
  Vf sum[Tall][2];
#pragma GCC unroll 16
  for (int i = 0; i < Tall; ++i) sum[i][0] = sum[i][1] = Vf{};
  const float *a = s.rows.queries, *b = s.keys.panels + at * s.rows.words;
  const auto word = [&]() __attribute__((always_inline)) {
    const Vf first = load(b), second = load(b + kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < Tall; ++i) {
      const auto x = reinterpret_cast<__m512bh>(splat(a[i]));
      sum[i][0] = _mm512_dpbf16_ps(sum[i][0], x, reinterpret_cast<__m512bh>(first));
      sum[i][1] = _mm512_dpbf16_ps(sum[i][1], x, reinterpret_cast<__m512bh>(second));
    }
    a += kRows, b += kColumns;
  };
  if constexpr (Words >= 0) {
    const float *top = s.rows.tops, *from = scores[0];
    float *total = s.rows.sums, *weights = s.weights + (at - kColumns) / 2;
    for (int i = 0; i < Tall; ++i) {
#pragma GCC unroll 2
      for (int w = 0; w < Words; ++w) word();
      weightsOfRow(from, top, &s.scale, &kConstants, total, weights);
      from += kColumns, ++top, total += kLanes, weights += s.apart;
    }
  }
  for (int64_t left = s.rows.words - std::max(0, Words) * Tall; left > 0; --left) word();
  const int64_t seen = s.keys.seen - at, all = s.keys.count - at;
  if (std::min(seen, all) < kColumns) {
    const Vf least = splat(-__builtin_inff());
#pragma GCC unroll 16
    for (int i = 0; i < Tall; ++i) {
      const int64_t own = std::min(seen + i * s.keys.step, all);
      const uint32_t kept = own >= kColumns ? ~0U : own <= 0 ? 0 : (1U << own) - 1;
      sum[i][0] = _mm512_mask_blend_ps(static_cast<__mmask16>(kept), least, sum[i][0]);
      sum[i][1] = _mm512_mask_blend_ps(static_cast<__mmask16>(kept >> 16), least, sum[i][1]);
    }
  }
  // A NaN that the maximum loses comes back by its weight, and spoils the sum.
  Vf above = splat(-__builtin_inff());
#pragma GCC unroll 16
  for (int i = 0; i < Tall; ++i) {
    above = maxOf(maxOf(sum[i][0], sum[i][1]) - splat(s.rows.tops[i]), above);
    store(scores[i], sum[i][0]);
    store(scores[i] + kLanes, sum[i][1]);
  }
  if (__builtin_expect(_mm512_cmp_ps_mask(above, splat(s.limit), _CMP_GT_OQ) != 0, 0))
    for (int i = 0; i < Tall; ++i) raise(s, i, scores[i], at);
}

template <int Tall>
void sweep(const Sweep& s) {
  alignas(64) float scores[Tall][kColumns];
  const int64_t end = std::min(s.keys.seen + (s.rows.count - 1) * s.keys.step, s.keys.count);
  if (end <= 0) return;
  const int64_t words = s.rows.words / Tall;
  const auto next = words >= 2 ? tile<Tall, 2> : words == 1 ? tile<Tall, 1> : tile<Tall, 0>;
  tile<Tall, -1>(s, 0, scores);
  int64_t at = kColumns;
  for (; at < end; at += kColumns) next(s, at, scores);
  for (int i = 0; i < Tall; ++i)
    weightsOfRow(scores[i], s.rows.tops + i, &s.scale, &kConstants, s.rows.sums + i * kLanes, s.weights + i * s.apart + (at - kColumns) / 2);
}

void weights(const WeightRows& rows, const WeightKeys& keys, float* out, int64_t apart) {
  const float scale = rows.scale * 1.44269504F * kParts;
  (rows.count > kShort ? sweep<kTall> : sweep<kShort>)({rows, keys, out, apart, scale, kHeadroom * kParts / scale});
}

}  // namespace

extern const WeightKernel weightsAvx512Bf16;
const WeightKernel weightsAvx512Bf16 = {kTall, kLanes, weights, static_cast<float>(kHalfStep), static_cast<float>(kError)};

}  // namespace ascribe::cpu
#endif
