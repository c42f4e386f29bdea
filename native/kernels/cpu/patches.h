#pragma once
#include <cstdint>

#include "graph/graph.h"
#include "graph/shape.h"

namespace ascribe::cpu {

/// A two-dimensional convolution's geometry (one-dimensional ones have height 1).
struct Geometry2d {
  int64_t inChannels = 0, outChannels = 0, group = 1, batch = 1;
  int64_t inHeight = 1, inWidth = 1, outHeight = 1, outWidth = 1;
  int64_t kernelHeight = 1, kernelWidth = 1, strideY = 1, strideX = 1, dilationY = 1, dilationX = 1, padY = 0, padX = 0;

  int64_t inPlane() const { return inHeight * inWidth; }
  int64_t outPlane() const { return outHeight * outWidth; }
  int64_t taps() const { return kernelHeight * kernelWidth; }
};

/// From a convolution's data, weights and result; false for three spatial axes.
bool geometryOf(const Node& node, const Shape& data, const Shape& weights, const Shape& result, Geometry2d& out);

/// Writes the patch matrix of a convolution straight into the panels of a product: line j is output position
/// j % plane of image j / plane, depth d is (channel, tap). Nothing of the matrix itself is ever stored.
class PatchPacker {
 public:
  /// Patches of the data under the kernel (forward), or of the result's gradient around a data position (backward).
  PatchPacker(const Geometry2d& geometry, const float* source, bool backward, int panelWidth);
  void operator()(float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t depth) const;

  int64_t lines() const;
  int64_t planeOfLines() const { return linePlane_; }

 private:
  /// Offset in the source plane that tap `t` reads for line position `at`; -1 in the padding.
  int64_t offsetOf(int64_t at, int64_t tap) const;

  Geometry2d g_;
  const float* source_;
  bool backward_;
  int width_;
  int64_t linePlane_, lineWidth_, sourcePlane_, channels_, imageStride_;
};

}  // namespace ascribe::cpu
