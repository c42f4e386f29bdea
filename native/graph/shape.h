#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace ascribe {

/// Concrete dimensions, inline (no allocation), outermost first. Rank 0 is a scalar.
class Shape {
 public:
  /// ONNX graphs stay at 8 or below; a cotangent axis and an internal split may add two.
  static constexpr int kMaxRank = 10;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims);

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[axis]; }
  int64_t& operator[](int axis) { return dims_[axis]; }
  /// Counted from the end for negative axes.
  int64_t at(int axis) const { return dims_[axis < 0 ? axis + rank_ : axis]; }
  void push(int64_t dim);
  /// Product of all dimensions; throws INPUT_SHAPE on overflow past 2^48 elements.
  int64_t count() const { return count(0, rank_); }
  int64_t count(int begin, int end) const;
  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  bool operator==(const Shape& other) const;
  std::string text() const;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

/// Numpy broadcasting of two shapes; throws MODEL_INVALID when they do not fit.
Shape broadcast(const Shape& a, const Shape& b);
/// [leading, ...shape]
Shape prepend(int64_t leading, const Shape& shape);
/// Maps a possibly negative axis into [0, rank); throws MODEL_INVALID outside it.
int normaliseAxis(int64_t axis, int rank);

}  // namespace ascribe
