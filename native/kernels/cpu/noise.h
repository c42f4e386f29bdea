#pragma once
#include <cstdint>

#include "runtime/random.h"

namespace ascribe::cpu {

/// y[i] = x[i] + deviation * stream.normal(first + i), added up in double and rounded to float, on the lane's threads. With
/// vector instructions the logarithm, sine and cosine are not the C library's; an element whose rounding could depend on that
/// is computed once more with them, so that a sample has the same bits on every machine. In place is fine.
void addNormalNoise(const RandomStream& stream, uint64_t first, double deviation, const float* x, float* y, int64_t count);

/// Elements that a call of the vector kernel takes: pairs of normals, one to each lane of doubles.
constexpr int64_t kNoiseElements = 16;

/// The same for kNoiseElements elements from an even one on. Bits of the result say which are in doubt.
using NoiseKernel = uint32_t (*)(const RandomStream::Name& stream, uint64_t pair, double deviation, const float* x, float* y);

}  // namespace ascribe::cpu
