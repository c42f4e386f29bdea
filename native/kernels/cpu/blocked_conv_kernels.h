#pragma once
#include <cstdint>

namespace ascribe::cpu {

/// What becomes of a sum before it is stored: clipped to [low, high] (infinite bounds leave it as it is, NaN goes through), or one
/// of two functions that take a walk of their own.
struct Finish {
  enum class Kind { Clip, LeakyRelu, Silu } kind = Kind::Clip;
  float low = -__builtin_inff(), high = __builtin_inff();  // LeakyRelu: `low` is the slope
};

/// One bit for each result, bit i for what lies i floats behind `y`: written where the result lies between two bounds, or read, and
/// the result is 0 where it is not set. Neither: both null. Vectors begin at whole bytes.
struct Gates {
  uint8_t* written = nullptr;
  const uint8_t* read = nullptr;
  float low = 0, high = __builtin_inff();
  /// Those of the results from so many floats on.
  Gates from(int64_t floats) const {
    Gates out = *this;
    if (written != nullptr) out.written += floats / 8;
    if (read != nullptr) out.read += floats / 8;
    return out;
  }
};

/// A convolution of 1 x 1 over some pixels of one image, whose values lie in blocks of as many channels as a vector has lanes:
/// [blocks][pixels][lanes]. Weights lie in groups of blocks of results, [groups][channels][blocks of the group * lanes].
struct PointwiseTask {
  const float* x;
  int64_t xBlock;    // floats from one block to the next
  int64_t channels;  // of x
  const float* weights;
  const float* bias;  // may be null; real channels only
  const float* residual;  // may be null; lies as y does
  float* y;
  int64_t yBlock;
  int64_t results;  // channels of y; blocks are filled up with zeros
  int64_t pixels;
  Finish finish;
  const float* ahead = nullptr;  // weights that will be read next, `aheadBlocks` blocks of results of them: fetched meanwhile
  int64_t aheadBlocks = 0;
  Gates gates{};  // only with Finish::Kind::Clip
};

/// A depthwise convolution over some rows of one block of channels, [height][width][lanes] both sides.
struct DepthwiseTask {
  const float* x;
  int64_t height, width;        // of x
  const float* weights;         // [kernel * kernel][lanes]
  const float* bias;            // null, or as many as lanes
  float* y;                     // of the first row
  int64_t rowBegin, rowEnd;     // of y
  int64_t resultWidth;
  int64_t padTop, padLeft;
  Finish finish;
  Gates gates{};  // only with Finish::Kind::Clip
};

/// A convolution of 3 x 3 at stride 1 by Winograd's algorithm: patches of x, of (edge + 2)^2 and `edge` apart, become squares of
/// edge^2 of y by as many products as a patch has places. What lies between is [places][blocks][tiles][lanes].
struct WinogradTiles {
  int64_t rowBegin, rows, columns;  // tiles of the grid over y
  int64_t height, width;            // of x, or of y
  int64_t plane;                    // floats from one block to the next there
  int64_t channels;                 // of x; of y those from the first block on. They may end within a block
  int64_t blocks;
  int64_t count() const { return rows * columns; }
};

/// Where polynomials are evaluated for an edge of 4: 0, these two, their negatives, and infinity. Exact in binary, as their squares
/// are; of the pairs that were tried these lose the fewest bits (relative L2 of 3.3e-7 where 1 and 2 have 7.1e-7 and a direct sum 2.7e-7).
inline constexpr float kWinogradNear = 0.625f, kWinogradFar = 1.5f;

/// What goes before the products and what behind, for one edge.
struct WinogradTransforms {
  /// Columns of x before the first and behind the last are zero. Lanes of the last block that hold no channel need not be written.
  void (*input)(const WinogradTiles& tiles, const float* x, int64_t padTop, int64_t padLeft, float* transformed);
  /// `bias` and `residual` may be null; gates are those of `y`, only with Finish::Kind::Clip.
  void (*output)(const WinogradTiles& tiles, const float* products, const float* bias, const float* residual, float* y, const Finish& finish, const Gates& gates);
};

/// Convolutions over values in blocks for one instruction set, on one thread.
struct BlockedConvKernels {
  int lanes;
  /// How many blocks of results, of those that are left, make the next group.
  int (*groupOf)(int64_t blocksLeft);
  /// Pixels that one group of this size takes at a time.
  int (*tileOf)(int group);
  void (*pointwise)(const PointwiseTask& task);
  /// Null where there is none for this size and stride.
  using Depthwise = void (*)(const DepthwiseTask& task);
  Depthwise (*depthwise)(int64_t kernel, int64_t stride);
  /// The gradient at a stride above 1: `x` is the gradient, `y` the image, whose rows are at least twice as wide as `depthwiseTile`
  /// and two more; no bias, no finish. Null where there is none.
  Depthwise (*depthwiseGradient)(int64_t kernel, int64_t stride);
  /// For an edge of 2 or 4.
  WinogradTransforms (*winograd)(int edge);
  /// Results of a row that are computed at a time: the narrowest row that `depthwise` takes.
  int depthwiseTile;
};

/// Of the instruction set in use; null where there are none.
const BlockedConvKernels* blockedConvKernels();

}  // namespace ascribe::cpu
