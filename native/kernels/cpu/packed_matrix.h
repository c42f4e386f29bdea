#pragma once
#include <cstdint>
#include <memory>

#include "graph/host_tensor.h"
#include "kernels/cpu/gemm_kernels.h"
#include "kernels/cpu/scratch.h"
#include "runtime/parallel.h"

namespace ascribe::cpu {

/// One factor of a product where it lies: rows x columns if not transposed, else its transpose is stored.
struct MatrixSource {
  const void* data = nullptr;
  int64_t stride = 0;  // elements between stored rows
  bool transposed = false;
  DType dtype = DType::F32;  // what isPackable says
};

enum class Side { A, B };

/// A factor in the layout that the inner kernel reads: blocks of depthBlock (an even number), each a row of panels. Made once for
/// weights; belongs to the instruction set it was packed for.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// op(A) is `lines` x depth, op(B) is depth x `lines`.
  PackedMatrix(const GemmKernels& kernels, Side side, const MatrixSource& source, int64_t lines, int64_t depth);

  /// Room for a matrix that the caller packs panel by panel (rearranged convolution weights).
  PackedMatrix(const GemmKernels& kernels, Side side, int64_t lines, int64_t depth);
  float* panel(int64_t line, int64_t depthBegin) {
    return const_cast<float*>(static_cast<const PackedMatrix*>(this)->panel(line, depthBegin));
  }
  /// The panel that starts at `line` (a multiple of the panel width) of the block that starts at `depthBegin`.
  const float* panel(int64_t line, int64_t depthBegin) const {
    const int64_t left = depth_ - depthBegin;
    const int64_t blockDepth = left < kernels_->depthBlock ? left : kernels_->depthBlock;
    return words_.data() + depthBegin / kernels_->pair * paddedLines_ + line * kernels_->words(blockDepth);
  }
  const GemmKernels& kernels() const { return *kernels_; }
  int64_t lines() const { return lines_; }
  int64_t depth() const { return depth_; }
  size_t bytes() const { return words_.bytes(); }

 private:
  const GemmKernels* kernels_ = nullptr;
  int64_t lines_ = 0, paddedLines_ = 0, depth_ = 0;
  AlignedFloats words_;
};

/// The packed form of a matrix that is part of the weights `identity`: made once, and shared by all plans that read it at the same time.
std::shared_ptr<const PackedMatrix> packedOnce(const GemmKernels& kernels, Side side, const MatrixSource& source, int64_t lines, int64_t depth,
                                               const HostTensor::Identity& identity);

/// Packs lines [first, first + count) and depths [depthBegin, depthBegin + depth) of a factor into panels.
void packPanels(const GemmKernels& kernels, Side side, const MatrixSource& source, float* panels, int64_t first,
                int64_t count, int64_t depthBegin, int64_t depth);

/// Panels of a factor that `packF32(panels, first, count)` lays out as panel[depth][width] of f32, in the kernels' own words.
void packThroughF32(const GemmKernels& kernels, Side side, float* panels, int64_t count, int64_t depth,
                    FunctionRef<void(float* panels, int64_t first, int64_t count)> packF32);

}  // namespace ascribe::cpu
