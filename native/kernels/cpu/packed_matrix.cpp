#include "kernels/cpu/packed_matrix.h"

#include <algorithm>

#include "runtime/error.h"
#include "runtime/parallel.h"

namespace ascribe::cpu {

void packPanels(const GemmKernels& kernels, Side side, const MatrixSource& source, float* panels, int64_t first,
                int64_t count, int64_t depthBegin, int64_t depth) {
  const int index = packIndex(source.dtype);
  const PackFunctions& pack = side == Side::A ? kernels.packA[index] : kernels.packB[index];
  const int64_t width = side == Side::A ? kernels.rowTile : kernels.columnTile;
  // A's lines are its rows, B's are its columns: contiguous as stored in A and in a transposed B.
  const bool linesAreStored = (side == Side::A) != source.transposed;
  const auto* base = static_cast<const char*>(source.data);
  const int64_t elementSize = static_cast<int64_t>(sizeOf(source.dtype));
  for (int64_t line = 0; line < count; line += width, panels += width * depth) {
    const int64_t at = linesAreStored ? (first + line) * source.stride + depthBegin
                                      : depthBegin * source.stride + first + line;
    (linesAreStored ? pack.lines : pack.columns)(panels, base + at * elementSize, source.stride,
                                                 std::min(width, count - line), depth);
  }
}

PackedMatrix::PackedMatrix(const GemmKernels& kernels, Side side, int64_t lines, int64_t depth)
    : kernels_(&kernels), lines_(lines), depth_(depth) {
  const int64_t width = side == Side::A ? kernels.rowTile : kernels.columnTile;
  paddedLines_ = (lines + width - 1) / width * width;
  floats_ = AlignedFloats(static_cast<size_t>(paddedLines_) * static_cast<size_t>(depth));
}

PackedMatrix::PackedMatrix(const GemmKernels& kernels, Side side, const MatrixSource& source, int64_t lines,
                           int64_t depth)
    : PackedMatrix(kernels, side, lines, depth) {
  if (packIndex(source.dtype) < 0) throw Error("INTERNAL", "a matrix of this dtype cannot be packed");
  const int64_t width = side == Side::A ? kernels.rowTile : kernels.columnTile;
  for (int64_t begin = 0; begin < depth; begin += kernels.depthBlock) {
    const int64_t blockDepth = std::min<int64_t>(kernels.depthBlock, depth - begin);
    parallelFor(paddedLines_ / width, 4, [&](int64_t from, int64_t to) {
      packPanels(kernels, side, source, panel(from * width, begin), from * width,
                 std::min(lines, to * width) - from * width, begin, blockDepth);
    });
  }
}

}  // namespace ascribe::cpu
