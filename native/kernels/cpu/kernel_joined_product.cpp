#include <memory>
#include <vector>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/product_weights.h"

namespace ascribe::cpu {
namespace {

/// A thread takes its own rows, which needs some tiles of them for each.
constexpr int64_t kTilesEach = 4;

/// x times each of some matrices. Where there are rows enough and all weights are packed, a block of rows is packed once for all,
/// and every sum has the order that it has in a product by itself.
class JoinedProduct final : public CpuKernel {
 public:
  explicit JoinedProduct(const NodeSignature& s) : CpuKernel("cpu-joined-matmul", s.node) {
    const Shape& x = s.inputs[0].shape;
    rows_ = x.count(0, x.rank() - 1);
    depth_ = x.at(-1);
    const GemmKernels& gemm = *isa().gemm;
    tiles_ = (rows_ + gemm.rowTile - 1) / gemm.rowTile;
    isJoined_ = tiles_ >= kTilesEach * mostThreads() && depth_ > 0;
    for (size_t i = 1; i < s.inputs.size(); ++i) {
      weights_.emplace_back(s, i, s.inputs[i].shape, s.node.attributes.integer("transposeB") != 0, rows_, gemm);
      isJoined_ = isJoined_ && weights_.back().packed;
    }
    slotBytes_ = alignedBytes(static_cast<size_t>(gemm.rowBlock * gemm.words(std::min<int64_t>(gemm.depthBlock, depth_))) * 4);
    if (isJoined_) scratch_ = static_cast<size_t>(mostThreads()) * slotBytes_;
    else
      for (const ProductWeights& each : weights_) scratch_ = std::max(scratch_, gemmScratch(isa(), {rows_, each.columns, depth_}, mostThreads()));
  }
  size_t scratchBytes() const override { return scratch_; }
  size_t packedBytes() const override {
    size_t bytes = 0;
    for (const ProductWeights& each : weights_) bytes += each.packed ? each.packed->bytes() : 0;
    return bytes;
  }
  bool ownsOperand(size_t i) const override { return i >= 1 && weights_[i - 1].packed != nullptr; }
  double flops() const override {
    double columns = 0;
    for (const ProductWeights& each : weights_) columns += static_cast<double>(each.columns);
    return 2.0 * static_cast<double>(rows_) * static_cast<double>(depth_) * columns;
  }

  void run(const KernelArguments& k) const override {
    if (!isJoined_) return apart(k);
    const GemmKernels& gemm = *isa().gemm;
    const int64_t slots = std::clamp<int64_t>(threads(), 1, tiles_);
    parallelFor(slots, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slot = begin; slot < end; ++slot) {
        float* room = reinterpret_cast<float*>(k.scratch + static_cast<size_t>(slot) * slotBytes_);
        const int64_t last = std::min(rows_, tiles_ * (slot + 1) / slots * gemm.rowTile);
        for (int64_t row = tiles_ * slot / slots * gemm.rowTile; row < last; row += gemm.rowBlock) block(k, row, std::min<int64_t>(gemm.rowBlock, last - row), room);
      }
    });
  }

 private:
  void apart(const KernelArguments& k) const {
    for (size_t i = 0; i < weights_.size(); ++i) {
      GemmOptions options;
      options.packedB = weights_[i].packed.get();
      const GemmShape shape{rows_, weights_[i].columns, depth_};
      gemm(isa(), shape, {k.inputs[0].data, depth_, false, DType::F32}, weights_[i].at(k.inputs[i + 1]), k.outputs[i].as<float>(), shape.n, options, threads(), k.scratch);
    }
  }

  /// Rows [row, row + count), at most a block.
  void block(const KernelArguments& k, int64_t row, int64_t count, float* room) const {
    const GemmKernels& gemm = *isa().gemm;
    const MatrixSource x{k.inputs[0].data, depth_, false, DType::F32};
    for (int64_t d = 0; d < depth_; d += gemm.depthBlock) {
      const int64_t depth = std::min<int64_t>(gemm.depthBlock, depth_ - d);
      packPanels(gemm, Side::A, x, room, row, count, d, depth);
      for (size_t w = 0; w < weights_.size(); ++w) multiply(weights_[w], weights_[(w + 1) % weights_.size()], k.outputs[w].as<float>() + row * weights_[w].columns, count, d, depth, room);
    }
  }
  void multiply(const ProductWeights& weights, const ProductWeights& next, float* y, int64_t count, int64_t d, int64_t depth, const float* room) const {
    const GemmKernels& gemm = *isa().gemm;
    for (int64_t sweep = 0; sweep < weights.columns; sweep += gemm.columnSweep) {
      const int64_t end = std::min<int64_t>(weights.columns, sweep + gemm.columnSweep);
      for (int64_t i = 0; i < count; i += gemm.rowTile)
        for (int64_t j = sweep; j < end; j += gemm.columnTile) {
          TileStore store{.beta = d == 0 ? 0.0F : 1.0F};
          const bool isLast = j + gemm.columnSweep >= weights.columns;
          if (!isLast || j - sweep < next.columns)
            store.ahead = shareAhead(gemm, isLast ? next.packed->panel(j - sweep, d) : weights.packed->panel(j + gemm.columnSweep, d), i / gemm.rowTile, depth);
          gemm.tile(std::min<int64_t>(gemm.rowTile, count - i), std::min<int64_t>(gemm.columnTile, end - j), depth, room + i * gemm.words(depth), 0, weights.packed->panel(j, d), y + i * weights.columns + j,
                    weights.columns, store);
        }
    }
  }

  std::vector<ProductWeights> weights_;
  int64_t rows_ = 0, depth_ = 0, tiles_ = 0;
  bool isJoined_ = false;
  size_t slotBytes_ = 0, scratch_ = 0;
};

std::unique_ptr<Kernel> make(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  for (size_t i = 1; i < s.inputs.size(); ++i)
    if (!isPackable(s.inputs[i].dtype)) return nullptr;
  return std::make_unique<JoinedProduct>(s);
}
const RegisterKernel registered({.op = "joinedMatMul", .backend = "cpu", .make = make});

}  // namespace
}  // namespace ascribe::cpu
