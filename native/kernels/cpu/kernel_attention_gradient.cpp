#include <algorithm>
#include <limits>
#include <memory>

#include "kernels/cpu/attention_kernel.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

/// (g [K, ...y], q, k, v, mask?): with s = p (g vᵀ - <p, g vᵀ>): dq = scale s k, dk = scale sᵀ q, dv = pᵀ g.
/// A tile of rows at a time makes its p and s, while they are in the first-level cache, and from s its rows of dq; a block of
/// them, in the second, is then read by columns for what it adds to dk and dv. Keys and values are packed once a head. A causal
/// tile stops at its last row's keys. What the first and the second half of a head's blocks add to dk and dv is summed apart
/// and then added, so that two threads may share a head (three heads on two would wait for the third) and sums have one order.
class AttentionGradient final : public AttentionKernel {
 public:
  explicit AttentionGradient(const NodeSignature& s)
      : AttentionKernel("cpu-attention-gradient", s, 1), gemm_(*isa().gemm), cotangents_(s.inputs[0].shape[0]) {
    tiles_ = (queries_ + gemm_.rowTile - 1) / gemm_.rowTile;
    blocks_ = (queries_ + block_ - 1) / block_;
    parts_ = blocks_ > 1 ? 2 : 1;
    const int64_t tall = blocks_ == 0 ? 0 : upTo(tiles_, blocks_) / blocks_ * gemm_.rowTile, padded = upTo(keys_, gemm_.columnTile);
    // Whole pairs of vectors, and an odd number of cache lines, so that rows of a tile do not evict each other.
    apart_ = upTo(keys_, 32) + 16;
    const auto room = [this](int64_t words) {
      const size_t at = slotBytes_;
      slotBytes_ += alignedBytes(static_cast<size_t>(words) * 4);
      return at;
    };
    keyLinesAt_ = room(padded * gemm_.words(depth_));
    keyColumnsAt_ = room(upTo(depth_, gemm_.columnTile) * gemm_.words(keys_));
    valueLinesAt_ = room(padded * gemm_.words(width_));
    queryColumnsAt_ = room(upTo(depth_, gemm_.columnTile) * gemm_.words(tall));
    gradientColumnsAt_ = room(upTo(width_, gemm_.columnTile) * gemm_.words(tall));
    weightsAt_ = room(tall * apart_);
    scoresAt_ = room(tall * apart_);
    packedAt_ = room(gemm_.rowTile * std::max({gemm_.pair == 1 ? 0 : gemm_.words(std::max(keys_, tall)), isInPlace(depth_) ? 0 : gemm_.words(depth_), isInPlace(width_) ? 0 : gemm_.words(width_)}));
    secondAt_ = room(parts_ == 1 ? 0 : keys_ * (depth_ + width_));
  }
  size_t scratchBytes() const override { return static_cast<size_t>(mostThreads()) * slotBytes_; }
  double flops() const override {
    return static_cast<double>(cotangents_ * headCount()) * seenPairs() * static_cast<double>(6 * depth_ + 4 * width_);
  }
  void run(const KernelArguments& k) const override {
    const int64_t items = cotangents_ * headCount() * parts_, slots = std::clamp<int64_t>(threads(), 1, std::max<int64_t>(1, items));
    const auto roomOf = [&](int64_t slot) { return k.scratch + static_cast<size_t>(slot) * slotBytes_; };
    parallelFor(slots, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slot = begin; slot < end; ++slot) {
        const int64_t first = items * slot / slots, last = items * (slot + 1) / slots;
        // Backwards: a second half waits in the slot's room until the first has been made, here next or by the slot before.
        for (int64_t item = last; item-- > first;) {
          const int64_t head = item / parts_, part = item % parts_;
          if (item + 1 == last || part == parts_ - 1) packKeys(k, head % headCount(), roomOf(slot));
          partOf(k, head, part, roomOf(slot));
          if (part == 0 && item + 1 < last && parts_ == 2) addSecond(k, head, roomOf(slot));
        }
      }
    });
    for (int64_t slot = 1; slot < slots; ++slot)
      if (const int64_t first = items * slot / slots; first % parts_ != 0) addSecond(k, first / parts_, roomOf(slot));
  }

 private:
  static int64_t upTo(int64_t count, int64_t tile) { return (count + tile - 1) / tile * tile; }
  static float* at(std::byte* room, size_t offset) { return reinterpret_cast<float*>(room + offset); }
  /// A block of rows and where its operands lie.
  struct Block {
    int64_t head, row, count, keys;
    const float *g, *q;
  };

  /// Where a block begins: tiles are dealt out evenly, and the last one may be a part.
  int64_t rowOf(int64_t block) const { return std::min(queries_, tiles_ * block / blocks_ * gemm_.rowTile); }
  /// Whether rows of so many elements are read where they lie: a multiple of 4 KB apart they would evict each other.
  bool isInPlace(int64_t depth) const { return gemm_.pair == 1 && depth % 1024 != 0; }

  void packKeys(const KernelArguments& k, int64_t head, std::byte* room) const {
    const float *keys = k.inputs[2].as<float>() + head * keys_ * depth_, *values = k.inputs[3].as<float>() + head * keys_ * width_;
    packLines(at(room, keyLinesAt_), keys, keys_, depth_);
    packLines(at(room, valueLinesAt_), values, keys_, width_);
    packColumns(at(room, keyColumnsAt_), keys, keys_, depth_);
  }

  /// One half of a head's blocks, or all of them: its rows of dq, and sums of dk and dv, those of the second half in the room.
  void partOf(const KernelArguments& k, int64_t own, int64_t part, std::byte* room) const {
    const int64_t head = own % headCount(), half = (blocks_ + 1) / 2;
    const float *g = k.inputs[0].as<float>() + own * queries_ * width_, *q = k.inputs[1].as<float>() + head * queries_ * depth_;
    float* dq = k.outputs[0].as<float>() + own * queries_ * depth_;
    float* dk = part == 0 ? k.outputs[1].as<float>() + own * keys_ * depth_ : at(room, secondAt_);
    float* dv = part == 0 ? k.outputs[2].as<float>() + own * keys_ * width_ : dk + keys_ * depth_;
    int64_t known = 0;
    for (int64_t b = part == 0 ? 0 : half; b < (parts_ == 2 && part == 0 ? half : blocks_); ++b) {
      const int64_t row = rowOf(b), count = rowOf(b + 1) - row;
      const Block block{head, row, count, seen(row + count), g + row * width_, q + row * depth_};
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
  void addSecond(const KernelArguments& k, int64_t own, std::byte* room) const {
    isa().rows->axpy(1, at(room, secondAt_), k.outputs[1].as<float>() + own * keys_ * depth_, keys_ * depth_);
    isa().rows->axpy(1, at(room, secondAt_) + keys_ * depth_, k.outputs[2].as<float>() + own * keys_ * width_, keys_ * width_);
  }

  /// Panels of lines.
  void packLines(float* panels, const float* lines, int64_t count, int64_t depth) const {
    for (int64_t i = 0; i < count; i += gemm_.columnTile)
      gemm_.packB[0].lines(panels + i * gemm_.words(depth), lines + i * depth, depth, std::min<int64_t>(gemm_.columnTile, count - i), depth);
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
    product(rows, keys, depth_, block.q + i * depth_, at(room, keyLinesAt_), p, scale_, room);
    product(rows, keys, width_, block.g + i * width_, at(room, valueLinesAt_), s, 1, room);
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
  /// Rows of `depth` elements times all lines of a panel, into rows of scores.
  void product(int64_t rows, int64_t keys, int64_t depth, const float* a, const float* lines, float* c, float alpha, std::byte* room) const {
    int64_t stride = depth;
    if (!isInPlace(depth)) {
      gemm_.packA[0].lines(at(room, packedAt_), a, depth, rows, depth);
      a = at(room, packedAt_), stride = 0;
    }
    for (int64_t j = 0; j < keys; j += gemm_.columnTile)
      gemm_.tile(rows, std::min<int64_t>(gemm_.columnTile, keys - j), depth, a, stride, lines + j * gemm_.words(depth), c + j, apart_, {.alpha = alpha});
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
  int64_t cotangents_, tiles_ = 0, blocks_ = 0, parts_ = 1, apart_ = 0;
  size_t keyLinesAt_ = 0, keyColumnsAt_ = 0, valueLinesAt_ = 0, queryColumnsAt_ = 0, gradientColumnsAt_ = 0, weightsAt_ = 0, scoresAt_ = 0,
         packedAt_ = 0, secondAt_ = 0, slotBytes_ = 0;
};

std::unique_ptr<Kernel> makeGradient(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  return std::make_unique<AttentionGradient>(s);
}
const RegisterKernel gradient({.op = "attentionGrad", .backend = "cpu", .make = makeGradient});

}  // namespace
}  // namespace ascribe::cpu
