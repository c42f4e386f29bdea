#include "graph/shape.h"

#include <algorithm>

#include "runtime/error.h"

namespace ascribe {

Shape::Shape(std::span<const int64_t> dims) {
  for (int64_t dim : dims) push(dim);
}

void Shape::push(int64_t dim) {
  if (rank_ == kMaxRank) throw Error("MODEL_INVALID", "a tensor has more than 10 dimensions");
  if (dim < 0) throw Error("MODEL_INVALID", "a dimension is negative: " + std::to_string(dim));
  // Far beyond any memory, and small enough for shape rules to multiply by a block or stride without overflow.
  if (dim > int64_t{1} << 40) throw Error("INPUT_SHAPE", "a dimension is too large: " + std::to_string(dim));
  dims_[rank_++] = dim;
}

int64_t Shape::count(int begin, int end) const {
  constexpr int64_t limit = int64_t{1} << 48;
  int64_t product = 1;
  for (int axis = begin; axis < end; ++axis) {
    if (dims_[axis] == 0) return 0;
    if (product > limit / dims_[axis]) throw Error("INPUT_SHAPE", "a tensor of shape " + text() + " is too large");
    product *= dims_[axis];
  }
  return product;
}

bool Shape::operator==(const Shape& other) const {
  return rank_ == other.rank_ && std::equal(begin(), end(), other.begin());
}

std::string Shape::text() const {
  std::string out = "[";
  for (int axis = 0; axis < rank_; ++axis) out += (axis ? "," : "") + std::to_string(dims_[axis]);
  return out + "]";
}

Shape broadcast(const Shape& a, const Shape& b) {
  Shape out;
  const int rank = std::max(a.rank(), b.rank());
  for (int axis = 0; axis < rank; ++axis) {
    const int64_t x = axis < rank - a.rank() ? 1 : a[axis - (rank - a.rank())];
    const int64_t y = axis < rank - b.rank() ? 1 : b[axis - (rank - b.rank())];
    if (x != y && x != 1 && y != 1)
      throw Error("MODEL_INVALID", "shapes " + a.text() + " and " + b.text() + " do not broadcast");
    out.push(x == 1 ? y : x);
  }
  return out;
}

Shape prepend(int64_t leading, const Shape& shape) {
  Shape out{leading};
  for (int64_t dim : shape) out.push(dim);
  return out;
}

int normaliseAxis(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank)
    throw Error("MODEL_INVALID", "axis " + std::to_string(axis) + " is outside a tensor of rank " + std::to_string(rank));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace ascribe
