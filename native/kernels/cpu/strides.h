#pragma once
#include <array>

#include "graph/shape.h"

namespace ascribe::cpu {

using Strides = std::array<int64_t, Shape::kMaxRank>;

inline Strides rowMajor(const Shape& shape) {
  Strides out{};
  int64_t step = 1;
  for (int axis = shape.rank(); axis-- > 0;) {
    out[static_cast<size_t>(axis)] = step;
    step *= shape[axis];
  }
  return out;
}

/// Strides with which `operand` is read while `out` is walked, 0 along broadcast axes. The first `leading` axes of
/// both meet each other, the others are aligned at the end.
inline Strides broadcastStrides(const Shape& operand, const Shape& out, int leading = 0) {
  const Strides own = rowMajor(operand);
  Strides strides{};
  for (int axis = 0; axis < out.rank(); ++axis) {
    const int source = axis < leading ? axis : axis - out.rank() + operand.rank();
    if (source < (axis < leading ? 0 : leading) || source >= operand.rank()) continue;
    if (operand[source] != 1) strides[static_cast<size_t>(axis)] = own[static_cast<size_t>(source)];
  }
  return strides;
}

}  // namespace ascribe::cpu
