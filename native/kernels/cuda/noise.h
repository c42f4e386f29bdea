#pragma once
#include <cmath>
#include <cstring>

#include "kernels/cuda/index.h"

// The normals of runtime/random.h, step by step: a sample is the same on every device. No product and sum of doubles are
// joined here, which would round once where the host rounds twice.
namespace ascribe::cuda {

__device__ inline double productOf(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}
__device__ inline double sumOf(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dadd_rn(a, b);
#else
  return a + b;
#endif
}

struct NormalPair {
  double even, odd;
};
/// Elements 2 pair and 2 pair + 1 of the stream.
__device__ inline NormalPair normalsOf(uint64_t pair, uint64_t key, uint64_t place) {
  constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  uint32_t a = static_cast<uint32_t>(pair), b = static_cast<uint32_t>(pair >> 32), c = static_cast<uint32_t>(place), d = static_cast<uint32_t>(place >> 32);
  uint32_t key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint32_t high0 = __umulhi(a, kMultiplier0), low0 = a * kMultiplier0, high1 = __umulhi(c, kMultiplier1), low1 = c * kMultiplier1;
    a = high1 ^ b ^ key0;
    b = low1;
    c = high0 ^ d ^ key1;
    d = low0;
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  const uint64_t first = (static_cast<uint64_t>(a) << 32 | b) >> 11, second = (static_cast<uint64_t>(c) << 32 | d) >> 11;
  const double radius = sqrt(productOf(-2.0, log(productOf(static_cast<double>(first + 1), 0x1p-53))));
  const double angle = productOf(2.0 * 3.14159265358979323846, productOf(static_cast<double>(second), 0x1p-53));
  return {productOf(radius, cos(angle)), productOf(radius, sin(angle))};
}

/// One thread a pair of elements of a row.
inline int runAddNoise(Stream& stream, const Call& call) {
  const auto* x = static_cast<const float*>(call.tensors[0].data);
  const auto* rows = static_cast<const int64_t*>(call.tensors[1].data);
  auto* out = static_cast<float*>(call.tensors[2].data);
  const int64_t elements = countOf(call.tensors[0]), count = call.tensors[1].dims[0], width = call.tensors[1].dims[1];
  const int64_t column = call.integers[0], first = call.integers[1];
  if (elements == 0) return ASCRIBE_OK;
  const int64_t before = first / 2, odd = first % 2, pairs = (odd + elements + 1) / 2;
  return overElements(stream, count * pairs, [=] __device__(int64_t i) {
    const int64_t n = i / pairs, pair = before + i % pairs, at = 2 * (i % pairs) - odd;
    const int64_t bits = rows[n * width + column];
    double deviation;
    memcpy(&deviation, &bits, sizeof deviation);
    NormalPair normals{0, 0};
    if (deviation != 0) normals = normalsOf(static_cast<uint64_t>(pair), static_cast<uint64_t>(rows[n * width]), static_cast<uint64_t>(rows[n * width + 1]));
    for (int lane = 0; lane < 2; ++lane) {
      const int64_t element = at + lane;
      if (element < 0 || element >= elements) continue;
      const double normal = lane == 0 ? normals.even : normals.odd;
      out[n * elements + element] = deviation == 0 ? x[element] : static_cast<float>(sumOf(static_cast<double>(x[element]), productOf(deviation, normal)));
    }
  });
}

}  // namespace ascribe::cuda
