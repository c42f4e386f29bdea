#if defined(__x86_64__)
// GCC 12 takes the undefined operand of its own intrinsics for an uninitialised variable.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include "kernels/cpu/rows_body.h"

namespace ascribe::cpu {
namespace {

/// Exponentials that are rounded to bf16: within 3e-6 of the true value, a thousandth of that rounding.
struct RoundedWeights {
  /// e^(scale (x - top)) as a power of two: what lies above a whole number by a polynomial, the whole number by its exponent. What
  /// is far below, -inf too, has no part above a whole number and becomes 0.
  struct Exponential {
    Vf scale, shift;
    Exponential(float by, float top) : scale(splat(by * 1.44269504f)), shift(splat(top * (by * 1.44269504f))) {}
    ASCRIBE_INLINE Vf operator()(Vf x) const {
      static constexpr float kPower[] = {1.353416803e-02f, 5.201146141e-02f, 2.414427556e-01f, 6.930038350e-01f, 1.000002593e+00f};
      const Vf power = (Vf)_mm512_fmsub_ps((__m512)x, (__m512)scale, (__m512)shift);
      const Vf above = _mm512_maskz_reduce_ps(0xffff, power, 0x09);  // from the whole number below
      return _mm512_maskz_scalef_ps(0xffff, polynomial(above, kPower), power);
    }
  };
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
