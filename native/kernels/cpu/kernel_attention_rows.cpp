#include <limits>
#include <memory>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/over_slots.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/strides.h"

namespace ascribe::cpu {
namespace {

/// Rows that are worked on together: their scores against all keys are what a thread holds.
constexpr int64_t kBlock = 32;
/// Sums of rows are added up in this many parts, whatever the number of threads, so that they have one order.
constexpr int64_t kParts = 16;

/// Rows of attention, reduced while they are live: a block of rows of a head against the keys, softmax, and their sum. Memory
/// is that of a block for each thread and of the sums in double.
class AttentionRows final : public CpuKernel {
 public:
  explicit AttentionRows(const NodeSignature& s) : CpuKernel("cpu-attention-rows") {
    const Shape &q = s.inputs[0].shape, &k = s.inputs[1].shape;
    items_ = q[0], heads_ = q[1], rows_ = q[2], depth_ = q[3], groups_ = k[1], keys_ = k[2];
    const Attributes& attributes = s.node.attributes;
    scale_ = static_cast<float>(attributes.real("scale"));
    causal_ = attributes.integer("causal") != 0;
    keepsRows_ = attributes.integer("keepRows") != 0;
    window_ = attributes.integer("window");
    if (s.has(4)) maskStrides_ = broadcastStrides(s.inputs[4].shape, Shape{items_, heads_, rows_, keys_});
    blocks_ = (rows_ + kBlock - 1) / kBlock;
    parts_ = keepsRows_ ? blocks_ : std::min(kParts, blocks_);
    scoresBytes_ = alignedBytes(static_cast<size_t>(kBlock * keys_) * sizeof(float));
    productBytes_ = alignedBytes(gemmScratch(isa(), GemmShape{kBlock, keys_, depth_}, 1));
    // Where rows are kept, a thread holds the sums of its block; else every part has its own.
    totalBytes_ = alignedBytes(static_cast<size_t>((keepsRows_ ? kBlock : 1) * keys_) * sizeof(double));
    slotBytes_ = scoresBytes_ + productBytes_ + (keepsRows_ ? totalBytes_ : 0);
    sumsBytes_ = keepsRows_ ? 0 : static_cast<size_t>(items_ * parts_) * totalBytes_;
  }
  size_t scratchBytes() const override { return sumsBytes_ + static_cast<size_t>(mostThreads()) * slotBytes_; }
  double flops() const override { return 2.0 * static_cast<double>(items_ * heads_ * rows_) * static_cast<double>(keys_ * depth_); }

  void run(const KernelArguments& k) const override {
    if (k.outputs[0].count() == 0) return;
    if (rows_ == 0 || heads_ == 0) return std::fill_n(k.outputs[0].as<float>(), k.outputs[0].count(), 0.0f), void();
    overSlots(items_ * parts_, threads(), slotBytes_, k.scratch + sumsBytes_, [&](int64_t item, std::byte* slot) {
      const int64_t n = item / parts_, part = item % parts_;
      double* total = reinterpret_cast<double*>(keepsRows_ ? slot + scoresBytes_ + productBytes_ : k.scratch + static_cast<size_t>(item) * totalBytes_);
      const int64_t first = blocks_ * part / parts_, last = blocks_ * (part + 1) / parts_;
      std::fill_n(total, (keepsRows_ ? kBlock : 1) * keys_, 0.0);
      for (int64_t block = first; block < last; ++block) addBlock(k, n, block * kBlock, std::min(kBlock, rows_ - block * kBlock), total, slot);
      if (!keepsRows_) return;
      const int64_t row = first * kBlock, count = std::min(kBlock, rows_ - row) * keys_;
      for (int64_t i = 0; i < count; ++i) k.outputs[0].as<float>()[(n * rows_ + row) * keys_ + i] = static_cast<float>(total[i]);
    });
    if (keepsRows_) return;
    parallelFor(items_ * keys_, kElementGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        double sum = 0;
        for (int64_t part = 0; part < parts_; ++part)
          sum += reinterpret_cast<const double*>(k.scratch + static_cast<size_t>(i / keys_ * parts_ + part) * totalBytes_)[i % keys_];
        k.outputs[0].as<float>()[i] = static_cast<float>(sum);
      }
    });
  }

 private:
  int64_t position(const KernelArguments& k, int64_t row) const {
    return k.inputs[2].dtype == DType::I64 ? k.inputs[2].as<int64_t>()[row] : k.inputs[2].as<int32_t>()[row];
  }
  /// Keys [first, last) that a row sees.
  std::pair<int64_t, int64_t> seen(const KernelArguments& k, int64_t row) const {
    if (!causal_) return {0, keys_};
    // Far beyond the keys is as good as at their end, and does not overflow.
    const int64_t at = std::clamp<int64_t>(position(k, row), -1, keys_ + window_);
    const int64_t last = std::min(keys_, at + 1), first = window_ == 0 ? 0 : std::max<int64_t>(0, at + 1 - window_);
    return {std::min(first, last), last};
  }
  /// Adds rows [row, row + count) of every head, in the order of the heads.
  void addBlock(const KernelArguments& k, int64_t n, int64_t row, int64_t count, double* total, std::byte* slot) const {
    float* p = reinterpret_cast<float*>(slot);
    std::byte* scratch = slot + scoresBytes_;
    int64_t from = keys_, to = 0;
    for (int64_t i = 0; i < count; ++i) {
      const auto [first, last] = seen(k, row + i);
      if (first == last) continue;
      from = std::min(from, first);
      to = std::max(to, last);
    }
    if (from >= to) return;
    GemmOptions options;
    options.alpha = scale_;
    for (int64_t h = 0; h < heads_; ++h) {
      const float* q = k.inputs[0].as<float>() + ((n * heads_ + h) * rows_ + row) * depth_;
      const float* key = k.inputs[1].as<float>() + ((n * groups_ + h / (heads_ / groups_)) * keys_ + from) * depth_;
      gemm(isa(), {count, to - from, depth_}, {q, depth_, false, DType::F32}, {key, depth_, true, DType::F32}, p, keys_, options, 1, scratch);
      const float weight = k.has(3) ? k.inputs[3].as<float>()[h] : 1;
      for (int64_t i = 0; i < count; ++i) {
        const auto [first, last] = seen(k, row + i);
        if (first == last) continue;
        float* scores = p + i * keys_ + (first - from);
        if (k.has(4)) {
          const float* mask = k.inputs[4].as<float>() + n * maskStrides_[0] + h * maskStrides_[1] + (row + i) * maskStrides_[2];
          for (int64_t j = first; j < last; ++j) scores[j - first] += mask[j * maskStrides_[3]];
        }
        isa().rows->softmax(scores, scores, last - first);
        if (weight != 1)
          for (int64_t j = 0; j < last - first; ++j) scores[j] *= weight;
        isa().rows->addTo(total + (keepsRows_ ? i * keys_ : 0) + first, scores, last - first);
      }
    }
  }

  int64_t items_ = 0, heads_ = 0, rows_ = 0, depth_ = 0, groups_ = 0, keys_ = 0, window_ = 0, blocks_ = 0, parts_ = 0;
  float scale_ = 1;
  bool causal_ = false, keepsRows_ = false;
  Strides maskStrides_{};
  size_t scoresBytes_ = 0, productBytes_ = 0, totalBytes_ = 0, slotBytes_ = 0, sumsBytes_ = 0;
};

std::unique_ptr<Kernel> make(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  return std::make_unique<AttentionRows>(s);
}
const RegisterKernel kernel({.op = "attentionRows", .backend = "cpu", .make = make});

}  // namespace
}  // namespace ascribe::cpu
