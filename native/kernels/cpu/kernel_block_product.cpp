#include <algorithm>

#include "kernels/cpu/block_kernels.h"
#include "kernels/cpu/block_panels.h"
#include "kernels/cpu/cpu_kernel.h"
#include "runtime/error.h"

namespace ascribe::cpu {
namespace {

/// Rows that stay in the second-level cache, rounded, while all columns pass them.
constexpr int64_t kRowsAtOnce = 384 << 10;

/// storedMatMul of weights in blocks by rows that are rounded to 8 bits, where the pass int8-products marked it. Weights are
/// packed once, for any number of rows; every element is summed in the order of block_kernels.h, so that a row's numbers are the
/// same bits whatever stands beside it.
class BlockProduct final : public CpuKernel {
 public:
  explicit BlockProduct(const NodeSignature& s)
      : CpuKernel("cpu-matmul-int8"),
        type_(s.inputs[1].dtype),
        columns_(s.inputs[1].shape[0]),
        depth_(s.inputs[1].shape[1]),
        rows_(s.inputs[0].shape.count() / std::max<int64_t>(1, depth_)),
        full_(kernels_.rowsOf(type_)),
        weights_(blockPanelsOnce(*s.constants[1])) {}

  void run(const KernelArguments& k) const override {
    const float* x = k.inputs[0].as<float>();
    float* c = k.outputs[0].as<float>();
    const int64_t panels = panelsOf(rows_), blocks = depth_ / kRowBlock;
    parallelFor(panels, std::max<int64_t>(1, (int64_t{1} << 15) / (full_ * depth_)), [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin; panel < end; ++panel)
        kernels_.round(type_, rowsIn(panel), blocks, x + panel * full_ * depth_, depth_, present(panel), k.scratch + offset(panel));
    });
    const int64_t atOnce = std::max<int64_t>(1, kRowsAtOnce / static_cast<int64_t>(offset(1)));
    const int64_t work = std::max<int64_t>(1, rows_ * depth_ * kBlockColumns);
    parallelFor(weights_->count(), std::max<int64_t>(1, (int64_t{1} << 18) / work), [&](int64_t begin, int64_t end) {
      for (int64_t first = 0; first < panels; first += atOnce)
        for (int64_t column = begin; column < end; ++column)
          for (int64_t panel = first; panel < std::min(panels, first + atOnce); ++panel)
            kernels_.tile(type_, rowsIn(panel), blocks, k.scratch + offset(panel), weights_->panel(column), c + panel * full_ * columns_ + column * kBlockColumns,
                          columns_, present(panel), std::min(kBlockColumns, columns_ - column * kBlockColumns));
    });
  }
  size_t scratchBytes() const override {
    const int64_t last = panelsOf(rows_) - 1;
    return last < 0 ? 0 : offset(last) + static_cast<size_t>(rowsIn(last) * depth_ / kRowBlock * kRowBlockBytes);
  }
  size_t packedBytes() const override { return weights_->bytes(); }
  bool ownsOperand(size_t i) const override { return i == 1; }
  double flops() const override { return 2.0 * static_cast<double>(rows_) * static_cast<double>(columns_) * static_cast<double>(depth_); }

 private:
  int64_t panelsOf(int64_t rows) const { return (rows + full_ - 1) / full_; }
  int64_t present(int64_t panel) const { return std::min<int64_t>(full_, rows_ - panel * full_); }
  int rowsIn(int64_t panel) const { return blockRows(present(panel)); }
  /// Of a panel's rounded rows in the scratch; all before it are full.
  size_t offset(int64_t panel) const { return static_cast<size_t>(panel * full_ * (depth_ / kRowBlock) * kRowBlockBytes); }

  const BlockKernels& kernels_ = blockKernels();
  DType type_;
  int64_t columns_, depth_, rows_;
  int full_;
  std::shared_ptr<const BlockPanels> weights_;
};

bool isMarked(const NodeSignature& s) { return s.node.attributes.has("activations"); }

std::unique_ptr<Kernel> make(const NodeSignature& s) {
  if (s.constants[1] == nullptr || s.constants[1]->data() == nullptr) throw Error("INTERNAL", "a product of int8 has no weights");
  return std::make_unique<BlockProduct>(s);
}
const RegisterKernel registered({.op = "storedMatMul", .backend = "cpu", .make = make, .preference = 1, .accepts = isMarked});

}  // namespace
}  // namespace ascribe::cpu
