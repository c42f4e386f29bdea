#pragma once
#include <cstdint>

namespace ascribe::cpu {

/// The window along the last axis of values in blocks of as many channels as a vector has lanes.
struct PoolRow {
  int64_t in, out;  // columns of the larger and of the smaller side
  int64_t kernel, stride, dilation, pad;
};

/// Rows of the larger side that one row of windows meets, in order, and the number of each row's first tap.
struct MaxPoolTask {
  PoolRow row;
  int64_t lines;
  const float* const* x;
  const uint8_t* firstTaps;
  float* y;
  uint8_t* taps;
};

/// Rows of windows that meet one row of the larger side, in order.
struct MaxPoolGradientTask {
  PoolRow row;
  int64_t lines;
  const float* const* g;
  const uint8_t* const* taps;
  const uint8_t* firstTaps;
  float* x;
};

struct MaxPoolKernels {
  int lanes;
  /// The first of the largest; NaN counts as the largest. Every window meets the data.
  void (*forward)(const MaxPoolTask& task);
  void (*gradient)(const MaxPoolGradientTask& task);
};

}  // namespace ascribe::cpu
