#pragma once
#include <cstdint>
#include <vector>

#include "kernels/cpu/conv_shape.h"

namespace ascribe::cpu {

/// A plane of the input laid out so that every tap of a strided, dilated, padded window is one contiguous run:
/// padded, and with a separate sub-plane for every residue of the stride. The whole output plane (with a few
/// columns of waste between its rows) is then `flatCount` neighbours, and a tap is an offset.
class PhasePlanes {
 public:
  explicit PhasePlanes(const WindowShape& shape);

  /// Elements of the laid-out plane.
  int64_t size() const { return phaseSize_ * phases_[0] * phases_[1] * phases_[2]; }
  int64_t flatCount() const { return flatCount_; }
  /// Offset of each tap's run, in the order of the kernel.
  const std::vector<int64_t>& offsets() const { return offsets_; }
  /// Where row (d, h) of the output starts in the flat run.
  int64_t row(int64_t d, int64_t h) const { return (d * extent_[1] + h) * extent_[2]; }

  void separate(const float* plane, float* to, float fill) const;
  /// Flat run to output plane and back; the waste is dropped, or written as zero.
  void compact(const float* flat, float* plane) const;
  void spread(const float* plane, float* flat) const;

 private:
  WindowShape shape_;
  int64_t phases_[3], extent_[3], phaseSize_ = 0, flatCount_ = 0;
  std::vector<char> used_[3];  // residues that a tap reads
  std::vector<int64_t> offsets_;
};

/// The other way round, for gradients: inputs of one residue class of the stride see the output plane through a
/// fixed set of taps. The output plane is laid out once with margins of zero; each class is then a flat run too.
class ClassPlanes {
 public:
  explicit ClassPlanes(const WindowShape& shape);

  struct Class {
    int64_t residue[3];
    std::vector<int64_t> taps;     // into the kernel
    std::vector<int64_t> offsets;  // into the laid-out plane, one per tap
  };
  int64_t size() const { return extent_[0] * extent_[1] * extent_[2]; }
  int64_t flatCount() const { return flatCount_; }
  const std::vector<Class>& classes() const { return classes_; }

  void layOut(const float* outPlane, float* to) const;
  /// Writes the flat run of one class to its places in the input plane.
  void place(const Class& c, const float* flat, float* inPlane) const;

 private:
  WindowShape shape_;
  int64_t margin_[3], count_[3], extent_[3], flatCount_ = 0;
  std::vector<Class> classes_;
};

}  // namespace ascribe::cpu
