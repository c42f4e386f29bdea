#include "kernels/cpu/gemm.h"

#include <algorithm>
#include <cstring>

namespace ascribe::cpu {
namespace {

constexpr int64_t roundUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

/// How C is cut for threads: `rows` x `columns` pieces of whole tiles. Each thread packs for itself, which costs
/// a little packing twice and saves every barrier.
struct Grid {
  int64_t rows = 1, columns = 1;
};

Grid chooseGrid(const GemmKernels& kernels, const GemmShape& shape, int threads) {
  const int64_t rowTiles = (shape.m + kernels.rowTile - 1) / kernels.rowTile;
  const int64_t columnTiles = (shape.n + kernels.columnTile - 1) / kernels.columnTile;
  if (threads <= 1 || shape.m * shape.n * shape.k < 32 * 32 * 64) return {};
  Grid best;
  double bestCost = 1e300;
  for (int64_t rows = 1; rows <= threads; ++rows) {
    const int64_t columns = threads / rows;
    const double pieceRows = static_cast<double>((rowTiles + rows - 1) / rows * kernels.rowTile);
    const double pieceColumns = static_cast<double>((columnTiles + columns - 1) / columns * kernels.columnTile);
    // Packing an element costs about as much as 16 multiply-adds.
    const double cost = pieceRows * pieceColumns + 16 * (pieceRows + pieceColumns);
    if (cost < bestCost) bestCost = cost, best = {std::min(rows, rowTiles), std::min(columns, columnTiles)};
  }
  return best;
}

int64_t packedRowsAtOnce(const GemmKernels& kernels, const GemmShape& shape) {
  return std::min<int64_t>(kernels.rowBlock, roundUp(shape.m, kernels.rowTile));
}
int64_t packedColumnsAtOnce(const GemmKernels& kernels, const GemmShape& shape) {
  return std::min<int64_t>(kernels.columnBlock, roundUp(shape.n, kernels.columnTile));
}
int64_t depthAtOnce(const GemmKernels& kernels, const GemmShape& shape) {
  return std::min<int64_t>(kernels.depthBlock, shape.k);
}
size_t pieceBytesA(const GemmKernels& kernels, const GemmShape& shape) {
  return alignedBytes(static_cast<size_t>(packedRowsAtOnce(kernels, shape) * kernels.words(depthAtOnce(kernels, shape))) * 4);
}
size_t pieceBytesB(const GemmKernels& kernels, const GemmShape& shape) {
  return alignedBytes(static_cast<size_t>(packedColumnsAtOnce(kernels, shape) * kernels.words(depthAtOnce(kernels, shape))) * 4);
}

/// One tile whose columns may run on into the next image.
void storeTile(const GemmKernels& kernels, int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t lda,
               const float* b, const OutputMatrix& c, int64_t row, int64_t column, const TileStore& store) {
  if (column + columns <= c.columnsPerImage)
    return kernels.tile(rows, columns, depth, a, lda, b, c.data + row * c.rowStride + column, c.rowStride, store);
  const int64_t image = column / c.columnsPerImage, inside = column - image * c.columnsPerImage;
  float* out = c.data + row * c.rowStride + image * c.imageStride + inside;
  if (inside + columns <= c.columnsPerImage) {
    kernels.tile(rows, columns, depth, a, lda, b, out, c.rowStride, store);
    return;
  }
  constexpr int64_t kMost = 16 * 32;
  float whole[kMost];
  const auto each = [&](auto&& body) {
    for (int64_t j = 0; j < columns;) {
      const int64_t at = column + j, i = at / c.columnsPerImage, offset = at - i * c.columnsPerImage;
      const int64_t run = std::min(columns - j, c.columnsPerImage - offset);
      float* base = c.data + row * c.rowStride + i * c.imageStride + offset;
      for (int64_t r = 0; r < rows; ++r) body(whole + r * columns + j, base + r * c.rowStride, run);
      j += run;
    }
  };
  if (store.beta != 0)
    each([](float* mine, const float* theirs, int64_t run) { std::copy_n(theirs, run, mine); });
  kernels.tile(rows, columns, depth, a, lda, b, whole, columns, store);
  each([](const float* mine, float* theirs, int64_t run) { std::copy_n(mine, run, theirs); });
}

struct Piece {
  int64_t rowBegin, rowEnd, columnBegin, columnEnd;
};

void runPiece(const GemmKernels& kernels, const GemmShape& shape, const Factor& a, const Factor& b,
              const OutputMatrix& c, float alpha, float beta, const Epilogue& epilogue, const Piece& piece,
              float* roomA, float* roomB) {
  // A packed factor needs no room: all its columns are passed while the other's rows are packed.
  const int64_t columnStep = b.packed ? piece.columnEnd - piece.columnBegin : kernels.columnBlock, rowStep = kernels.rowBlock;
  for (int64_t column = piece.columnBegin; column < piece.columnEnd; column += columnStep) {
    const int64_t columns = std::min(columnStep, piece.columnEnd - column);
    // k = 0 still has to store beta * C and the biases: one round with empty panels.
    for (int64_t depthBegin = 0; depthBegin == 0 || depthBegin < shape.k; depthBegin += kernels.depthBlock) {
      const int64_t depth = std::min<int64_t>(kernels.depthBlock, shape.k - depthBegin);
      const bool first = depthBegin == 0, last = depthBegin + depth >= shape.k;
      const int64_t words = kernels.words(depth);
      if (!b.packed && depth > 0) (*b.pack)(roomB, column, columns, depthBegin, depth);
      for (int64_t row = piece.rowBegin; row < piece.rowEnd; row += rowStep) {
        const int64_t rows = std::min(rowStep, piece.rowEnd - row);
        if (a.pack && depth > 0) (*a.pack)(roomA, row, rows, depthBegin, depth);
        // A panel of A stays in the first-level cache while the columns of a sweep, in the second, pass it.
        for (int64_t sweep = 0; sweep < columns; sweep += kernels.columnSweep) {
          const int64_t sweepEnd = std::min<int64_t>(columns, sweep + kernels.columnSweep);
          for (int64_t i = 0; i < rows; i += kernels.rowTile) {
            const float* panelA = a.packed ? a.packed->panel(row + i, depthBegin)
                                  : a.rows ? a.rows + (row + i) * a.stride + depthBegin
                                           : roomA + i * words;
            for (int64_t j = sweep; j < sweepEnd; j += kernels.columnTile) {
              const float* panelB = b.packed ? b.packed->panel(column + j, depthBegin) : roomB + j * words;
              TileStore store{.alpha = alpha, .beta = first ? beta : 1.0f};
              // The next sweep's panels, or those of the next depths.
              if (b.packed) {
                const bool isLastSweep = j + kernels.columnSweep >= columns;
                const int64_t next = isLastSweep ? j - sweep : j + kernels.columnSweep;
                store.ahead = shareAhead(kernels, b.packed->panel(column + next, !isLastSweep ? depthBegin : last ? 0 : depthBegin + depth), i / kernels.rowTile, depth);
              }
              if (last) {
                store.rowBias = epilogue.rowBias ? epilogue.rowBias + row + i : nullptr;
                store.columnBias = epilogue.columnBias ? epilogue.columnBias + column + j : nullptr;
                store.clip = epilogue.clip;
                store.low = epilogue.low;
                store.high = epilogue.high;
              }
              storeTile(kernels, std::min<int64_t>(kernels.rowTile, rows - i),
                        std::min<int64_t>(kernels.columnTile, sweepEnd - j), depth, panelA, a.stride, panelB, c,
                        row + i, column + j, store);
            }
            if (last && epilogue.finish)
              for (int64_t r = i; r < std::min<int64_t>(rows, i + kernels.rowTile); ++r) (*epilogue.finish)(c.data + (row + r) * c.rowStride + column + sweep, sweepEnd - sweep);
          }
        }
      }
    }
  }
}

void finishRow(float* c, int64_t row, int64_t begin, int64_t end, const Epilogue& e) {
  for (int64_t j = begin; j < end; ++j) {
    float value = c[j];
    if (e.rowBias) value += e.rowBias[row];
    if (e.columnBias) value += e.columnBias[j];
    if (e.clip) {
      value = e.low > value ? e.low : value;
      value = e.high < value ? e.high : value;
    }
    c[j] = value;
  }
  if (e.finish) (*e.finish)(c + begin, end - begin);
}

/// Up to this many rows the product is limited by reading the other factor, so that is read once and not packed.
constexpr int64_t kFewRows = 4;

/// A's few rows as contiguous lines, rounded where products round.
const float* contiguousRows(const GemmKernels& kernels, const MatrixSource& a, int64_t rows, int64_t k, int64_t& stride, std::byte* scratch) {
  const auto* data = static_cast<const float*>(a.data);
  const bool rounds = kernels.pair == 2;
  if (!a.transposed && !rounds) return stride = a.stride, data;
  auto* lines = reinterpret_cast<float*>(scratch);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t p = 0; p < k; ++p) lines[i * k + p] = a.transposed ? data[p * a.stride + i] : data[i * a.stride + p];
  if (rounds) kernels.widen(DType::F32, lines, lines, rows * k);
  stride = k;
  return lines;
}

/// Lines in blocks are widened into the first-level cache, a piece of the depth at a time.
void blockedDots(const GemmKernels& kernels, const GemmShape& shape, const float* rows, int64_t stride, const MatrixSource& b, float* c, int64_t ldc,
                 const GemmOptions& options, int64_t begin, int64_t end) {
  constexpr int64_t kPiece = 4096;
  float wide[kPiece];
  const size_t lineBytes = bytesOf(b.dtype, b.stride);
  for (int64_t j = begin; j < end; ++j)
    for (int64_t p = 0; p < shape.k; p += kPiece) {
      const int64_t depth = std::min(kPiece, shape.k - p);
      kernels.widen(b.dtype, wide, static_cast<const std::byte*>(b.data) + static_cast<size_t>(j) * lineBytes + bytesOf(b.dtype, p), depth);
      kernels.dots(shape.m, 1, depth, rows + p, stride, wide, depth, packIndex(DType::F32), options.alpha, p == 0 ? options.beta : 1, c + j, ldc, 1);
    }
}

void fewRows(const GemmKernels& kernels, const GemmShape& shape, const MatrixSource& a, const MatrixSource& b,
             float* c, int64_t ldc, const GemmOptions& options, int threads, std::byte* scratch) {
  int64_t stride = 0;
  const float* rows = contiguousRows(kernels, a, shape.m, shape.k, stride, scratch);
  const int storage = packIndex(b.dtype);
  const int64_t elementSize = static_cast<int64_t>(sizeOf(b.dtype));
  const auto run = [&](int64_t begin, int64_t end) {
    const auto* base = static_cast<const char*>(b.data);
    if (isBlocked(b.dtype)) {
      blockedDots(kernels, shape, rows, stride, b, c, ldc, options, begin, end);
    } else if (b.transposed) {
      kernels.dots(shape.m, end - begin, shape.k, rows, stride, base + begin * b.stride * elementSize, b.stride,
                   storage, options.alpha, options.beta, c + begin, ldc, 1);
    } else {
      for (int64_t i = 0; i < shape.m; ++i)
        for (int64_t j = begin; j < end; ++j) c[i * ldc + j] = options.beta == 0 ? 0 : options.beta * c[i * ldc + j];
      constexpr int64_t kColumns = 1024, kDepth = 64;  // a block of B stays cached between the rows of A
      for (int64_t j = begin; j < end; j += kColumns)
        for (int64_t p = 0; p < shape.k; p += kDepth)
          for (int64_t i = 0; i < shape.m; ++i) {
            const int64_t depth = std::min(kDepth, shape.k - p);
            float scaled[kDepth];
            for (int64_t q = 0; q < depth; ++q) scaled[q] = options.alpha * rows[i * stride + p + q];
            kernels.axpys(depth, std::min(kColumns, end - j), scaled, base + (p * b.stride + j) * elementSize,
                          b.stride, storage, c + i * ldc + j);
          }
    }
    for (int64_t i = 0; i < shape.m; ++i) finishRow(c + i * ldc, i, begin, end, options.epilogue);
  };
  if (threads <= 1) return run(0, shape.n);
  parallelFor(shape.n, std::max<int64_t>(16, 65536 / std::max<int64_t>(1, shape.k)), run);
}

/// Whether rows of C can be few enough to skip packing. A must be f32 then, and blocks lie along the depth.
bool takesFewRows(const GemmShape& shape, const MatrixSource& a, const MatrixSource& b, const GemmOptions& options) {
  return shape.m <= kFewRows && !options.packedA && !options.packedB && a.dtype == DType::F32 && (b.transposed || !isBlocked(b.dtype));
}

/// Whether rows of A are read where they lie: packing them pays where many columns follow, or where the rows of a tile
/// are a multiple of 4 KB apart and so evict each other.
bool isReadInPlace(const MatrixSource& a, const GemmShape& shape, const GemmKernels& kernels) {
  return kernels.pair == 1 && a.dtype == DType::F32 && !a.transposed && a.stride > 0 && a.stride % 1024 != 0 && shape.n <= kernels.columnSweep;
}

void gemmOn(const IsaKernels& isa, const GemmShape& shape, const MatrixSource& a, const MatrixSource& b, float* c,
            int64_t ldc, const GemmOptions& options, int threads, std::byte* scratch) {
  if (shape.m <= 0 || shape.n <= 0) return;
  const GemmKernels& kernels =
      options.packedB ? options.packedB->kernels() : options.packedA ? options.packedA->kernels() : *isa.gemm;
  if (takesFewRows(shape, a, b, options)) return fewRows(kernels, shape, a, b, c, ldc, options, threads, scratch);
  // One column is the transposed case of one row, where C's column is contiguous.
  if (shape.n == 1 && ldc == 1 && !options.packedA && !options.packedB && b.dtype == DType::F32) {
    GemmOptions swapped = options;
    std::swap(swapped.epilogue.rowBias, swapped.epilogue.columnBias);
    const MatrixSource column{b.data, b.stride, !b.transposed, b.dtype}, rows{a.data, a.stride, !a.transposed, a.dtype};
    return fewRows(kernels, {1, shape.m, shape.k}, column, rows, c, shape.m, swapped, threads, scratch);
  }
  const auto packA = [&](float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t depth) {
    packPanels(kernels, Side::A, a, panels, first, count, depthBegin, depth);
  };
  const auto packB = [&](float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t depth) {
    packPanels(kernels, Side::B, b, panels, first, count, depthBegin, depth);
  };
  const PanelPacker packerA(packA), packerB(packB);
  const Factor left = options.packedA                    ? Factor(*options.packedA)
                      : isReadInPlace(a, shape, kernels) ? Factor(static_cast<const float*>(a.data), a.stride)
                                                         : Factor(packerA);
  gemmCore(kernels, shape, left,
           options.packedB ? Factor(*options.packedB) : Factor(packerB), {.data = c, .rowStride = ldc}, options.alpha,
           options.beta, options.epilogue, threads, scratch);
}

}  // namespace

size_t gemmScratchBytes(const GemmKernels& kernels, const GemmShape& shape, int threads, bool packedA, bool packedB) {
  const size_t piece = (packedA ? 0 : pieceBytesA(kernels, shape)) + (packedB ? 0 : pieceBytesB(kernels, shape));
  return piece * static_cast<size_t>(std::max(1, threads));
}

void gemmCore(const GemmKernels& kernels, const GemmShape& shape, const Factor& a, const Factor& b,
              const OutputMatrix& c, float alpha, float beta, const Epilogue& epilogue, int threads,
              std::byte* scratch) {
  if (shape.m <= 0 || shape.n <= 0) return;
  const Grid grid = chooseGrid(kernels, shape, threads);
  const size_t bytesA = !a.pack ? 0 : pieceBytesA(kernels, shape), bytesB = b.packed ? 0 : pieceBytesB(kernels, shape);
  const int64_t rowTiles = (shape.m + kernels.rowTile - 1) / kernels.rowTile;
  const int64_t columnTiles = (shape.n + kernels.columnTile - 1) / kernels.columnTile;
  const auto run = [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const int64_t r = index / grid.columns, s = index % grid.columns;
      const Piece piece{rowTiles * r / grid.rows * kernels.rowTile,
                        std::min(shape.m, rowTiles * (r + 1) / grid.rows * kernels.rowTile),
                        columnTiles * s / grid.columns * kernels.columnTile,
                        std::min(shape.n, columnTiles * (s + 1) / grid.columns * kernels.columnTile)};
      std::byte* room = scratch + static_cast<size_t>(index) * (bytesA + bytesB);
      runPiece(kernels, shape, a, b, c, alpha, beta, epilogue, piece, reinterpret_cast<float*>(room),
               reinterpret_cast<float*>(room + bytesA));
    }
  };
  const int64_t pieces = grid.rows * grid.columns;
  if (pieces == 1) return run(0, 1);
  parallelFor(pieces, 1, run);
}

size_t gemmScratch(const IsaKernels& isa, const GemmShape& shape, int threads) {
  // The few-rows paths copy a transposed A of at most kFewRows lines.
  const size_t lines = alignedBytes(static_cast<size_t>(std::min(kFewRows, std::max(shape.m, shape.n)) * shape.k) * 4);
  return std::max(gemmScratchBytes(*isa.gemm, shape, threads, false, false),
                  lines * static_cast<size_t>(std::max(1, threads)));
}

void gemm(const IsaKernels& isa, const GemmShape& shape, const MatrixSource& a, const MatrixSource& b, float* c,
          int64_t ldc, const GemmOptions& options, int threads, std::byte* scratch) {
  gemmOn(isa, shape, a, b, c, ldc, options, threads, scratch);
}

void gemmBatched(const IsaKernels& isa, int64_t count, const GemmShape& shape, const MatrixSource& a,
                 const MatrixSource& b, int64_t ldc, FunctionRef<GemmItem(int64_t)> item, const GemmOptions& options,
                 int threads, std::byte* scratch) {
  const auto one = [&](int64_t index, int width, std::byte* room) {
    const GemmItem operands = item(index);
    MatrixSource left = a, right = b;
    left.data = operands.a;
    right.data = operands.b;
    gemmOn(isa, shape, left, right, operands.c, ldc, options, width, room);
  };
  if (count < threads || threads == 1) {
    for (int64_t i = 0; i < count; ++i) one(i, threads, scratch);
    return;
  }
  const size_t room = gemmScratch(isa, shape, 1);
  parallelFor(threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      for (int64_t i = count * t / threads; i < count * (t + 1) / threads; ++i)
        one(i, 1, scratch + static_cast<size_t>(t) * room);
  });
}

}  // namespace ascribe::cpu
