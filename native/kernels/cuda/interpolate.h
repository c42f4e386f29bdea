#pragma once
#include "kernels/cuda/index.h"

namespace ascribe::cuda {

/// 0 and 1 give the ends to the bit.
__device__ inline float between(float a, float b, float p) { return (1 - p) * a + p * b; }

/// A thread reads an element of both ends (or four) once and writes it for some rows, so that the ends hardly count as
/// traffic and there are threads enough for a small row.
constexpr int64_t kInterpolatedRows = 8;

inline int runInterpolate(Stream& stream, const Call& call) {
  const auto *a = static_cast<const float*>(call.tensors[0].data), *b = static_cast<const float*>(call.tensors[1].data);
  const auto* position = static_cast<const float*>(call.tensors[2].data);
  auto* out = static_cast<float*>(call.tensors[3].data);
  const int64_t elements = countOf(call.tensors[0]), rows = countOf(call.tensors[2]), groups = (rows + kInterpolatedRows - 1) / kInterpolatedRows;
  if (elements % 4 == 0 && isAligned(a) && isAligned(b) && isAligned(out)) {
    const int64_t fours = elements / 4;
    const auto *from = reinterpret_cast<const float4*>(a), *to = reinterpret_cast<const float4*>(b);
    auto* results = reinterpret_cast<float4*>(out);
    return overElements(stream, groups * fours, [=] __device__(int64_t i) {
      const int64_t at = i % fours, first = i / fours * kInterpolatedRows, last = first + kInterpolatedRows < rows ? first + kInterpolatedRows : rows;
      const float4 u = from[at], v = to[at];
      for (int64_t n = first; n < last; ++n) {
        const float p = position[n];
        results[n * fours + at] = float4{between(u.x, v.x, p), between(u.y, v.y, p), between(u.z, v.z, p), between(u.w, v.w, p)};
      }
    });
  }
  return overElements(stream, groups * elements, [=] __device__(int64_t i) {
    const int64_t at = i % elements, first = i / elements * kInterpolatedRows, last = first + kInterpolatedRows < rows ? first + kInterpolatedRows : rows;
    for (int64_t n = first; n < last; ++n) out[n * elements + at] = between(a[at], b[at], position[n]);
  });
}

}  // namespace ascribe::cuda
