#pragma once
#include <algorithm>

#include "graph/graph.h"
#include "kernels/cpu/strides.h"

// Slices and constant paddings as strides: what copies elements on the host and on a GPU alike.
namespace ascribe::cpu {

struct SliceView {
  Strides strides{};
  int64_t offset = 0;
};
/// Where the elements of a slice lie in the whole; `leading` axes in front are taken as they are.
inline SliceView sliceView(const Shape& whole, const Node& node, int leading) {
  const auto &begin = node.attributes.integers("begin"), &step = node.attributes.integers("step");
  const Strides own = rowMajor(whole);
  SliceView out;
  for (int axis = 0; axis < whole.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis), s = static_cast<size_t>(axis - leading);
    out.strides[a] = axis < leading ? own[a] : own[a] * step[s];
    if (axis >= leading) out.offset += own[a] * begin[s];
  }
  return out;
}

/// What constant padding keeps of the source, as a box in both tensors; negative padding crops.
struct Kept {
  Shape box;
  int64_t source = 0, padded = 0;
};
inline Kept keptOf(const Shape& source, const Shape& padded, const Node& node, int leading) {
  const auto& before = node.attributes.integers("before");
  const Strides s = rowMajor(source), p = rowMajor(padded);
  Kept out;
  for (int axis = 0; axis < source.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    const int64_t shift = axis < leading ? 0 : before[static_cast<size_t>(axis - leading)];
    const int64_t from = std::max<int64_t>(0, -shift), to = std::min(source[axis], padded[axis] - shift);
    out.box.push(std::max<int64_t>(0, to - from));
    out.source += from * s[a];
    out.padded += (from + shift) * p[a];
  }
  return out;
}

}  // namespace ascribe::cpu
