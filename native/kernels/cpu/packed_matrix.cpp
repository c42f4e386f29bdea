#include "kernels/cpu/packed_matrix.h"

#include <algorithm>
#include <tuple>

#include "kernels/cpu/shared_pack.h"
#include "runtime/error.h"
#include "runtime/parallel.h"

namespace ascribe::cpu {

namespace {

/// Blocks, a few stored rows at a time: those that a panel takes, or those that all panels take their next depths from.
void packBlocks(const GemmKernels& kernels, Side side, const MatrixSource& source, float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t depth) {
  constexpr int64_t kRoom = 32768;  // f32, on the stack: a panel of the deepest block
  float wide[kRoom];
  const PackFunctions& pack = side == Side::A ? kernels.packA[0] : kernels.packB[0];
  const int64_t width = side == Side::A ? kernels.rowTile : kernels.columnTile;
  const bool linesAreStored = (side == Side::A) != source.transposed;
  const StoredBlock block = blockOf(source.dtype);
  const size_t rowBytes = bytesOf(source.dtype, source.stride);
  // What is wanted of a stored row, in whole blocks.
  const int64_t wantedBegin = linesAreStored ? depthBegin : first, wantedEnd = wantedBegin + (linesAreStored ? depth : count);
  const int64_t rowBegin = linesAreStored ? first : depthBegin, rowCount = linesAreStored ? count : depth;
  for (int64_t from = wantedBegin; from < wantedEnd;) {
    // Whole panels where lines lie across, so that each is packed at once.
    const int64_t start = from / block.elements * block.elements;
    const int64_t most = linesAreStored ? wantedEnd - from : std::min(wantedEnd - from, kRoom / 8 / width * width - width * ((block.elements + width - 1) / width));
    const int64_t end = std::min(source.stride, (from + most + block.elements - 1) / block.elements * block.elements), stride = end - start;
    const int64_t rowsAtOnce = linesAreStored ? width : kRoom / stride / kernels.pair * kernels.pair;
    for (int64_t row = 0; row < rowCount; row += rowsAtOnce) {
      const int64_t rows = std::min(rowsAtOnce, rowCount - row);
      for (int64_t r = 0; r < rows; ++r)
        kernels.widen(source.dtype, wide + r * stride,
                      static_cast<const std::byte*>(source.data) + rowBytes * static_cast<size_t>(rowBegin + row + r) + bytesOf(source.dtype, start), stride);
      if (linesAreStored) pack.lines(panels + row * kernels.words(depth), wide + from - start, stride, rows, depth);
      else
        for (int64_t line = 0; line < most; line += width)
          pack.columns(panels + (from - wantedBegin + line) * kernels.words(depth) + row / kernels.pair * width, wide + from - start + line, stride, std::min(width, most - line), rows);
    }
    from += most;
  }
}

}  // namespace

void packPanels(const GemmKernels& kernels, Side side, const MatrixSource& source, float* panels, int64_t first,
                int64_t count, int64_t depthBegin, int64_t depth) {
  if (isBlocked(source.dtype)) return packBlocks(kernels, side, source, panels, first, count, depthBegin, depth);
  const int index = packIndex(source.dtype);
  const PackFunctions& pack = side == Side::A ? kernels.packA[index] : kernels.packB[index];
  const int64_t width = side == Side::A ? kernels.rowTile : kernels.columnTile;
  // A's lines are its rows, B's are its columns: contiguous as stored in A and in a transposed B.
  const bool linesAreStored = (side == Side::A) != source.transposed;
  const auto* base = static_cast<const char*>(source.data);
  const int64_t elementSize = static_cast<int64_t>(sizeOf(source.dtype));
  for (int64_t line = 0; line < count; line += width, panels += width * kernels.words(depth)) {
    const int64_t at = linesAreStored ? (first + line) * source.stride + depthBegin
                                      : depthBegin * source.stride + first + line;
    (linesAreStored ? pack.lines : pack.columns)(panels, base + at * elementSize, source.stride,
                                                 std::min(width, count - line), depth);
  }
}

void packThroughF32(const GemmKernels& kernels, Side side, float* panels, int64_t count, int64_t depth,
                    FunctionRef<void(float* panels, int64_t first, int64_t count)> packF32) {
  if (kernels.pair == 1) return packF32(panels, 0, count);
  constexpr int64_t kRoom = 32768;  // f32, on the stack
  float wide[kRoom];
  const int64_t width = side == Side::A ? kernels.rowTile : kernels.columnTile;
  if (width * depth > kRoom) throw Error("INTERNAL", "a block is deeper than there is room for");
  const PackFunctions& pack = side == Side::A ? kernels.packA[0] : kernels.packB[0];
  for (int64_t line = 0; line < count; line += width, panels += width * kernels.words(depth)) {
    packF32(wide, line, std::min(width, count - line));
    pack.columns(panels, wide, width, width, depth);
  }
}

PackedMatrix::PackedMatrix(const GemmKernels& kernels, Side side, int64_t lines, int64_t depth)
    : kernels_(&kernels), lines_(lines), depth_(depth) {
  const int64_t width = side == Side::A ? kernels.rowTile : kernels.columnTile;
  paddedLines_ = (lines + width - 1) / width * width;
  words_ = AlignedFloats(static_cast<size_t>(paddedLines_) * static_cast<size_t>(kernels.words(depth)));
}

PackedMatrix::PackedMatrix(const GemmKernels& kernels, Side side, const MatrixSource& source, int64_t lines,
                           int64_t depth)
    : PackedMatrix(kernels, side, lines, depth) {
  if (!isPackable(source.dtype)) throw Error("INTERNAL", "a matrix of this dtype cannot be packed");
  const int64_t width = side == Side::A ? kernels.rowTile : kernels.columnTile;
  for (int64_t begin = 0; begin < depth; begin += kernels.depthBlock) {
    const int64_t blockDepth = std::min<int64_t>(kernels.depthBlock, depth - begin);
    parallelFor(paddedLines_ / width, 4, [&](int64_t from, int64_t to) {
      packPanels(kernels, side, source, panel(from * width, begin), from * width,
                 std::min(lines, to * width) - from * width, begin, blockDepth);
    });
  }
}

std::shared_ptr<const PackedMatrix> packedOnce(const GemmKernels& kernels, Side side, const MatrixSource& source, int64_t lines, int64_t depth,
                                               const HostTensor::Identity& identity) {
  using Key = std::tuple<const void*, const GemmKernels*, Side, bool, int64_t, int64_t, int64_t>;
  static SharedPacks<Key, PackedMatrix> packs;
  return packs.get(identity, {identity.data, &kernels, side, source.transposed, source.stride, lines, depth},
                   [&] { return std::make_shared<const PackedMatrix>(kernels, side, source, lines, depth); });
}

}  // namespace ascribe::cpu
