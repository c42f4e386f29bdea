#include "runtime/probe/multiply_add.h"

#if defined(__aarch64__)
#include <arm_neon.h>

namespace ascribe {

namespace {
double run(int64_t rounds, float* sum) {
  float32x4_t lanes[24];  // up to four units of latency 4 need 16; 24 leave room
  for (int i = 0; i < 24; ++i) lanes[i] = vdupq_n_f32(static_cast<float>(i));
  const float32x4_t factor = vdupq_n_f32(0.999f), addend = vdupq_n_f32(0.001f);
  // Added to a sum in place, as products do: the instruction overwrites its addend.
  for (int64_t r = 0; r < rounds; ++r)
    for (float32x4_t& lane : lanes) lane = vfmsq_f32(lane, factor, addend);
  for (const float32x4_t& lane : lanes) *sum += vgetq_lane_f32(lane, 0);
  return static_cast<double>(rounds) * 24 * 4 * 2;
}
}  // namespace

const MultiplyAdd multiplyAddNeon{run};

}  // namespace ascribe
#endif
