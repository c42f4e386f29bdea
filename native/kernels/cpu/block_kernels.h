#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "graph/dtype.h"

namespace ascribe::cpu {

/// Columns of a panel of weights in blocks (block_panels.h).
constexpr int64_t kBlockColumns = 16;
/// Elements of a row that share a scale once they are rounded to 8 bits.
constexpr int64_t kRowBlock = 32;
/// Bytes that a rounded block takes of each row: integers, a scale, and what two sums of them are needed for.
constexpr int64_t kRowBlockBytes = kRowBlock + 3 * 4;
/// The widest panel of rows.
constexpr int kMostBlockRows = 12;

/// Rows of a panel that holds `rows` of them, some of which may be missing.
constexpr int blockRows(int64_t rows) { return rows <= 1 ? 1 : rows <= 2 ? 2 : rows <= 4 ? 4 : rows <= 8 ? 8 : kMostBlockRows; }

/// Products of rows rounded to 8 bits with weights in blocks of integers, for one instruction set. All sets give the same
/// bits: sums of integers are exact, and what is left in f32 is done in one order, in which each multiplication and
/// addition is rounded by itself. With I the integer sum of a block of 32 weights w and rounded elements x, whose scale is
/// s, an element of the product is, block after block from zero on,
///
///   Q8_0  c += (I * scale) * s             I = sum w x
///   Q4_K  c += (I * (d * own) - (m * less) * sum x) * s
///   Q6_K  c += (I * d) * s                 I = own0 * sum w x + own1 * sum w x, of the first and the second sixteen
///
/// with scales of the weights as graph/blocks.h has them. A block of a row that holds NaN or infinity has NaN for a scale, and
/// one whose elements are all below 2^-118 is zero.
struct BlockKernels {
  std::string_view name;
  /// Rows of a full panel of rows, something that blockRows gives; fewer where weights are Q6_K.
  int rows, rowsQ6_K;
  constexpr int rowsOf(DType type) const { return type == DType::Q6_K ? rowsQ6_K : rows; }
  /// Rounds the first `present` of `rows` rows, `stride` elements apart and `blocks` blocks long; the others are zero. `to` has
  /// room for rows * blocks * kRowBlockBytes.
  void (*round)(DType type, int rows, int64_t blocks, const float* x, int64_t stride, int64_t present, std::byte* to);
  /// A panel of rows times a panel of weights: `present` rows of `columns` elements, `ldc` apart.
  void (*tile)(DType type, int rows, int64_t blocks, const std::byte* x, const std::byte* weights, float* c, int64_t ldc, int64_t present,
               int64_t columns);
};

/// Those of this machine, within what ASCRIBE_MAX_ISA and setMaxIsa allow (the instructions for sums of bytes, avx512_vnni, count
/// as above avx512).
const BlockKernels& blockKernels();

}  // namespace ascribe::cpu
