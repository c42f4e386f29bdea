#include <limits>
#include <memory>

#include "kernels/cpu/attention_kernel.h"
#include "kernels/cpu/over_slots.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

/// (g [K, ...y], q, k, v, mask?): with s = p (g vᵀ - <p, g vᵀ>): dq = scale s k, dk = scale sᵀ q, dv = pᵀ g.
/// A tile of rows at a time makes its p and s, while they are in the first-level cache, and from s its rows of dq; a block of
/// them, in the second, is then read by columns for what it adds to dk and dv. Keys and values are packed once a head. A causal
/// tile stops at its last row's keys. A head's keys and values belong to one thread, so that sums have one order.
class AttentionGradient final : public AttentionKernel {
 public:
  explicit AttentionGradient(const NodeSignature& s)
      : AttentionKernel("cpu-attention-gradient", s, 1), gemm_(*isa().gemm), cotangents_(s.inputs[0].shape[0]) {
    const int64_t tall = upTo(block_, gemm_.rowTile), long_ = upTo(keys_, gemm_.columnTile);
    // Whole pairs of vectors, and an odd number of cache lines, so that rows of a tile do not evict each other.
    apart_ = upTo(keys_, 32) + 16;
    const auto room = [this](int64_t words) {
      const size_t at = slotBytes_;
      slotBytes_ += alignedBytes(static_cast<size_t>(words) * 4);
      return at;
    };
    keyLinesAt_ = room(long_ * gemm_.words(depth_));
    keyColumnsAt_ = room(upTo(depth_, gemm_.columnTile) * gemm_.words(keys_));
    valueLinesAt_ = room(long_ * gemm_.words(width_));
    queryLinesAt_ = room(tall * gemm_.words(depth_));
    queryColumnsAt_ = room(upTo(depth_, gemm_.columnTile) * gemm_.words(block_));
    gradientLinesAt_ = room(tall * gemm_.words(width_));
    gradientColumnsAt_ = room(upTo(width_, gemm_.columnTile) * gemm_.words(block_));
    weightsAt_ = room(tall * apart_);
    scoresAt_ = room(tall * apart_);
    packedAt_ = room(gemm_.pair == 1 ? 0 : gemm_.rowTile * gemm_.words(std::max(keys_, block_)));
  }
  size_t scratchBytes() const override { return static_cast<size_t>(mostThreads()) * slotBytes_; }
  double flops() const override {
    return static_cast<double>(cotangents_ * headCount()) * seenPairs() * static_cast<double>(6 * depth_ + 4 * width_);
  }
  void run(const KernelArguments& k) const override {
    const int64_t heads = headCount();
    overSlots(cotangents_ * heads, threads(), slotBytes_, k.scratch, [&](int64_t item, std::byte* slot) { gradientOf(k, item / heads, item % heads, slot); });
  }

 private:
  static int64_t upTo(int64_t count, int64_t tile) { return (count + tile - 1) / tile * tile; }
  static float* at(std::byte* room, size_t offset) { return reinterpret_cast<float*>(room + offset); }
  /// A block of rows and where its operands lie.
  struct Block {
    int64_t head, row, count, keys;
    const float *g, *q;
  };

  void gradientOf(const KernelArguments& k, int64_t cotangent, int64_t head, std::byte* room) const {
    const int64_t own = cotangent * headCount() + head;
    const float *g = k.inputs[0].as<float>() + own * queries_ * width_, *q = k.inputs[1].as<float>() + head * queries_ * depth_;
    float *dq = k.outputs[0].as<float>() + own * queries_ * depth_, *dk = k.outputs[1].as<float>() + own * keys_ * depth_,
          *dv = k.outputs[2].as<float>() + own * keys_ * width_;
    if (keys_ == 0) return std::fill_n(dq, queries_ * depth_, 0.0F), void();
    const float *keys = k.inputs[2].as<float>() + head * keys_ * depth_, *values = k.inputs[3].as<float>() + head * keys_ * width_;
    packLines(false, at(room, keyLinesAt_), keys, keys_, depth_);
    packLines(false, at(room, valueLinesAt_), values, keys_, width_);
    packColumns(at(room, keyColumnsAt_), keys, keys_, depth_);
    int64_t known = 0;
    for (int64_t row = 0; row < queries_; row += block_) {
      const int64_t count = std::min(block_, queries_ - row);
      const Block block{head, row, count, seen(row + count), g + row * width_, q + row * depth_};
      packLines(true, at(room, queryLinesAt_), block.q, count, depth_);
      packLines(true, at(room, gradientLinesAt_), block.g, count, width_);
      packColumns(at(room, queryColumnsAt_), block.q, count, depth_);
      packColumns(at(room, gradientColumnsAt_), block.g, count, width_);
      for (int64_t i = 0; i < count; i += gemm_.rowTile) rowsOfTile(k, block, i, dq, room);
      // Keys that no row before has seen begin at 0.
      std::fill_n(dk + known * depth_, (block.keys - known) * depth_, 0.0F);
      std::fill_n(dv + known * width_, (block.keys - known) * width_, 0.0F);
      known = block.keys;
      addColumns(block, at(room, scoresAt_), at(room, queryColumnsAt_), depth_, scale_, dk, room);
      addColumns(block, at(room, weightsAt_), at(room, gradientColumnsAt_), width_, 1, dv, room);
    }
    std::fill_n(dk + known * depth_, (keys_ - known) * depth_, 0.0F);
    std::fill_n(dv + known * width_, (keys_ - known) * width_, 0.0F);
  }

  /// Panels of lines, as rows or as columns of a product.
  void packLines(bool asRows, float* panels, const float* lines, int64_t count, int64_t depth) const {
    const int64_t tile = asRows ? gemm_.rowTile : gemm_.columnTile;
    for (int64_t i = 0; i < count; i += tile)
      (asRows ? gemm_.packA : gemm_.packB)[0].lines(panels + i * gemm_.words(depth), lines + i * depth, depth, std::min(tile, count - i), depth);
  }
  /// Panels of the columns of `lines`.
  void packColumns(float* panels, const float* lines, int64_t count, int64_t columns) const {
    for (int64_t c = 0; c < columns; c += gemm_.columnTile)
      gemm_.packB[0].columns(panels + c * gemm_.words(count), lines + c, columns, std::min<int64_t>(gemm_.columnTile, columns - c), count);
  }

  /// Probabilities and s of rows [i, i + rowTile) of a block, and their rows of dq.
  void rowsOfTile(const KernelArguments& k, const Block& block, int64_t i, float* dq, std::byte* room) const {
    const int64_t rows = std::min<int64_t>(gemm_.rowTile, block.count - i), first = block.row + i, keys = seen(first + rows);
    float *p = at(room, weightsAt_) + i * apart_, *s = at(room, scoresAt_) + i * apart_;
    product(rows, keys, depth_, at(room, queryLinesAt_) + i * gemm_.words(depth_), at(room, keyLinesAt_), p, apart_, scale_);
    product(rows, keys, width_, at(room, gradientLinesAt_) + i * gemm_.words(width_), at(room, valueLinesAt_), s, apart_, 1);
    // The tiles of keys that read these rows by columns may begin before the last of them and end behind it.
    constexpr float nothing = std::numeric_limits<float>::quiet_NaN();
    const int64_t cleared = std::min(block.keys, keys + gemm_.rowTile);
    for (int64_t r = 0; r < rows; ++r) {
      float *weights = p + r * apart_, *gradients = s + r * apart_;
      const int64_t own = causal_ ? std::clamp<int64_t>(first + r - queries_ + keys_ + 1, 0, keys) : keys;
      addMask(k, block.head, first + r, weights, own);
      const double total = isa().rows->exponentials(weights, own, cleared);
      isa().rows->attentionGrad(weights, gradients, own, static_cast<float>(1.0 / total));
      std::fill(gradients + own, gradients + cleared, 0.0F);
      // A row that sees nothing has no probabilities.
      if (own == 0) std::fill_n(weights, keys, nothing), std::fill_n(gradients, keys, nothing);
    }
    const float* lines = s;
    int64_t stride = apart_;
    if (gemm_.pair != 1) {
      gemm_.packA[0].lines(at(room, packedAt_), s, apart_, rows, keys);
      lines = at(room, packedAt_), stride = 0;
    }
    for (int64_t c = 0; c < depth_; c += gemm_.columnTile)
      gemm_.tile(rows, std::min<int64_t>(gemm_.columnTile, depth_ - c), keys, lines, stride, at(room, keyColumnsAt_) + c * gemm_.words(keys_),
                 dq + first * depth_ + c, depth_, {.alpha = scale_});
  }
  void product(int64_t rows, int64_t columns, int64_t depth, const float* a, const float* b, float* c, int64_t ldc, float alpha) const {
    for (int64_t j = 0; j < columns; j += gemm_.columnTile)
      gemm_.tile(rows, std::min<int64_t>(gemm_.columnTile, columns - j), depth, a, 0, b + j * gemm_.words(depth), c + j, ldc, {.alpha = alpha});
  }
  void addMask(const KernelArguments& k, int64_t head, int64_t row, float* scores, int64_t count) const {
    const float* mask = maskOf(k, head);
    if (!mask) return;
    const int64_t keyStep = maskStrides_[static_cast<size_t>(heads_.rank()) + 1];
    mask += row * maskStrides_[static_cast<size_t>(heads_.rank())];
    if (keyStep == 1) return isa().rows->axpy(1, mask, scores, count);
    for (int64_t j = 0; j < count; ++j) scores[j] += mask[j * keyStep];
  }

  /// What the rows of a block add to dk or dv: the columns of `lines`, p or s, times `others`, which lie in panels of `columns`.
  void addColumns(const Block& block, const float* lines, const float* others, int64_t columns, float alpha, float* out, std::byte* room) const {
    for (int64_t key = 0; key < block.keys; key += gemm_.rowTile) {
      const int64_t keys = std::min<int64_t>(gemm_.rowTile, block.keys - key);
      // Tiles of causal rows that see none of these keys have not written theirs.
      int64_t from = 0;
      if (causal_)
        while (from + gemm_.rowTile < block.count && seen(block.row + from + gemm_.rowTile) <= key) from += gemm_.rowTile;
      const float* panel = lines + from * apart_ + key;
      int64_t stride = -apart_;
      if (gemm_.pair != 1) {
        gemm_.packA[0].columns(at(room, packedAt_), panel, apart_, keys, block.count - from);
        panel = at(room, packedAt_), stride = 0;
      }
      for (int64_t c = 0; c < columns; c += gemm_.columnTile)
        gemm_.tile(keys, std::min<int64_t>(gemm_.columnTile, columns - c), block.count - from, panel, stride,
                   others + c * gemm_.words(block.count) + gemm_.words(from) * gemm_.columnTile, out + key * columns + c, columns, {.alpha = alpha, .beta = 1});
    }
  }

  const GemmKernels& gemm_;
  int64_t cotangents_, apart_ = 0;
  size_t keyLinesAt_ = 0, keyColumnsAt_ = 0, valueLinesAt_ = 0, queryLinesAt_ = 0, queryColumnsAt_ = 0, gradientLinesAt_ = 0, gradientColumnsAt_ = 0,
         weightsAt_ = 0, scoresAt_ = 0, packedAt_ = 0, slotBytes_ = 0;
};

std::unique_ptr<Kernel> makeGradient(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  return std::make_unique<AttentionGradient>(s);
}
const RegisterKernel gradient({.op = "attentionGrad", .backend = "cpu", .make = makeGradient});

}  // namespace
}  // namespace ascribe::cpu
