#pragma once
#include <algorithm>

#include "graph/graph.h"
#include "kernels/cpu/conv_shape.h"

namespace ascribe::cpu {

/// A pooling's window, its spatial axes brought to three.
struct PoolWindow : WindowShape {
  int64_t padEnd[3] = {0, 0, 0};
  bool countPadding = false;

  /// `x` is the unpooled shape, `y` the pooled one, both ending in the spatial axes.
  PoolWindow(const Node& node, const Shape& x, const Shape& y) {
    const auto& sizes = node.attributes.integers("kernel");
    const int spatial = static_cast<int>(sizes.size());
    for (int i = 0; i < spatial; ++i) {
      const int axis = 3 - spatial + i;
      const auto s = static_cast<size_t>(i);
      in[axis] = x.at(i - spatial);
      out[axis] = y.at(i - spatial);
      kernel[axis] = sizes[s];
      stride[axis] = node.attributes.integers("strides")[s];
      dilation[axis] = node.attributes.integers("dilations")[s];
      pad[axis] = node.attributes.integers("pads")[s];
      padEnd[axis] = node.attributes.integers("pads")[s + sizes.size()];
    }
    countPadding = node.attributes.has("countIncludePad") && node.attributes.integer("countIncludePad") != 0;
  }

  /// Taps of result `o` along an axis that meet the data: [first, last).
  struct Taps {
    int64_t first, last, start;  // start: where tap 0 lies
  };
  Taps tapsAt(int axis, int64_t o) const {
    const int64_t start = o * stride[axis] - pad[axis], step = dilation[axis];
    const int64_t first = start >= 0 ? 0 : (-start + step - 1) / step;
    const int64_t last = start >= in[axis] ? 0 : std::min(kernel[axis], (in[axis] - 1 - start) / step + 1);
    return {first, std::max(first, last), start};
  }
  /// What an average divides by along an axis: taps inside the data, or inside the declared padding too.
  int64_t counted(int axis, const Taps& t) const {
    if (!countPadding) return t.last - t.first;
    const int64_t room = in[axis] + padEnd[axis] - t.start;
    return room <= 0 ? 0 : std::min(kernel[axis], (room - 1) / dilation[axis] + 1);
  }
  /// body(result, taps along each axis) for every result of a plane.
  template <class Body>
  void overResults(Body&& body) const {
    int64_t o = 0;
    for (int64_t a = 0; a < out[0]; ++a) {
      const Taps ta = tapsAt(0, a);
      for (int64_t b = 0; b < out[1]; ++b) {
        const Taps tb = tapsAt(1, b);
        for (int64_t c = 0; c < out[2]; ++c, ++o) {
          const Taps tc = tapsAt(2, c);
          body(o, ta, tb, tc);
        }
      }
    }
  }
  /// body(index in the data's plane) for the taps given.
  template <class Body>
  void overTaps(const Taps& ta, const Taps& tb, const Taps& tc, Body&& body) const {
    for (int64_t i = ta.first; i < ta.last; ++i)
      for (int64_t j = tb.first; j < tb.last; ++j) {
        const int64_t row = ((ta.start + i * dilation[0]) * in[1] + tb.start + j * dilation[1]) * in[2] + tc.start;
        for (int64_t k = tc.first; k < tc.last; ++k) body(row + k * dilation[2]);
      }
  }
};

}  // namespace ascribe::cpu
