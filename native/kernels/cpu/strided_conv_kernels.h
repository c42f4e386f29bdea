#pragma once
#include <cstdint>

#include "kernels/cpu/blocked_conv_kernels.h"

namespace ascribe::cpu {

/// A convolution at a stride of 2 over some rows of one image, whose values lie in blocks of as many channels as a vector has lanes:
/// x [blocks][height][width][lanes]. Weights lie in groups of blocks of results, [groups][taps][channels][blocks of the group * lanes].
struct StridedTask {
  const float* x;
  int64_t height, width;  // of x
  int64_t channels;       // of x
  const float* weights;
  const float* bias;  // may be null; real channels only
  float* y;           // of row 0 of the image's results
  int64_t results;    // channels of y; blocks are filled up with zeros
  int64_t resultHeight, resultWidth;
  int64_t rowBegin, rowEnd;  // of y
  int64_t kernel[2], pad[2];
  Finish finish;  // a clip
};

struct StridedConvKernels {
  int lanes;
  /// How many blocks of results, of those that are left, make the next group.
  int (*groupOf)(int64_t blocksLeft);
  void (*run)(const StridedTask& task);
};

/// Of the instruction set in use; null where there are none.
const StridedConvKernels* stridedConvKernels();

}  // namespace ascribe::cpu
