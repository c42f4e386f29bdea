#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/strides.h"

namespace ascribe::cpu {

/// A reduction over neighbouring axes: [outer, reduced, inner].
struct Group {
  int64_t outer = 1, size = 1, inner = 1;
};

/// False where the axes do not lie together.
inline bool groupOf(const Shape& x, const std::vector<char>& dropped, Group& out) {
  int stage = 0;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (x[axis] == 1) continue;
    const bool isDropped = dropped[static_cast<size_t>(axis)];
    if (stage == 0 && isDropped) stage = 1;
    if (stage == 1 && !isDropped) stage = 2;
    if (stage == 2 && isDropped) return false;
    (stage == 0 ? out.outer : stage == 1 ? out.size : out.inner) *= x[axis];
  }
  return true;
}

/// body(row of x, first element of y that it meets, 1 or 0: the step in y along the row, elements) for every row along
/// the last axis, in order.
template <class Body>
void overRows(const Shape& x, const std::vector<char>& dropped, Body&& body) {
  Strides strides{};
  int64_t step = 1;
  for (int axis = x.rank(); axis-- > 0;) {
    if (dropped[static_cast<size_t>(axis)]) continue;
    strides[static_cast<size_t>(axis)] = step;
    step *= x[axis];
  }
  const int last = x.rank() - 1;
  const int64_t n = last < 0 ? 1 : x[last], rows = n ? x.count() / n : 0;
  std::array<int64_t, Shape::kMaxRank> at{};
  int64_t offset = 0;
  for (int64_t row = 0; row < rows; ++row) {
    body(row * n, offset, last < 0 || dropped[static_cast<size_t>(last)] ? 0 : 1, n);
    for (int axis = last; axis-- > 0;) {
      const auto a = static_cast<size_t>(axis);
      offset += strides[a];
      if (++at[a] < x[axis]) break;
      offset -= strides[a] * x[axis];
      at[a] = 0;
    }
  }
}

/// How many columns are summed together where the reduced axis is not the last: their sums in double stay in cache.
constexpr int64_t kColumns = 256;
inline int64_t grainFor(int64_t elements) { return std::max<int64_t>(1, kElementGrain / std::max<int64_t>(elements, 1)); }

}  // namespace ascribe::cpu
