// Vectors of half as many lanes, for the last block of channels where it is half empty: processors that run a whole vector in two
// steps save one of them.
#pragma once
#include "kernels/cpu/simd.h"

namespace ascribe::cpu {
namespace {

ASCRIBE_INLINE VfHalf loadHalf(const float* p) {
  VfHalf v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
ASCRIBE_INLINE void store(float* p, VfHalf v) { __builtin_memcpy(p, &v, sizeof v); }
ASCRIBE_INLINE VfHalf lowerHalf(Vf v) {
  VfHalf lower;
  __builtin_memcpy(&lower, &v, sizeof lower);
  return lower;
}
/// Zeros in the upper half; GCC 12 warns falsely of the intrinsic that does nothing else.
ASCRIBE_INLINE Vf widened(VfHalf v) { return _mm512_maskz_mov_ps(0x00ff, _mm512_castps256_ps512(v)); }
ASCRIBE_INLINE VfHalf fma(VfHalf a, VfHalf b, VfHalf c) { return _mm256_fmadd_ps(a, b, c); }
ASCRIBE_INLINE void loadInto(Vf& v, const float* p) { v = load(p); }
ASCRIBE_INLINE void loadInto(VfHalf& v, const float* p) { v = loadHalf(p); }
ASCRIBE_INLINE Vf widened(Vf v) { return v; }

}  // namespace
}  // namespace ascribe::cpu
