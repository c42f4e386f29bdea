#pragma once
#include <algorithm>
#include <array>

#include "kernels/cpu/strides.h"
#include "runtime/parallel.h"

namespace ascribe::cpu {

/// Walks a shape by rows, with one set of strides for each of N operands. Axes along which every operand runs on
/// evenly are merged first, so that equal shapes, a scalar, a row or a column each become one or two plain loops.
template <size_t N>
class StridedLoop {
 public:
  StridedLoop(const Shape& shape, const std::array<Strides, N>& strides) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] == 1) continue;
      const auto a = static_cast<size_t>(axis);
      bool merges = rank_ > 0;
      for (size_t n = 0; n < N && merges; ++n)
        merges = strides_[n][static_cast<size_t>(rank_ - 1)] == strides[n][a] * shape[axis];
      if (!merges) ++rank_, dims_[static_cast<size_t>(rank_ - 1)] = 1;
      const auto last = static_cast<size_t>(rank_ - 1);
      dims_[last] *= shape[axis];
      for (size_t n = 0; n < N; ++n) strides_[n][last] = strides[n][a];
    }
    if (rank_ == 0) {
      rank_ = 1;
      dims_[0] = 1;
    }
    for (int axis = 0; axis + 1 < rank_; ++axis) rows_ *= dims_[static_cast<size_t>(axis)];
    if (shape.count() == 0) rows_ = 0;
  }

  int64_t rows() const { return rows_; }
  int64_t rowLength() const { return dims_[static_cast<size_t>(rank_ - 1)]; }
  /// Step of operand n along a row.
  int64_t step(size_t n) const { return strides_[n][static_cast<size_t>(rank_ - 1)]; }

  int rank() const { return rank_; }
  int64_t size(int axis) const { return dims_[static_cast<size_t>(axis)]; }
  int64_t stride(size_t n, int axis) const { return strides_[n][static_cast<size_t>(axis)]; }

  /// body(offset of each operand, elements) for pieces of rows, on the lane's threads.
  template <class Body>
  void run(int64_t grain, Body&& body) const {
    if (rows_ == 0) return;
    const int64_t length = rowLength();
    const int64_t piece = rows_ >= 4 * parallelWidth() ? length : std::min(length, std::max<int64_t>(grain, 1024));
    const int64_t perRow = (length + piece - 1) / piece;
    parallelFor(rows_ * perRow, std::max<int64_t>(1, grain / piece), [&](int64_t begin, int64_t end) {
      std::array<int64_t, Shape::kMaxRank> at{};
      std::array<int64_t, N> offsets{};
      int64_t rest = begin / perRow;
      for (int axis = rank_ - 1; axis-- > 0;) {
        const auto a = static_cast<size_t>(axis);
        at[a] = rest % dims_[a];
        rest /= dims_[a];
        for (size_t n = 0; n < N; ++n) offsets[n] += at[a] * strides_[n][a];
      }
      for (int64_t i = begin, inRow = begin % perRow; i < end; ++i) {
        const int64_t from = inRow * piece;
        std::array<int64_t, N> here = offsets;
        for (size_t n = 0; n < N; ++n) here[n] += from * step(n);
        body(here, std::min(piece, length - from));
        if (++inRow < perRow) continue;
        inRow = 0;
        for (int axis = rank_ - 1; axis-- > 0;) {
          const auto a = static_cast<size_t>(axis);
          for (size_t n = 0; n < N; ++n) offsets[n] += strides_[n][a];
          if (++at[a] < dims_[a]) break;
          for (size_t n = 0; n < N; ++n) offsets[n] -= strides_[n][a] * dims_[a];
          at[a] = 0;
        }
      }
    });
  }

 private:
  int rank_ = 0;
  int64_t rows_ = 1;
  std::array<int64_t, Shape::kMaxRank> dims_{};
  std::array<Strides, N> strides_{};
};

}  // namespace ascribe::cpu
