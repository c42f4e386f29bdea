#pragma once
#include <array>

#include "graph/shape.h"
#include "kernels/kernel.h"

namespace ascribe::reference {

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

/// Strides with which `operand` is read while `out` is walked: 0 along broadcast axes. The first `leading` axes of
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

/// Visits every index of `shape` in row-major order: body(i, offsets) with one offset for each set of strides.
template <size_t N, class Body>
void walk(const Shape& shape, const std::array<Strides, N>& strides, Body&& body) {
  const int64_t count = shape.count();
  std::array<int64_t, N> offsets{};
  std::array<int64_t, Shape::kMaxRank> at{};
  for (int64_t i = 0; i < count; ++i) {
    body(i, offsets);
    for (int axis = shape.rank(); axis-- > 0;) {
      const auto a = static_cast<size_t>(axis);
      for (size_t n = 0; n < N; ++n) offsets[n] += strides[n][a];
      if (++at[a] < shape[axis]) break;
      for (size_t n = 0; n < N; ++n) offsets[n] -= strides[n][a] * shape[axis];
      at[a] = 0;
    }
  }
}

/// A tensor seen as [outer, size, inner] around one axis.
struct AxisView {
  int64_t outer = 1, size = 1, inner = 1;
};
inline AxisView aroundAxis(const Shape& shape, int64_t axis) {
  const int a = normaliseAxis(axis, shape.rank());
  return {shape.count(0, a), shape[a], shape.count(a + 1, shape.rank())};
}

}  // namespace ascribe::reference
