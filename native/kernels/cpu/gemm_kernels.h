#pragma once
#include <cstdint>

#include "graph/dtype.h"

namespace ascribe::cpu {

/// How a tile of the product becomes a tile of C: C = clip(alpha * AB + beta * C + biases).
struct TileStore {
  float alpha = 1, beta = 0;
  const float* rowBias = nullptr;     // of the tile's first row
  const float* columnBias = nullptr;  // of the tile's first column
  bool clip = false;
  float low = 0, high = 0;
  const float* ahead = nullptr;  // a line of it is fetched into the second-level cache for each word of depth
};

/// Packs `count` <= width lines of `depth` elements into panel[depth][width], widening to f32, missing lines zero; for a
/// product of pairs into panel[pairs of depths][width], each word the two neighbours rounded to bf16, the first one low.
/// `lines` means a line's elements are contiguous (stride between lines); `columns`, that lines are adjacent.
using PackFunction = void (*)(float* panel, const void* source, int64_t stride, int64_t count, int64_t depth);

struct PackFunctions {
  PackFunction lines, columns;
};

/// The innermost part of the product for one instruction set. Panels of A are rowTile wide, of B columnTile.
struct GemmKernels {
  int rowTile, columnTile;
  /// Depth of a block: one panel of A of this depth stays in the first-level cache. Fixed, because it decides
  /// the order of summation.
  int depthBlock;
  int rowBlock;     // rows of A packed at a time, a multiple of rowTile
  int columnSweep;  // columns of B that stay in the second-level cache beside them, a multiple of columnTile
  int columnBlock;  // columns of B packed at a time, a multiple of columnSweep
  /// Elements of depth in a word of a panel: 1, or 2 where both factors are rounded to bf16 and multiplied in pairs. Then
  /// everything here that reads a factor rounds it so (`widen` gives rounded numbers as f32), and sums are f32.
  int pair;
  /// Words of a panel's line.
  constexpr int64_t words(int64_t depth) const { return pair == 1 ? depth : (depth + 1) / 2; }
  /// rows <= rowTile, columns <= columnTile. A is a panel where `lda` is 0, else rows that many words apart, or, below 0,
  /// columns of a matrix whose lines are -lda words apart.
  void (*tile)(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t lda, const float* b, float* c,
               int64_t ldc, const TileStore& store);
  PackFunctions packA[3], packB[3];  // by packIndex()
  /// out[i * rowStride + j * columnStride] = alpha * <a_i, b_j> + beta * out, lines of length k; few rows of A.
  void (*dots)(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const void* b, int64_t ldb, int storage,
               float alpha, float beta, float* out, int64_t rowStride, int64_t columnStride);
  /// n elements of a storage type as f32; whole blocks where it has blocks.
  void (*widen)(DType type, float* to, const void* from, int64_t n);
  /// n elements rounded to bf16; null where products are of f32.
  void (*narrow)(uint16_t* to, const float* from, int64_t n);
  /// y += sum over p of a[p] * b[p][:] for `k` rows of b with `n` columns.
  void (*axpys)(int64_t k, int64_t n, const float* a, const void* b, int64_t ldb, int storage, float* y);
};

/// What the tile of rows number `tile` among those that pass a panel of B fetches of `next`, a panel that will be read when all have
/// passed: the first tiles take a share each. Panels come from memory or a far cache, and where each was fetched by the tile that
/// needed it first, that tile took twice as long.
inline const float* shareAhead(const GemmKernels& kernels, const float* next, int64_t tile, int64_t depth) {
  constexpr int64_t kLine = 16;
  return tile < kernels.columnTile / kLine ? next + tile * kernels.words(depth) * kLine : nullptr;
}

/// The storage types of which panels are packed element by element; -1 for others. Blocks are widened a few lines at a
/// time, and packed from there.
constexpr int packIndex(DType type) {
  return type == DType::F32 ? 0 : type == DType::F16 ? 1 : type == DType::BF16 ? 2 : -1;
}
constexpr bool isPackable(DType type) { return packIndex(type) >= 0 || isBlocked(type); }

}  // namespace ascribe::cpu
