#pragma once
#include <cstddef>
#include <limits>
#include <vector>

#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/gemm.h"

namespace ascribe::cpu {

/// y = clip(conv + bias + residual).
struct ConvEpilogue {
  const float* bias = nullptr;      // per output channel
  const float* residual = nullptr;  // shaped like the result
  bool clip = false;
  float low = 0, high = std::numeric_limits<float>::infinity();
};

/// One packed matrix per group. Made once for frozen weights; belongs to one instruction set.
using PackedConvWeights = std::vector<PackedMatrix>;
PackedConvWeights packConvForward(const GemmKernels& kernels, const ConvShape& shape, const float* w);
PackedConvWeights packConvDataGradient(const GemmKernels& kernels, const ConvShape& shape, const float* w);

/// `threads` is the most that the caller will run on. `packed` may be null: the weights are then packed on the way.
size_t convForwardScratch(const IsaKernels& isa, const ConvShape& shape, int threads, bool packed);
void convForward(const IsaKernels& isa, const ConvShape& shape, const float* x, const float* w,
                 const PackedConvWeights* packed, float* y, const ConvEpilogue& epilogue, int threads,
                 std::byte* scratch);

/// dx from g shaped like the result; the cotangent axis is a longer batch. `bias` (per input channel, may be null)
/// makes it the forward pass of a transposed convolution.
size_t convDataGradientScratch(const IsaKernels& isa, const ConvShape& shape, int threads, bool packed);
void convDataGradient(const IsaKernels& isa, const ConvShape& shape, const float* g, const float* w,
                      const PackedConvWeights* packed, float* dx, const float* bias, int threads, std::byte* scratch);

/// dw summed over the batch; for gradients per example call it with batch 1.
size_t convWeightGradientScratch(const IsaKernels& isa, const ConvShape& shape, int threads);
void convWeightGradient(const IsaKernels& isa, const ConvShape& shape, const float* x, const float* g, float* dw,
                        int threads, std::byte* scratch);

// One filter per channel: no product at all, rows of taps (see PhasePlanes).
size_t depthwiseScratch(const ConvShape& shape, int threads);
void depthwiseForward(const IsaKernels& isa, const ConvShape& shape, const float* x, const float* w, float* y,
                      const ConvEpilogue& epilogue, int threads, std::byte* scratch);
void depthwiseDataGradient(const IsaKernels& isa, const ConvShape& shape, const float* g, const float* w, float* dx,
                           const float* bias, int threads, std::byte* scratch);
void depthwiseWeightGradient(const IsaKernels& isa, const ConvShape& shape, const float* x, const float* g, float* dw,
                             int threads, std::byte* scratch);
/// Whether the paths above are worth it: large strides would cut the planes into too many classes.
bool takesDepthwise(const ConvShape& shape);

}  // namespace ascribe::cpu
