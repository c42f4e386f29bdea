#include "runtime/probe/multiply_add.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>

namespace ascribe {

namespace {
/// Pairs of bf16 multiplied and added to f32: four operations a lane.
double run(int64_t rounds, float* sum) {
  __m512 lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512bh factor = (__m512bh)_mm512_set1_epi32(0x3c003c00);
  for (int64_t r = 0; r < rounds; ++r)
    for (__m512& lane : lanes) lane = _mm512_dpbf16_ps(lane, factor, factor);
  for (const __m512& lane : lanes) *sum += _mm512_cvtss_f32(lane);
  return static_cast<double>(rounds) * 16 * 16 * 4;
}
}  // namespace

const MultiplyAdd multiplyAddAvx512Bf16{run};

}  // namespace ascribe
#endif
