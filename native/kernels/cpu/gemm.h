#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/packed_matrix.h"
#include "runtime/parallel.h"

namespace ascribe::cpu {

/// What is done to an element of the product before it is stored: biases, then a clip (ReLU is [0, inf)).
struct Epilogue {
  const float* rowBias = nullptr;
  const float* columnBias = nullptr;
  bool clip = false;
  float low = 0, high = std::numeric_limits<float>::infinity();
  /// Called with runs of rows of C, each element once, when all else is done and the run is still in a cache.
  const FunctionRef<void(float* run, int64_t count)>* finish = nullptr;
};

/// Where columns of the product go. A convolution lays the columns of all images in one row:
/// column j is element j % columnsPerImage of image j / columnsPerImage.
struct OutputMatrix {
  float* data = nullptr;
  int64_t rowStride = 0;
  int64_t columnsPerImage = std::numeric_limits<int64_t>::max();
  int64_t imageStride = 0;
};

/// Fills panels of one factor for lines [first, first + count), depths [depthBegin, depthBegin + depth).
using PanelPacker = FunctionRef<void(float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t depth)>;

/// A factor: packed before, packed on the way by a function (implicit im2col is one), or, A alone, rows read in place.
struct Factor {
  Factor(const PackedMatrix& matrix) : packed(&matrix) {}
  Factor(const PanelPacker& function) : pack(&function) {}
  Factor(const float* first, int64_t apart) : rows(first), stride(apart) {}
  const PackedMatrix* packed = nullptr;
  const PanelPacker* pack = nullptr;
  const float* rows = nullptr;
  int64_t stride = 0;
};

struct GemmShape {
  int64_t m = 0, n = 0, k = 0;
};

/// Scratch for packed panels of a product run on `threads` threads. A packed factor needs none.
size_t gemmScratchBytes(const GemmKernels& kernels, const GemmShape& shape, int threads, bool packedA, bool packedB);

/// C = clip(alpha * A B + beta * C + biases). Each element is summed in the same order whatever the number of
/// threads. `threads` <= parallelWidth(), or 1 inside a parallel body.
void gemmCore(const GemmKernels& kernels, const GemmShape& shape, const Factor& a, const Factor& b,
              const OutputMatrix& c, float alpha, float beta, const Epilogue& epilogue, int threads,
              std::byte* scratch);

struct GemmOptions {
  float alpha = 1, beta = 0;
  Epilogue epilogue;
  /// Use these instead of the sources where given.
  const PackedMatrix* packedA = nullptr;
  const PackedMatrix* packedB = nullptr;
};

/// The plain product; scratch from gemmScratch. Few rows or columns take a path
/// that reads the large factor once, unpacked.
void gemm(const IsaKernels& isa, const GemmShape& shape, const MatrixSource& a, const MatrixSource& b, float* c,
          int64_t ldc, const GemmOptions& options, int threads, std::byte* scratch);
size_t gemmScratch(const IsaKernels& isa, const GemmShape& shape, int threads);

/// The operands of product `index` of a batch (strided, broadcast, whatever the caller says).
struct GemmItem {
  const void* a;
  const void* b;
  float* c;
};
/// Many products of one shape: parallel over products where there are enough of them, else inside each.
void gemmBatched(const IsaKernels& isa, int64_t count, const GemmShape& shape, const MatrixSource& a,
                 const MatrixSource& b, int64_t ldc, FunctionRef<GemmItem(int64_t)> item, const GemmOptions& options,
                 int threads, std::byte* scratch);

}  // namespace ascribe::cpu
