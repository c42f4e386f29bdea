#pragma once
#include <limits>
#include <memory>
#include <span>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/strides.h"

namespace ascribe::cpu {

/// Queries that are worked on together: their scores against all keys are what a thread holds, in its second-level cache
/// where they fit. Keys and values are packed anew for each block, so it is not small either, and it is made of whole
/// tiles: of 32 rows in tiles of 14, four would be left over each time. A causal block computes scores that none of its
/// earlier rows sees, and what a mask hides is left out by the block, so there it takes fewer where sequences are short.
inline int64_t blockOf(int64_t queries, int64_t keys, int64_t rowTile, bool hides) {
  constexpr int64_t kScores = 40960, kLong = 512;
  const int64_t tiles = std::clamp(kScores / std::max<int64_t>(1, keys) / rowTile, int64_t{8}, int64_t{16});
  const int64_t most = (hides && queries < kLong ? 4 : tiles) * rowTile;
  if (queries <= most) return std::max<int64_t>(1, queries);
  const int64_t blocks = (queries + most - 1) / most;
  return ((queries + blocks - 1) / blocks + rowTile - 1) / rowTile * rowTile;
}

/// Keys are left out by so many together.
constexpr int64_t kKeyTile = 64;
/// What a mask adds where nothing may be read, and at most where something plainly may: between the two lies
/// more than any score, so that behind a softmax the former is exactly 0 in a row that has the latter.
constexpr float kHiddenScore = -1e29F, kShownScore = -1e20F;

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
    runsBytes_ = alignedBytes(static_cast<size_t>(keys_ / kKeyTile + 2) * sizeof(KeyRun));
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
  /// Scores of a head that are read at all, but for the mask.
  double seenPairs() const {
    const auto queries = static_cast<double>(queries_), keys = static_cast<double>(keys_);
    return causal_ && queries_ <= keys_ ? queries * (keys - 0.5 * (queries - 1)) : queries * keys;
  }
  /// What queries [row, row + count) of a head read, in runs of keys: whole tiles that the mask hides from
  /// all of them are left out (what lies behind a cache's end, before a window, or between texts that are
  /// packed together).
  std::span<const KeyRun> runsOf(const KernelArguments& k, int64_t head, int64_t row, int64_t count,
                                 KeyRun* runs) const {
    const int64_t keys = seen(row + count);
    runs[0] = {0, keys};
    const float* mask = maskOf(k, head);
    if (mask == nullptr || keys <= kKeyTile) return {runs, 1};
    const int64_t rowStep = maskStrides_[static_cast<size_t>(heads_.rank())],
                  keyStep = maskStrides_[static_cast<size_t>(heads_.rank()) + 1];
    // One row of a mask for all queries; the first of them sees the fewest keys.
    const int64_t rows = rowStep == 0 ? 1 : count;
    mask += row * rowStep;
    if (keyStep != 1) return {runs, 1};
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t own = causal_ ? std::min(keys, row + i - queries_ + keys_ + 1) : keys;
      int64_t j = 0;
      while (j < own && !(mask[i * rowStep + j] > kShownScore)) ++j;
      if (j >= own) return {runs, 1};
    }
    size_t found = 0;
    for (int64_t first = 0; first < keys; first += kKeyTile) {
      const int64_t last = std::min(keys, first + kKeyTile);
      bool isRead = false;
      for (int64_t i = 0; i < rows && !isRead; ++i)
        for (int64_t j = first; j < last; ++j) isRead |= !(mask[i * rowStep + j] <= kHiddenScore);
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

/// Attention that goes through keys piece by piece, for more rows than are read without packing.
std::unique_ptr<Kernel> makeSweptAttention(const NodeSignature& s);

}  // namespace ascribe::cpu
