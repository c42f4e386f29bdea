#if defined(__x86_64__)
// GCC 12 takes the undefined operand of its own intrinsics for an uninitialised variable.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include "kernels/cpu/rows_body.h"

namespace ascribe::cpu {
namespace {

/// Exponentials that are rounded to bf16: within 3e-6 of the true value, a thousandth of that rounding.
struct RoundedWeights {
  static ASCRIBE_INLINE Vf exponential(Vf x) {
    static constexpr float kPower[] = {9.5701041e-03f, 5.5917856e-02f, 2.4024745e-01f, 6.9312181e-01f, 9.9999926e-01f};
    // 2^-150 is 0; what is far below it must not overflow on the way.
    const Vf power = maxOf(splat(-150.0f), x * 1.44269504f);
    const Vf n = nearestSmall(power);
    return scaledByPower(polynomial(power - n, kPower), n);
  }
  static ASCRIBE_INLINE void store(float* x, int64_t i, Vf a, Vf b) { _mm512_storeu_si512(x + i / 2, (__m512i)_mm512_cvtne2ps_pbh(b, a)); }
  /// Whole words: `from` is even.
  static void clear(float* x, int64_t from, int64_t to) {
    for (int64_t i = from / 2; i < (to + 1) / 2; ++i) x[i] = 0;
  }
};

constexpr RowKernels makePairKernels() {
  RowKernels out = makeRowKernels();
  out.softmaxPiece = softmaxPiece<RoundedWeights>;
  return out;
}

}  // namespace

extern const RowKernels rowsAvx512Bf16;
const RowKernels rowsAvx512Bf16 = makePairKernels();

}  // namespace ascribe::cpu
#endif
