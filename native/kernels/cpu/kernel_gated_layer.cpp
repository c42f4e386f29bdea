#include <memory>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/math_kernels.h"
#include "kernels/cpu/product_weights.h"

namespace ascribe::cpu {
namespace {

/// Columns of the middle that are made together: so many of both products' weights stay in the second-level cache, beside those
/// that are fetched for the next.
constexpr int64_t kTogether = 32;
/// A thread takes its own rows, which needs some tiles of them for each.
constexpr int64_t kTilesEach = 4;

Unary unaryOf(const std::string& activation) {
  return activation == "silu" ? Unary::Silu : activation == "gelu" ? Unary::Gelu : Unary::GeluTanh;
}

/// activation(x gate) * (x value) out, and perhaps a residual. Where there are rows enough and weights are packed, some rows at a time: a piece of
/// the middle is made of both products, packed for the last one while it is in the first-level cache, and multiplied
/// as soon as a block of the last product's depth is there. Every sum has the order that it has in three products.
class GatedLayer final : public CpuKernel {
 public:
  explicit GatedLayer(const NodeSignature& s) : CpuKernel("cpu-gated-layer", s.node), activation_(unaryOf(s.node.attributes.text("activation"))) {
    const Shape& x = s.inputs[0].shape;
    rows_ = x.count(0, x.rank() - 1);
    const bool isTransposed = s.node.attributes.integer("transposeB") != 0;
    for (size_t i = 0; i < 3; ++i) weights_[i] = ProductWeights(s, i + 1, s.inputs[i + 1].shape, isTransposed, rows_, *isa().gemm);
    depth_ = weights_[0].depth, middle_ = weights_[0].columns, columns_ = weights_[2].columns;
    const GemmKernels& gemm = *isa().gemm;
    tiles_ = (rows_ + gemm.rowTile - 1) / gemm.rowTile;
    isJoined_ = tiles_ >= kTilesEach * mostThreads() && weights_[0].packed && weights_[1].packed && weights_[2].packed && depth_ > 0 && middle_ > 0;
    if (!isJoined_) {
      halfBytes_ = alignedBytes(static_cast<size_t>(rows_ * middle_) * sizeof(float));
      productBytes_ = std::max(gemmScratch(isa(), {rows_, middle_, depth_}, mostThreads()), gemmScratch(isa(), {rows_, columns_, middle_}, mostThreads()));
      return;
    }
    const auto room = [this](int64_t words) {
      const size_t at = slotBytes_;
      slotBytes_ += alignedBytes(static_cast<size_t>(words) * 4);
      return at;
    };
    dataAt_ = room(gemm.rowBlock * gemm.words(depth_));
    middleAt_ = room(gemm.rowBlock * gemm.words(std::min<int64_t>(gemm.depthBlock, middle_)));
    gateAt_ = room(gemm.rowTile * kTogether);
    valueAt_ = room(gemm.rowTile * kTogether);
  }
  size_t scratchBytes() const override { return isJoined_ ? static_cast<size_t>(mostThreads()) * slotBytes_ : 2 * halfBytes_ + productBytes_; }
  size_t packedBytes() const override {
    size_t bytes = 0;
    for (const ProductWeights& each : weights_) bytes += each.packed ? each.packed->bytes() : 0;
    return bytes;
  }
  bool ownsOperand(size_t i) const override { return i >= 1 && i < 4 && weights_[i - 1].packed != nullptr; }
  double flops() const override { return 2.0 * static_cast<double>(rows_) * static_cast<double>(middle_) * static_cast<double>(2 * depth_ + columns_); }

  void run(const KernelArguments& k) const override {
    if (!isJoined_) return apart(k);
    const int64_t slots = std::clamp<int64_t>(threads(), 1, tiles_), tile = isa().gemm->rowTile;
    parallelFor(slots, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slot = begin; slot < end; ++slot) {
        std::byte* room = k.scratch + static_cast<size_t>(slot) * slotBytes_;
        const int64_t last = std::min(rows_, tiles_ * (slot + 1) / slots * tile);
        for (int64_t row = tiles_ * slot / slots * tile; row < last; row += isa().gemm->rowBlock) block(k, row, std::min<int64_t>(isa().gemm->rowBlock, last - row), room);
      }
    });
  }

 private:
  float* at(std::byte* room, size_t offset) const { return reinterpret_cast<float*>(room + offset); }

  /// Three products, each shared out by itself.
  void apart(const KernelArguments& k) const {
    float *gate = at(k.scratch, 0), *value = at(k.scratch, halfBytes_);
    std::byte* room = k.scratch + 2 * halfBytes_;
    const auto multiply = [&](size_t i, const void* a, float* c, const FunctionRef<void(float*, int64_t)>* finish) {
      GemmOptions options;
      options.epilogue.finish = finish;
      options.packedB = weights_[i].packed.get();
      const GemmShape shape{rows_, weights_[i].columns, weights_[i].depth};
      gemm(isa(), shape, {a, shape.k, false, DType::F32}, weights_[i].at(k.inputs[i + 1]), c, shape.n, options, threads(), room);
    };
    multiply(0, k.inputs[0].data, gate, nullptr);
    multiply(1, k.inputs[0].data, value, nullptr);
    parallelFor(rows_ * middle_, kElementGrain, [&](int64_t begin, int64_t end) { pass(gate + begin, value + begin, end - begin); });
    const auto addRun = [&](float* run, int64_t count) { addResidual(k, run, count); };
    const FunctionRef<void(float*, int64_t)> finish(addRun);
    multiply(2, gate, k.outputs[0].as<float>(), k.has(4) ? &finish : nullptr);
  }
  /// To a run of the result.
  void addResidual(const KernelArguments& k, float* run, int64_t count) const {
    isa().math->binary(Binary::Add, Steps::Both, run, k.inputs[4].as<float>() + (run - k.outputs[0].as<float>()), run, count, 0, 0);
  }
  void pass(float* gate, const float* value, int64_t count) const {
    isa().math->unary(activation_, gate, gate, count, 0, 0);
    isa().math->binary(Binary::Mul, Steps::Both, gate, value, gate, count, 0, 0);
  }

  /// Rows [row, row + count), at most a block.
  void block(const KernelArguments& k, int64_t row, int64_t count, std::byte* room) const {
    const GemmKernels& gemm = *isa().gemm;
    const MatrixSource x{k.inputs[0].data, depth_, false, DType::F32};
    for (int64_t d = 0; d < depth_; d += gemm.depthBlock)
      packPanels(gemm, Side::A, x, at(room, dataAt_) + gemm.words(d) * gemm.rowBlock, row, count, d, std::min<int64_t>(gemm.depthBlock, depth_ - d));
    float* y = k.outputs[0].as<float>() + row * columns_;
    for (int64_t m = 0; m < middle_; m += gemm.depthBlock) {
      const int64_t depth = std::min<int64_t>(gemm.depthBlock, middle_ - m);
      for (int64_t j = 0; j < depth; j += kTogether)
        for (int64_t i = 0; i < count; i += gemm.rowTile)
          middleOf(i, std::min<int64_t>(gemm.rowTile, count - i), m + j, std::min(kTogether, depth - j), j + kTogether < depth, middlePanel(room, i, depth) + gemm.words(j) * gemm.rowTile, room);
      for (int64_t sweep = 0; sweep < columns_; sweep += gemm.columnSweep) {
        const int64_t end = std::min<int64_t>(columns_, sweep + gemm.columnSweep);
        for (int64_t i = 0; i < count; i += gemm.rowTile) {
          for (int64_t j = sweep; j < end; j += gemm.columnTile)
            gemm.tile(std::min<int64_t>(gemm.rowTile, count - i), std::min<int64_t>(gemm.columnTile, end - j), depth, middlePanel(room, i, depth), 0, weights_[2].packed->panel(j, m), y + i * columns_ + j,
                      columns_, {.beta = m == 0 ? 0.0F : 1.0F, .ahead = shareAhead(gemm, behindSweep(m, j, depth), i / gemm.rowTile, depth)});
          if (k.has(4) && m + depth >= middle_)
            for (int64_t r = i; r < std::min<int64_t>(count, i + gemm.rowTile); ++r) addResidual(k, y + r * columns_ + sweep, end - sweep);
        }
      }
    }
  }
  /// The panel of the last product's weights that is read a sweep after the one at column `j`, or, after the last one, of the first two
  /// products' for the next block of the middle.
  const float* behindSweep(int64_t m, int64_t j, int64_t depth) const {
    const GemmKernels& gemm = *isa().gemm;
    if (j + gemm.columnSweep < columns_) return weights_[2].packed->panel(j + gemm.columnSweep, m);
    const int64_t next = m + depth < middle_ ? m + depth : 0, at = j % gemm.columnSweep;
    return weights_[at < kTogether ? 0 : 1].packed->panel(std::min(next + at % kTogether, (middle_ - 1) / gemm.columnTile * gemm.columnTile), 0);
  }
  float* middlePanel(std::byte* room, int64_t i, int64_t depth) const { return at(room, middleAt_) + i * isa().gemm->words(depth); }

  /// Columns [column, column + width) of the middle for one tile of rows, packed as the last product reads them. `isFollowed` by the
  /// next columns, whose weights are fetched meanwhile.
  void middleOf(int64_t i, int64_t count, int64_t column, int64_t width, bool isFollowed, float* panel, std::byte* room) const {
    const GemmKernels& gemm = *isa().gemm;
    float *gate = at(room, gateAt_), *value = at(room, valueAt_);
    for (size_t half = 0; half < 2; ++half)
      for (int64_t j = 0; j < width; j += gemm.columnTile)
        for (int64_t d = 0; d < depth_; d += gemm.depthBlock) {
          const int64_t depth = std::min<int64_t>(gemm.depthBlock, depth_ - d);
          const float* next = isFollowed ? shareAhead(gemm, weights_[half].packed->panel(column + kTogether + j, d), i / gemm.rowTile, depth) : nullptr;
          gemm.tile(count, std::min<int64_t>(gemm.columnTile, width - j), depth, at(room, dataAt_) + gemm.words(d) * gemm.rowBlock + i * gemm.words(depth), 0, weights_[half].packed->panel(column + j, d),
                    (half == 0 ? gate : value) + j, width, {.beta = d == 0 ? 0.0F : 1.0F, .ahead = next});
        }
    pass(gate, value, count * width);
    gemm.packA[0].lines(panel, gate, width, count, width);
  }

  Unary activation_;
  ProductWeights weights_[3];
  int64_t rows_ = 0, depth_ = 0, middle_ = 0, columns_ = 0, tiles_ = 0;
  bool isJoined_ = false;
  size_t halfBytes_ = 0, productBytes_ = 0, dataAt_ = 0, middleAt_ = 0, gateAt_ = 0, valueAt_ = 0, slotBytes_ = 0;
};

std::unique_ptr<Kernel> make(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  for (size_t i = 1; i < 4; ++i)
    if (!isPackable(s.inputs[i].dtype)) return nullptr;
  return std::make_unique<GatedLayer>(s);
}
const RegisterKernel registered({.op = "gatedLayer", .backend = "cpu", .make = make});

}  // namespace
}  // namespace ascribe::cpu
