#pragma once
#include <cstdint>

#include "kernels/cpu/blocked_conv_kernels.h"

namespace ascribe::cpu {

/// A number of an example that is not what it was.
struct NumberChange {
  int32_t place;
  float by;
};

/// The results of one axis that read a place: `count` from `first` on; the first does so with `tap`, each that follows with one that
/// is a stride before.
struct TapRange {
  int32_t first, count, tap;
};

/// A convolution from planes [channels, in] to blocks [blocks, out, lanes].
struct PlanesGeometry {
  int64_t in[2], out[2], kernel[2], stride[2];
  int64_t blocks;
  const TapRange *down, *across;  // of every row and column of a plane
};

/// How sums of products follow from those of another example, on one thread.
struct SimilarRowsKernels {
  int lanes;
  /// In the order of their places. -1 where they are more than `most` less a vector, or sums would lose bits on the way: numbers
  /// that are not finite, or were much larger. `largest` is the magnitude that the sums have had in them since they were made anew:
  /// 0 at first, brought up to date here, for numbers that shrink little at a time shrink much in the end.
  int64_t (*findChanges)(const float* from, const float* to, int64_t count, int64_t most, NumberChange* changes, float* largest);
  /// `weights` [channels][kernel][blocks * lanes].
  void (*addChanges)(const PlanesGeometry& geometry, const NumberChange* changes, int64_t count, const float* weights, float* sums);
  /// False where a sum is not finite. `count` whole vectors.
  bool (*finishSums)(const Finish& finish, const float* sums, float* y, int64_t count);
};

/// Of the instruction set in use; null where there are none.
const SimilarRowsKernels* similarRowsKernels();

}  // namespace ascribe::cpu
