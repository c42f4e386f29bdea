#include "runtime/probe/multiply_add.h"

#if defined(__AVX2__)
#include <immintrin.h>

namespace ascribe {

namespace {
double run(int64_t rounds, float* sum) {
  __m256 lanes[12];  // two chains of latency 4 and throughput 2 need 8; 12 leave room
  for (int i = 0; i < 12; ++i) lanes[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 factor = _mm256_set1_ps(0.999f), addend = _mm256_set1_ps(0.001f);
  for (int64_t r = 0; r < rounds; ++r)
    for (__m256& lane : lanes) lane = _mm256_fmadd_ps(lane, factor, addend);
  for (const __m256& lane : lanes) *sum += _mm256_cvtss_f32(lane);
  return static_cast<double>(rounds) * 12 * 8 * 2;
}
}  // namespace

const MultiplyAdd multiplyAddAvx2{run};

}  // namespace ascribe
#endif
