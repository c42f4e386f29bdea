#pragma once
#include <cstdint>

namespace ascribe::cpu {

/// A convolution or pooling with its spatial axes brought to three (leading ones of size 1).
/// Only the padding before is kept: the one behind follows from `out`, and nothing needs it.
struct WindowShape {
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};

  int64_t inPlane() const { return in[0] * in[1] * in[2]; }
  int64_t outPlane() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  /// Every output is one input, in the same place.
  bool pointwise() const {
    for (int a = 0; a < 3; ++a)
      if (kernel[a] != 1 || stride[a] != 1 || pad[a] != 0 || in[a] != out[a]) return false;
    return true;
  }
  bool unitStride() const { return stride[0] == 1 && stride[1] == 1 && stride[2] == 1; }
};

/// Data [batch, inChannels, in], weights [outChannels, inChannels / group, kernel], result [batch, outChannels, out].
struct ConvShape : WindowShape {
  int64_t batch = 1, group = 1, inChannels = 1, outChannels = 1;

  int64_t inPerGroup() const { return inChannels / group; }
  int64_t outPerGroup() const { return outChannels / group; }
  int64_t depth() const { return inPerGroup() * taps(); }
  bool depthwise() const { return group == inChannels && group == outChannels && group > 1; }
};

}  // namespace ascribe::cpu
