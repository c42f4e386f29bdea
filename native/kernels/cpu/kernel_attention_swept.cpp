#include <limits>
#include <memory>

#include "kernels/cpu/attention_kernel.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

constexpr int64_t kFewQueries = 4;
/// Keys that a tile of rows reads before its values are added up: their scores stay in the first-level cache, and they
/// with their values in the second, for all tiles of a block.
constexpr int64_t kPiece = 512;
/// Rows of scores are that far apart: lines of rows 2 KB apart would evict each other. Whole pairs of vectors fit behind a piece.
constexpr int64_t kApart = kPiece + 16;

/// Tile by tile of rows and piece by piece of keys: scores, their exponentials by the greatest score so far, and their
/// product with the values, added to what pieces before gave, corrected where the greatest has grown; divided by the sum
/// of the exponentials in the end (Milakov and Gimelshein, arXiv 1805.02867; Rabe and Staats, arXiv 2112.05682). Keys and
/// values of a head are packed once for all its rows, where a row reads them at all; a causal tile stops at its last
/// row's keys, and exponentials are those of each row's own.
class SweptAttention final : public AttentionKernel {
 public:
  explicit SweptAttention(const NodeSignature& s) : AttentionKernel("cpu-attention", s, 0) {
    const GemmKernels& gemm = *isa().gemm;
    // Few heads, which cannot be dealt out evenly to the threads: more blocks, and these of one size.
    // Not under a mask: it is told by the block which keys are left out, and so the order of sums would follow from the machine.
    const int64_t threadsAtMost = mostThreads(), tile = gemm.rowTile;
    for (int64_t blocks = (queries_ + block_ - 1) / block_;
         !s.has(3) && headCount() * blocks % threadsAtMost != 0 && headCount() * blocks < 8 * threadsAtMost; ++blocks) {
      const int64_t smaller = ((queries_ + blocks) / (blocks + 1) + tile - 1) / tile * tile;
      if (smaller < 2 * tile) break;
      block_ = smaller;
    }
    blocks_ = (queries_ + block_ - 1) / block_;
    paddedKeys_ = (keys_ + kKeyTile - 1) / kKeyTile * kKeyTile;
    const int64_t tall = (block_ + tile - 1) / tile * tile;
    const int64_t valuePanels = (width_ + gemm.columnTile - 1) / gemm.columnTile;
    const auto room = [this](int64_t words) {
      const size_t at = slotBytes_;
      slotBytes_ += alignedBytes(static_cast<size_t>(words) * 4);
      return at;
    };
    keysAt_ = room(paddedKeys_ * gemm.words(depth_));
    valuesAt_ = room(valuePanels * gemm.columnTile * gemm.words(paddedKeys_));
    queriesAt_ = room(tall * gemm.words(depth_));
    scoresAt_ = room(gemm.rowTile * kApart);
    topsAt_ = room(block_);
    totalsAt_ = room(2 * block_);
    packedAt_ = room((paddedKeys_ / kKeyTile + 3) / 4);
    runsAt_ = slotBytes_;
    slotBytes_ += runsBytes_;
  }
  size_t scratchBytes() const override { return static_cast<size_t>(mostThreads()) * slotBytes_; }
  double flops() const override {
    return 2.0 * static_cast<double>(headCount()) * seenPairs() * static_cast<double>(depth_ + width_);
  }
  void run(const KernelArguments& k) const override {
    const int64_t items = headCount() * blocks_, slots = std::clamp<int64_t>(threads(), 1, std::max<int64_t>(1, items));
    parallelFor(slots, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slot = begin; slot < end; ++slot) {
        std::byte* room = k.scratch + static_cast<size_t>(slot) * slotBytes_;
        int64_t known = -1;
        for (int64_t item = items * slot / slots; item < items * (slot + 1) / slots; ++item) {
          const int64_t head = item / blocks_, row = item % blocks_ * block_;
          if (head != known) std::fill_n(reinterpret_cast<bool*>(room + packedAt_), paddedKeys_ / kKeyTile, false);
          known = head;
          block(k, head, row, std::min(block_, queries_ - row), room);
        }
      }
    });
  }

 private:
  float* at(std::byte* room, size_t offset) const { return reinterpret_cast<float*>(room + offset); }

  void block(const KernelArguments& k, int64_t head, int64_t row, int64_t count, std::byte* room) const {
    const GemmKernels& gemm = *isa().gemm;
    const float* q = k.inputs[0].as<float>() + (head * queries_ + row) * depth_;
    for (int64_t i = 0; i < count; i += gemm.rowTile)
      gemm.packA[0].lines(at(room, queriesAt_) + i * gemm.words(depth_), q + i * depth_, depth_, std::min<int64_t>(gemm.rowTile, count - i), depth_);
    float *y = k.outputs[0].as<float>() + (head * queries_ + row) * width_, *tops = at(room, topsAt_);
    auto* totals = reinterpret_cast<double*>(room + totalsAt_);
    std::fill_n(y, count * width_, 0.0F);
    std::fill_n(tops, count, -std::numeric_limits<float>::infinity());
    std::fill_n(totals, count, 0.0);
    for (const auto [begin, keys] : runsOf(k, head, row, count, reinterpret_cast<KeyRun*>(room + runsAt_)))
      for (int64_t first = begin; first < begin + keys; first += kPiece) {
        const int64_t width = std::min(kPiece, begin + keys - first);
        pack(k, head, first, width, room);
        for (int64_t i = 0; i < count; i += gemm.rowTile) rowsOfPiece(k, head, row, i, std::min<int64_t>(gemm.rowTile, count - i), first, width, room);
      }
    for (int64_t i = 0; i < count; ++i) {
      const float scale = static_cast<float>(1.0 / totals[i]);
      for (int64_t j = 0; j < width_; ++j) y[i * width_ + j] *= scale;
    }
  }

  /// Keys [first, first + count) and their values, as far as they are not packed yet.
  void pack(const KernelArguments& k, int64_t head, int64_t first, int64_t count, std::byte* room) const {
    const GemmKernels& gemm = *isa().gemm;
    const float *keys = k.inputs[1].as<float>() + head * keys_ * depth_, *values = k.inputs[2].as<float>() + head * keys_ * width_;
    bool* packed = reinterpret_cast<bool*>(room + packedAt_);
    for (int64_t from = first; from < first + count; from += kKeyTile) {
      if (packed[from / kKeyTile]) continue;
      packed[from / kKeyTile] = true;
      const int64_t here = std::min(kKeyTile, keys_ - from);
      for (int64_t j = 0; j < here; j += gemm.columnTile)
        gemm.packB[0].lines(keyPanel(room, from + j), keys + (from + j) * depth_, depth_, std::min<int64_t>(gemm.columnTile, here - j), depth_);
      for (int64_t c = 0; c < width_; c += gemm.columnTile)
        gemm.packB[0].columns(valuePanel(room, c, from), values + from * width_ + c, width_, std::min<int64_t>(gemm.columnTile, width_ - c), here);
    }
  }
  float* keyPanel(std::byte* room, int64_t key) const { return at(room, keysAt_) + key * isa().gemm->words(depth_); }
  float* valuePanel(std::byte* room, int64_t column, int64_t key) const {
    return at(room, valuesAt_) + column * isa().gemm->words(paddedKeys_) + isa().gemm->words(key) * isa().gemm->columnTile;
  }

  /// Rows [i, i + count) of the block that begins at `row`, against keys [first, first + width).
  void rowsOfPiece(const KernelArguments& k, int64_t head, int64_t row, int64_t i, int64_t count, int64_t first, int64_t width, std::byte* room) const {
    const GemmKernels& gemm = *isa().gemm;
    const auto own = [&](int64_t r) { return causal_ ? std::clamp<int64_t>(row + i + r - queries_ + keys_ + 1 - first, 0, width) : width; };
    const int64_t most = own(count - 1);
    if (most == 0) return;
    float* scores = at(room, scoresAt_);
    const float* mask = maskOf(k, head);
    // The exponential takes the scale for nothing, where nothing is added to what is scaled and the order stays.
    const bool isLate = gemm.pair == 2 && mask == nullptr && scale_ > 0;
    for (int64_t j = 0; j < most; j += gemm.columnTile)
      gemm.tile(count, std::min<int64_t>(gemm.columnTile, width - j), depth_, at(room, queriesAt_) + i * gemm.words(depth_), 0, keyPanel(room, first + j), scores + j, kApart,
                {.alpha = isLate ? 1 : scale_});
    const int64_t rowStep = maskStrides_[static_cast<size_t>(heads_.rank())], keyStep = maskStrides_[static_cast<size_t>(heads_.rank()) + 1];
    float *tops = at(room, topsAt_), *y = k.outputs[0].as<float>() + (head * queries_ + row + i) * width_;
    auto* totals = reinterpret_cast<double*>(room + totalsAt_);
    for (int64_t r = 0; r < count; ++r) {
      float* line = scores + r * kApart;
      const int64_t seenKeys = own(r);
      if (mask) {
        const float* added = mask + (row + i + r) * rowStep + first * keyStep;
        if (keyStep == 1) isa().rows->axpy(1, added, line, seenKeys);
        else
          for (int64_t j = 0; j < seenKeys; ++j) line[j] += added[j * keyStep];
      }
      const bool isFirst = totals[i + r] == 0;
      const float factor = isa().rows->softmaxPiece(line, seenKeys, most, isLate ? scale_ : 1, tops + i + r, totals + i + r);
      if (factor != 1 && !isFirst)
        for (int64_t j = 0; j < width_; ++j) y[r * width_ + j] *= factor;
    }
    for (int64_t c = 0; c < width_; c += gemm.columnTile)
      gemm.tile(count, std::min<int64_t>(gemm.columnTile, width_ - c), most, scores, kApart, valuePanel(room, c, first), y + c, width_, {.beta = 1});
  }

  int64_t blocks_ = 0, paddedKeys_ = 0;
  size_t keysAt_ = 0, valuesAt_ = 0, queriesAt_ = 0, scoresAt_ = 0, topsAt_ = 0, totalsAt_ = 0, packedAt_ = 0, runsAt_ = 0, slotBytes_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> makeSweptAttention(const NodeSignature& s) {
  // A few rows are read against keys where they lie; nothing to read is the others' matter too.
  if (s.inputs[0].shape.at(-2) <= kFewQueries || s.inputs[1].shape.at(-2) == 0 || s.inputs[0].shape.at(-1) == 0) return nullptr;
  return std::make_unique<SweptAttention>(s);
}

}  // namespace ascribe::cpu
