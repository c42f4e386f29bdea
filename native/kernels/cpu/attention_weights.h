#pragma once
#include <cstdint>

#include "kernels/cpu/isa.h"

namespace ascribe::cpu {

/// Rows of a softmax over keys that come piece by piece: what a tile of them needs, and what it has seen so far.
struct WeightRows {
  const float* queries;  // a panel of A
  int64_t words;         // of its lines
  float scale;           // of scores, above 0
  int64_t count;         // rows that there are
  float* tops;           // what scores are taken from, near the greatest; the lowest number before the first piece
  float* sums;           // of each row in WeightKernel::lanes parts, 0 before the first piece
  float* results;        // rows of `width` numbers, and what has been made of weights before: both are scaled where a top grows
  int64_t width;
};

/// Keys of a piece in panels of B, and which of them a row sees: those in front of `seen`, for every row behind the first
/// `step` more, of `count` at most.
struct WeightKeys {
  const float* panels;
  int64_t count, seen, step;
};

/// Weights of attention where products are of pairs of bf16. Scores stay in registers and the first-level cache: the
/// exponentials of one tile of keys are taken between the products of the next, which do not wait for them.
struct WeightKernel {
  int rows;   // of a tile
  int lanes;  // parts of a sum
  /// factor e^(scale (score - top)) as bf16 in pairs, rows `apart` words from each other, 0 for keys that a row does not
  /// see, up to whole tiles of keys that hold one which the last row sees; and the sums of these numbers. The factor is the same for all keys,
  /// and an exponential within `error` of the true one before it is rounded. A row's bits do not depend on the others.
  void (*run)(const WeightRows& rows, const WeightKeys& keys, float* weights, int64_t apart);
  float factor, error;
};

/// Null where there is none.
const WeightKernel* weightKernel(const IsaKernels& isa);

}  // namespace ascribe::cpu
