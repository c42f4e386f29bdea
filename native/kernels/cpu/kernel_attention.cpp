#include <limits>
#include <memory>
#include <span>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/over_slots.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/strides.h"

namespace ascribe::cpu {
namespace {

/// Queries that are worked on together: their scores against all keys are what a thread holds, in its second-level cache
/// where they fit. Keys and values are packed anew for each block, so it is not small either, and it is made of whole
/// tiles: of 32 rows in tiles of 14, four would be left over each time. A causal block computes scores that none of its
/// earlier rows sees, and what a mask hides is left out by the block, so there it takes fewer where sequences are short.
int64_t blockOf(int64_t queries, int64_t keys, int64_t rowTile, bool hides) {
  constexpr int64_t kScores = 40960, kLong = 512;
  const int64_t tiles = std::clamp(kScores / std::max<int64_t>(1, keys) / rowTile, int64_t{8}, int64_t{16});
  const int64_t most = (hides && queries < kLong ? 4 : tiles) * rowTile;
  if (queries <= most) return std::max<int64_t>(1, queries);
  const int64_t blocks = (queries + most - 1) / most;
  return ((queries + blocks - 1) / blocks + rowTile - 1) / rowTile * rowTile;
}

/// Keys are left out by so many together.
constexpr int64_t kTile = 64;
/// What a mask adds where nothing may be read, and at most where something plainly may: between the two lies
/// more than any score, so that behind a softmax the former is exactly 0 in a row that has the latter.
constexpr float kHidden = -1e29F, kShown = -1e20F;

/// Keys [first, first + count).
struct KeyRun {
  int64_t first, count;
};

/// Shapes and operands of one attention; `first` is the operand index of the queries.
class AttentionKernel : public CpuKernel {
 public:
  AttentionKernel(std::string_view name, const NodeSignature& s, size_t first)
      : CpuKernel(name, s.node), first_(first) {
    const Shape &q = s.inputs[first].shape, &k = s.inputs[first + 1].shape, &v = s.inputs[first + 2].shape;
    queries_ = q.at(-2);
    keys_ = k.at(-2);
    depth_ = q.at(-1);
    width_ = v.at(-1);
    scale_ = static_cast<float>(s.node.attributes.real("scale"));
    causal_ = s.node.attributes.integer("causal") != 0;
    block_ = blockOf(queries_, keys_, isa().gemm->rowTile, causal_ || s.has(first + 3));
    heads_ = Shape(q.dims().first(static_cast<size_t>(q.rank() - 2)));
    if (s.has(first + 3)) {
      const Shape& mask = s.inputs[first + 3].shape;
      Shape scores = q;
      scores[q.rank() - 1] = keys_;
      maskStrides_ = broadcastStrides(mask, scores);
    }
    scoresBytes_ = alignedBytes(static_cast<size_t>(block_ * keys_) * sizeof(float));
    runsBytes_ = alignedBytes(static_cast<size_t>(keys_ / kTile + 2) * sizeof(KeyRun));
    // Packed panels are shared out among the products of one thread, which follow each other.
    productBytes_ = 0;
    for (const GemmShape& shape : {GemmShape{block_, keys_, depth_}, GemmShape{block_, width_, keys_},
                                   GemmShape{block_, keys_, width_}, GemmShape{block_, depth_, keys_},
                                   GemmShape{keys_, depth_, block_}, GemmShape{keys_, width_, block_}})
      productBytes_ = std::max(productBytes_, alignedBytes(gemmScratch(isa(), shape, 1)));
  }

 protected:
  int64_t headCount() const { return heads_.count(); }
  /// Where the mask's row for a head's first query begins, and its steps along queries and keys.
  const float* maskOf(const KernelArguments& k, int64_t head) const {
    if (!k.has(first_ + 3)) return nullptr;
    int64_t offset = 0, rest = head;
    for (int axis = heads_.rank(); axis-- > 0;) {
      offset += rest % heads_[axis] * maskStrides_[static_cast<size_t>(axis)];
      rest /= heads_[axis];
    }
    return k.inputs[first_ + 3].as<float>() + offset;
  }
  /// Keys that queries up to `end` see, all in front. A causal row sees the keys up to its own, the sequences
  /// aligned at their ends; where the first rows see none, nothing is left out.
  int64_t seen(int64_t end) const { return causal_ && queries_ <= keys_ ? end - queries_ + keys_ : keys_; }
  /// What queries [row, row + count) of a head read, in runs of keys: whole tiles that the mask hides from
  /// all of them are left out (what lies behind a cache's end, before a window, or between texts that are
  /// packed together).
  std::span<const KeyRun> runsOf(const KernelArguments& k, int64_t head, int64_t row, int64_t count,
                                 KeyRun* runs) const {
    const int64_t keys = seen(row + count);
    runs[0] = {0, keys};
    const float* mask = maskOf(k, head);
    if (mask == nullptr || keys <= kTile) return {runs, 1};
    const int64_t rowStep = maskStrides_[static_cast<size_t>(heads_.rank())],
                  keyStep = maskStrides_[static_cast<size_t>(heads_.rank()) + 1];
    // One row of a mask for all queries; the first of them sees the fewest keys.
    const int64_t rows = rowStep == 0 ? 1 : count;
    mask += row * rowStep;
    if (keyStep != 1) return {runs, 1};
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t own = causal_ ? std::min(keys, row + i - queries_ + keys_ + 1) : keys;
      int64_t j = 0;
      while (j < own && !(mask[i * rowStep + j] > kShown)) ++j;
      if (j >= own) return {runs, 1};
    }
    size_t found = 0;
    for (int64_t first = 0; first < keys; first += kTile) {
      const int64_t last = std::min(keys, first + kTile);
      bool isRead = false;
      for (int64_t i = 0; i < rows && !isRead; ++i)
        for (int64_t j = first; j < last; ++j) isRead |= !(mask[i * rowStep + j] <= kHidden);
      if (!isRead) continue;
      if (found > 0 && runs[found - 1].first + runs[found - 1].count == first)
        runs[found - 1].count += last - first;
      else
        runs[found++] = {first, last - first};
    }
    return {runs, found};
  }
  /// Probabilities of queries [row, row + count) of a head: the keys of the runs, one behind the other, in
  /// rows of keys_.
  void probabilities(const KernelArguments& k, int64_t head, int64_t row, int64_t count,
                     std::span<const KeyRun> runs, float* p, std::byte* scratch) const {
    const float* q = k.inputs[first_].as<float>() + (head * queries_ + row) * depth_;
    const float* key = k.inputs[first_ + 1].as<float>() + head * keys_ * depth_;
    GemmOptions options;
    options.alpha = scale_;
    const float* mask = maskOf(k, head);
    const int64_t rowStep = maskStrides_[static_cast<size_t>(heads_.rank())],
                  keyStep = maskStrides_[static_cast<size_t>(heads_.rank()) + 1];
    int64_t width = 0;
    for (const auto [first, keys] : runs) {
      float* part = p + width;
      gemm(isa(), {count, keys, depth_}, {q, depth_, false, DType::F32},
           {key + first * depth_, depth_, true, DType::F32}, part, keys_, options, 1, scratch);
      for (int64_t i = 0; i < count; ++i) {
        float* scores = part + i * keys_;
        if (mask) {
          const float* own = mask + (row + i) * rowStep + first * keyStep;
          // Apart, since a step that is known lets the compiler take many at once.
          if (keyStep == 1)
            for (int64_t j = 0; j < keys; ++j) scores[j] += own[j];
          else
            for (int64_t j = 0; j < keys; ++j) scores[j] += own[j * keyStep];
        }
        if (causal_)
          for (int64_t j = std::max<int64_t>(0, row + i - queries_ + keys_ + 1 - first); j < keys; ++j)
            scores[j] = -std::numeric_limits<float>::infinity();
      }
      width += keys;
    }
    for (int64_t i = 0; i < count; ++i) isa().rows->softmax(p + i * keys_, p + i * keys_, width);
  }

  size_t first_;
  int64_t queries_ = 0, keys_ = 0, depth_ = 0, width_ = 0, block_ = 1;
  float scale_ = 1;
  bool causal_ = false;
  Shape heads_;
  Strides maskStrides_{};
  size_t scoresBytes_ = 0, runsBytes_ = 0, productBytes_ = 0;
};

class Forward final : public AttentionKernel {
 public:
  Forward(const NodeSignature& s, bool observes)
      : AttentionKernel(observes ? "cpu-observed-attention" : "cpu-attention", s, 0),
        observes_(observes) {
    // Few heads, which cannot be dealt out evenly to the threads: more blocks, and these of one size.
    const int64_t width = mostThreads(), tile = isa().gemm->rowTile;
    for (int64_t blocks = (queries_ + block_ - 1) / block_;
         !observes_ && headCount() * blocks % width != 0 && headCount() * blocks < 8 * width; ++blocks) {
      const int64_t smaller = ((queries_ + blocks) / (blocks + 1) + tile - 1) / tile * tile;
      if (smaller < 2 * tile) break;
      block_ = smaller;
    }
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

/// (g [K, ...y], q, k, v, mask?): with s = p (g vᵀ - <p, g vᵀ>): dq = scale s k, dk = scale sᵀ q, dv = pᵀ g.
/// A head's keys and values belong to one thread, so that sums have one order.
class Gradient final : public AttentionKernel {
 public:
  explicit Gradient(const NodeSignature& s)
      : AttentionKernel("cpu-attention-gradient", s, 1), cotangents_(s.inputs[0].shape[0]) {}
  size_t scratchBytes() const override {
    return static_cast<size_t>(mostThreads()) * (2 * scoresBytes_ + productBytes_);
  }
  double flops() const override {
    return static_cast<double>(cotangents_) * static_cast<double>(headCount() * queries_ * keys_) *
           static_cast<double>(6 * depth_ + 4 * width_);
  }
  void run(const KernelArguments& k) const override {
    const int64_t heads = headCount();
    overSlots(cotangents_ * heads, threads(), 2 * scoresBytes_ + productBytes_, k.scratch,
              [&](int64_t item, std::byte* slot) { head(k, item / heads, item % heads, slot); });
  }

 private:
  void head(const KernelArguments& k, int64_t cotangent, int64_t head, std::byte* slot) const {
    const int64_t at = cotangent * headCount() + head;
    float *p = reinterpret_cast<float*>(slot), *s = reinterpret_cast<float*>(slot + scoresBytes_);
    std::byte* scratch = slot + 2 * scoresBytes_;
    const float *g = k.inputs[0].as<float>() + at * queries_ * width_,
                *q = k.inputs[1].as<float>() + head * queries_ * depth_;
    const float *key = k.inputs[2].as<float>() + head * keys_ * depth_,
                *v = k.inputs[3].as<float>() + head * keys_ * width_;
    float *dq = k.outputs[0].as<float>() + at * queries_ * depth_,
          *dk = k.outputs[1].as<float>() + at * keys_ * depth_;
    float* dv = k.outputs[2].as<float>() + at * keys_ * width_;
    std::fill_n(dk, keys_ * depth_, 0.0f);
    std::fill_n(dv, keys_ * width_, 0.0f);
    if (keys_ == 0) return std::fill_n(dq, queries_ * depth_, 0.0f), void();
    GemmOptions scaled, more, moreScaled;
    scaled.alpha = moreScaled.alpha = scale_;
    more.beta = moreScaled.beta = 1;
    for (int64_t row = 0; row < queries_; row += block_) {
      const int64_t count = std::min(block_, queries_ - row), keys = seen(row + count);
      const MatrixSource gRows{g + row * width_, width_, false, DType::F32};
      const KeyRun all{0, keys};
      probabilities(k, head, row, count, {&all, 1}, p, scratch);
      gemm(isa(), {count, keys, width_}, gRows, {v, width_, true, DType::F32}, s, keys_, {}, 1, scratch);
      for (int64_t i = 0; i < count; ++i)
        isa().rows->softmaxGrad(s + i * keys_, p + i * keys_, s + i * keys_, keys, false);
      gemm(isa(), {count, depth_, keys}, {s, keys_, false, DType::F32}, {key, depth_, false, DType::F32},
           dq + row * depth_, depth_, scaled, 1, scratch);
      gemm(isa(), {keys, depth_, count}, {s, keys_, true, DType::F32},
           {q + row * depth_, depth_, false, DType::F32}, dk, depth_, moreScaled, 1, scratch);
      gemm(isa(), {keys, width_, count}, {p, keys_, true, DType::F32}, gRows, dv, width_, more, 1, scratch);
    }
  }

  int64_t cotangents_;
};

template <bool Observes>
std::unique_ptr<Kernel> makeForward(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  return std::make_unique<Forward>(s, Observes);
}
std::unique_ptr<Kernel> makeGradient(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  return std::make_unique<Gradient>(s);
}
const RegisterKernel forward({.op = "attention", .backend = "cpu", .make = makeForward<false>});
const RegisterKernel observed({.op = "observedAttention", .backend = "cpu", .make = makeForward<true>});
const RegisterKernel gradient({.op = "attentionGrad", .backend = "cpu", .make = makeGradient});

}  // namespace
}  // namespace ascribe::cpu
