#pragma once
#include "kernels/cpu/conv_shape.h"

namespace ascribe::cpu {

/// Reads the patches of one group straight into panels of a product: the patch matrix itself is never made.
/// Row (c, tap) and column (image, position) of it is the input that the tap sees at that position.
class Im2col {
 public:
  /// `x` is the group's first channel of the first image; padded positions read as zero.
  Im2col(const ConvShape& shape, const float* x);

  /// Panels over positions: panel[depth][width], for the forward product and the data gradient.
  void packPositions(float* panels, int64_t width, int64_t first, int64_t count, int64_t depthBegin,
                     int64_t depth) const;
  /// Panels over (c, tap): panel[position][width], for the weight gradient.
  void packTaps(float* panels, int64_t width, int64_t first, int64_t count, int64_t depthBegin, int64_t depth) const;

 private:
  ConvShape shape_;
  const float* x_;
  int64_t inPlane_, outPlane_, imageStride_;
};

}  // namespace ascribe::cpu
