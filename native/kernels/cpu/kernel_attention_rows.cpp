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
/// Where there are fewer blocks of rows than this, groups of heads are shared out too.
constexpr int64_t kFewBlocks = 4;
/// Rows of heads that share keys go through one product together, up to so many.
constexpr int64_t kRowsTogether = 64;

/// Rows of attention, reduced while they are live: a block of rows of a head against the keys, softmax, and their sum. Memory
/// is that of a block for each thread and of the sums in double.
class AttentionRows final : public CpuKernel {
 public:
  explicit AttentionRows(const NodeSignature& s) : CpuKernel("cpu-attention-rows", s.node) {
    const Shape &q = s.inputs[0].shape, &k = s.inputs[1].shape;
    items_ = q[0], heads_ = q[1], rows_ = q[2], depth_ = q[3], groups_ = k[1], keys_ = k[2];
    const Attributes& attributes = s.node.attributes;
    scale_ = static_cast<float>(attributes.real("scale"));
    causal_ = attributes.integer("causal") != 0;
    keepsRows_ = attributes.integer("keepRows") != 0;
    window_ = attributes.integer("window");
    if (s.has(4)) maskStrides_ = broadcastStrides(s.inputs[4].shape, Shape{items_, heads_, rows_, keys_});
    blocks_ = (rows_ + kBlock - 1) / kBlock;
    rowParts_ = keepsRows_ ? blocks_ : std::min(kParts, blocks_);
    headParts_ = blocks_ >= kFewBlocks || blocks_ == 0 ? 1 : std::max<int64_t>(1, std::min(groups_, kFewBlocks / blocks_));
    const int64_t tallest = std::min(kBlock, std::max<int64_t>(1, rows_));
    together_ = groups_ == 0 ? 1 : std::clamp<int64_t>(kRowsTogether / tallest, 1, heads_ / groups_);
    tall_ = together_ * tallest;
    scoresBytes_ = alignedBytes(static_cast<size_t>(tall_ * keys_) * sizeof(float));
    queryBytes_ = alignedBytes(static_cast<size_t>(tall_ * depth_) * sizeof(float));
    productBytes_ = alignedBytes(gemmScratch(isa(), GemmShape{tall_, keys_, depth_}, 1));
    width_ = (keepsRows_ ? tallest : 1) * keys_;
    totalBytes_ = alignedBytes(static_cast<size_t>(width_) * sizeof(double));
    // Where a block's rows are kept and one part has all heads, a thread holds their sums; else every part has its own.
    reduces_ = !keepsRows_ || headParts_ > 1;
    slotBytes_ = scoresBytes_ + queryBytes_ + productBytes_ + (reduces_ ? 0 : totalBytes_);
    sumsBytes_ = reduces_ ? static_cast<size_t>(items_ * rowParts_ * headParts_) * totalBytes_ : 0;
  }
  size_t scratchBytes() const override { return sumsBytes_ + static_cast<size_t>(mostThreads()) * slotBytes_; }
  double flops() const override { return 2.0 * static_cast<double>(items_ * heads_ * rows_) * static_cast<double>(keys_ * depth_); }

  void run(const KernelArguments& k) const override {
    if (k.outputs[0].count() == 0) return;
    float* y = k.outputs[0].as<float>();
    if (rows_ == 0 || heads_ == 0) return std::fill_n(y, k.outputs[0].count(), 0.0f), void();
    const int64_t parts = rowParts_ * headParts_;
    overSlots(items_ * parts, threads(), slotBytes_, k.scratch + sumsBytes_, [&](int64_t item, std::byte* slot) {
      const int64_t n = item / parts, part = item % parts / headParts_, heads = item % headParts_;
      double* total = reinterpret_cast<double*>(reduces_ ? k.scratch + static_cast<size_t>(item) * totalBytes_ : slot + scoresBytes_ + queryBytes_ + productBytes_);
      const int64_t first = blocks_ * part / rowParts_, last = blocks_ * (part + 1) / rowParts_;
      std::fill_n(total, width_, 0.0);
      for (int64_t block = first; block < last; ++block)
        for (int64_t group = groups_ * heads / headParts_; group < groups_ * (heads + 1) / headParts_; ++group)
          addBlock(k, n, group, block * kBlock, std::min(kBlock, rows_ - block * kBlock), total, slot);
      if (reduces_) return;
      const int64_t row = first * kBlock, count = std::min(kBlock, rows_ - row) * keys_;
      for (int64_t i = 0; i < count; ++i) y[(n * rows_ + row) * keys_ + i] = static_cast<float>(total[i]);
    });
    if (!reduces_) return;
    const auto sumOf = [&](int64_t first, int64_t count, int64_t at) {
      double sum = 0;
      for (int64_t part = 0; part < count; ++part) sum += reinterpret_cast<const double*>(k.scratch + static_cast<size_t>(first + part) * totalBytes_)[at];
      return static_cast<float>(sum);
    };
    const int64_t perItem = keepsRows_ ? rows_ * keys_ : keys_;
    parallelFor(items_ * perItem, kElementGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t n = i / perItem, at = i % perItem, block = keepsRows_ ? at / (kBlock * keys_) : 0;
        y[i] = keepsRows_ ? sumOf(n * parts + block * headParts_, headParts_, at - block * kBlock * keys_) : sumOf(n * parts, parts, at);
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
  /// Adds rows [row, row + count) of the heads of a group, in their order.
  void addBlock(const KernelArguments& k, int64_t n, int64_t group, int64_t row, int64_t count, double* total, std::byte* slot) const {
    float *p = reinterpret_cast<float*>(slot), *queries = reinterpret_cast<float*>(slot + scoresBytes_);
    std::byte* scratch = slot + scoresBytes_ + queryBytes_;
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
    const int64_t shared = heads_ / groups_;
    const float* key = k.inputs[1].as<float>() + ((n * groups_ + group) * keys_ + from) * depth_;
    for (int64_t begin = group * shared; begin < (group + 1) * shared; begin += together_) {
      const int64_t heads = std::min(together_, (group + 1) * shared - begin);
      for (int64_t h = 0; h < heads; ++h)
        std::copy_n(k.inputs[0].as<float>() + ((n * heads_ + begin + h) * rows_ + row) * depth_, count * depth_, queries + h * count * depth_);
      gemm(isa(), {heads * count, to - from, depth_}, {queries, depth_, false, DType::F32}, {key, depth_, true, DType::F32}, p, keys_, options, 1, scratch);
      for (int64_t h = 0; h < heads; ++h) addHead(k, n, begin + h, row, count, from, p + h * count * keys_, total);
    }
  }
  /// Scores of one head become probabilities, and are added.
  void addHead(const KernelArguments& k, int64_t n, int64_t h, int64_t row, int64_t count, int64_t from, float* p, double* total) const {
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

  int64_t items_ = 0, heads_ = 0, rows_ = 0, depth_ = 0, groups_ = 0, keys_ = 0, window_ = 0;
  int64_t blocks_ = 0, rowParts_ = 0, headParts_ = 1, together_ = 1, tall_ = 0, width_ = 0;
  float scale_ = 1;
  bool causal_ = false, keepsRows_ = false, reduces_ = false;
  Strides maskStrides_{};
  size_t scoresBytes_ = 0, queryBytes_ = 0, productBytes_ = 0, totalBytes_ = 0, slotBytes_ = 0, sumsBytes_ = 0;
};

std::unique_ptr<Kernel> make(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  return std::make_unique<AttentionRows>(s);
}
const RegisterKernel kernel({.op = "attentionRows", .backend = "cpu", .make = make});

}  // namespace
}  // namespace ascribe::cpu
