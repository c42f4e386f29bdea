#include "runtime/probe/multiply_add.h"

namespace ascribe {

namespace {
double run(int64_t rounds, float* sum) {
  // Four lanes: what the baselines of x86-64 and arm64 have in common.
  using Vector = float __attribute__((vector_size(16)));
  Vector lanes[8];
  for (int i = 0; i < 8; ++i) lanes[i] = Vector{} + static_cast<float>(i);
  const Vector factor = Vector{} + 0.999f, addend = Vector{} + 0.001f;
  for (int64_t r = 0; r < rounds; ++r)
    for (int half = 0; half < 2; ++half)
      for (Vector& lane : lanes) lane = lane * factor + addend;
  for (const Vector& lane : lanes) *sum += lane[0];
  return static_cast<double>(rounds) * 16 * 4 * 2;
}
}  // namespace

const MultiplyAdd multiplyAddBaseline{run};

}  // namespace ascribe
