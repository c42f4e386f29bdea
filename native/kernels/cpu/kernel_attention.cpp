#include <memory>
#include <span>

#include "kernels/cpu/attention_kernel.h"
#include "kernels/cpu/over_slots.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

class Forward final : public AttentionKernel {
 public:
  Forward(const NodeSignature& s, bool observes)
      : AttentionKernel(observes ? "cpu-observed-attention" : "cpu-attention", s, 0),
        observes_(observes) {
    blocks_ = (queries_ + block_ - 1) / block_;
    looksBytes_ = observes_ ? alignedBytes(static_cast<size_t>(keys_) * sizeof(float)) : 0;
  }
  size_t scratchBytes() const override {
    return static_cast<size_t>(mostThreads()) * (scoresBytes_ + runsBytes_ + productBytes_) +
           static_cast<size_t>(headCount() * blocks_) * looksBytes_;
  }
  double flops() const override {
    return 2.0 * static_cast<double>(headCount() * queries_ * keys_) * static_cast<double>(depth_ + width_);
  }
  void run(const KernelArguments& k) const override {
    const int64_t items = headCount() * blocks_;
    std::byte* slots = k.scratch + static_cast<size_t>(items) * looksBytes_;
    overSlots(items, threads(), scoresBytes_ + runsBytes_ + productBytes_, slots,
              [&](int64_t item, std::byte* slot) {
                const int64_t head = item / blocks_, row = item % blocks_ * block_,
                              count = std::min(block_, queries_ - row);
                float* p = reinterpret_cast<float*>(slot);
                std::byte* scratch = slot + scoresBytes_ + runsBytes_;
                const auto runs = runsOf(k, head, row, count, reinterpret_cast<KeyRun*>(slot + scoresBytes_));
                probabilities(k, head, row, count, runs, p, scratch);
                if (observes_) look(k, head, row, count, runs, p, looksOf(k, item));
                const float* v = k.inputs[2].as<float>() + head * keys_ * width_;
                GemmOptions options;
                for (const auto [first, keys] : runs) {
                  gemm(isa(), {count, width_, keys}, {p, keys_, false, DType::F32},
                       {v + first * width_, width_, false, DType::F32},
                       k.outputs[0].as<float>() + (head * queries_ + row) * width_, width_, options, 1,
                       scratch);
                  options.beta = 1;
                  p += keys;
                }
              });
    if (observes_) sumLooks(k);
  }

 private:
  float* looksOf(const KernelArguments& k, int64_t item) const {
    return reinterpret_cast<float*>(k.scratch + static_cast<size_t>(item) * looksBytes_);
  }
  /// The weighted sum of a block's probabilities, a number for each key.
  void look(const KernelArguments& k, int64_t head, int64_t row, int64_t count, std::span<const KeyRun> runs,
            const float* p, float* looks) const {
    std::fill_n(looks, keys_, 0.0F);
    const float* weights = k.inputs[4].as<float>();
    const int64_t rows = k.inputs[4].shape[0];
    for (int64_t i = 0; i < count; ++i) {
      const float weight = weights[(head * queries_ + row + i) % rows];
      const float* own = p + i * keys_;
      for (const auto [first, keys] : runs) {
        for (int64_t j = 0; j < keys; ++j) looks[first + j] += weight * own[j];
        own += keys;
      }
    }
  }
  /// Blocks are added up in their order, whatever thread they were of.
  void sumLooks(const KernelArguments& k) const {
    const int64_t examples = heads_[0], items = headCount() * blocks_ / std::max<int64_t>(1, examples);
    float* sums = k.outputs[1].as<float>();
    std::fill_n(sums, k.outputs[1].count(), 0.0F);
    for (int64_t item = 0; item < examples * items; ++item) {
      const float* looks = looksOf(k, item);
      float* own = sums + item / items * keys_;
      for (int64_t j = 0; j < keys_; ++j) own[j] += looks[j];
    }
  }

  bool observes_;
  int64_t blocks_ = 0;
  size_t looksBytes_ = 0;
};

template <bool Observes>
std::unique_ptr<Kernel> makeForward(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  if constexpr (!Observes)
    if (auto swept = makeSweptAttention(s)) return swept;
  return std::make_unique<Forward>(s, Observes);
}
const RegisterKernel forward({.op = "attention", .backend = "cpu", .make = makeForward<false>});
const RegisterKernel observed({.op = "observedAttention", .backend = "cpu", .make = makeForward<true>});

}  // namespace
}  // namespace ascribe::cpu
