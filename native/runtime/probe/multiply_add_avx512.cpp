#include "runtime/probe/multiply_add.h"

#if defined(__AVX512F__)
#include <immintrin.h>

namespace ascribe {

namespace {
double run(int64_t rounds, float* sum) {
  __m512 lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 factor = _mm512_set1_ps(0.999f), addend = _mm512_set1_ps(0.001f);
  for (int64_t r = 0; r < rounds; ++r)
    for (__m512& lane : lanes) lane = _mm512_fmadd_ps(lane, factor, addend);
  for (const __m512& lane : lanes) *sum += _mm512_cvtss_f32(lane);
  return static_cast<double>(rounds) * 16 * 16 * 2;
}
}  // namespace

const MultiplyAdd multiplyAddAvx512{run};

}  // namespace ascribe
#endif
