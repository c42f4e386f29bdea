#pragma once
#include <cstdint>
#include <memory>

#include "graph/host_tensor.h"
#include "kernels/cpu/blocked_conv_kernels.h"
#include "kernels/cpu/scratch.h"

namespace ascribe::cpu {

/// A convolution in one image's planes; the gradient at a stride of 1 is one too, of turned weights. At a stride above 1 it spreads
/// what it reads: `in` is the gradient, `out` the image.
struct ConvWindow {
  int64_t images, channels, results, groups;
  int64_t in[2], out[2], kernel[2], stride[2], pad[2];
  bool spreads = false;
  int edge = 2;  // of the squares of results, where it goes by Winograd's algorithm
  int64_t pixels() const { return out[0] * out[1]; }
  double flops() const { return 2.0 * static_cast<double>(images * results * (spreads ? in[0] * in[1] : pixels())) * static_cast<double>(channels / groups * kernel[0] * kernel[1]); }
  bool isPointwise() const {
    return groups == 1 && kernel[0] == 1 && kernel[1] == 1 && stride[0] == 1 && stride[1] == 1 && pad[0] == 0 && pad[1] == 0 && in[0] == out[0] && in[1] == out[1];
  }
  bool isSquare() const { return groups == 1 && kernel[0] == 3 && kernel[1] == 3 && stride[0] == 1 && stride[1] == 1; }
  bool isDepthwise() const { return groups == channels && groups == results && kernel[0] == kernel[1] && stride[0] == stride[1]; }
};

/// Weights as the kernel for this window reads them (blocked_conv_kernels.h): pointwise, by Winograd's algorithm, or depthwise. Those
/// of a gradient are turned. Made once, and shared by all plans.
std::shared_ptr<const AlignedFloats> packedConvWeights(const BlockedConvKernels& kernels, const HostTensor& weights, const ConvWindow& window, bool isGradient);

}  // namespace ascribe::cpu
