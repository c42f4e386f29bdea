#include <limits>
#include <memory>
#include <numeric>

#include "kernels/cpu/attention_kernel.h"
#include "kernels/cpu/attention_weights.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

constexpr int64_t kFewQueries = 4;
/// Keys that a tile of rows reads before its values are added up: their scores stay in the first-level cache, and they
/// with their values in the second, for all tiles of a block.
constexpr int64_t kPiece = 512;
/// Of weights in pairs of bf16 twice as many have the same room.
constexpr int64_t kPairsPiece = 2 * kPiece;
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
    if (gemm.pair == 2 && !s.has(3) && scale_ > 0) weights_ = weightKernel(isa());
    if (weights_) {
      tall_ = weights_->rows;
      piece_ = kPairsPiece;
      block_ = blockOf(queries_, keys_, tall_, causal_);
    }
    // Few heads, which cannot be dealt out evenly to the threads: more blocks, and these of one size.
    // Not under a mask: it is told by the block which keys are left out, and so the order of sums would follow from the machine.
    const int64_t threadsAtMost = mostThreads(), tile = tall_;
    for (int64_t blocks = (queries_ + block_ - 1) / block_;
         !s.has(3) && headCount() * blocks % threadsAtMost != 0 && headCount() * blocks < 8 * threadsAtMost; ++blocks) {
      const int64_t smaller = ((queries_ + blocks) / (blocks + 1) + tile - 1) / tile * tile;
      if (smaller < 2 * tile) break;
      block_ = smaller;
    }
    blocks_ = (queries_ + block_ - 1) / block_;
    paddedKeys_ = (keys_ + kKeyTile - 1) / kKeyTile * kKeyTile;
    const int64_t tiles = (block_ + tile - 1) / tile;
    const int64_t valuePanels = (width_ + gemm.columnTile - 1) / gemm.columnTile;
    const auto room = [this](int64_t words) {
      const size_t at = slotBytes_;
      slotBytes_ += alignedBytes(static_cast<size_t>(words) * 4);
      return at;
    };
    keysAt_ = room(paddedKeys_ * gemm.words(depth_));
    valuesAt_ = room(valuePanels * gemm.columnTile * gemm.words(paddedKeys_));
    queriesAt_ = room(tiles * gemm.rowTile * gemm.words(depth_));
    scoresAt_ = room(gemm.rowTile * kApart);
    topsAt_ = room(tiles * tile);
    totalsAt_ = room(tiles * tile * (weights_ ? weights_->lanes : 2));
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
    for (int64_t i = 0; i < count; i += tall_) gemm.packA[0].lines(queryPanel(room, i), q + i * depth_, depth_, std::min(tall_, count - i), depth_);
    float *y = k.outputs[0].as<float>() + (head * queries_ + row) * width_, *tops = at(room, topsAt_);
    std::fill_n(y, count * width_, 0.0F);
    if (weights_) {
      const int64_t rows = (count + tall_ - 1) / tall_ * tall_;
      std::fill_n(tops, rows, std::numeric_limits<float>::lowest());
      std::fill_n(at(room, totalsAt_), rows * weights_->lanes, 0.0F);
    } else {
      std::fill_n(tops, count, -std::numeric_limits<float>::infinity());
      std::fill_n(totals(room), count, 0.0);
    }
    for (const auto [begin, keys] : runsOf(k, head, row, count, reinterpret_cast<KeyRun*>(room + runsAt_)))
      for (int64_t first = begin; first < begin + keys; first += piece_) {
        const Piece piece{first, std::min(piece_, begin + keys - first)};
        pack(k, head, piece.first, piece.count, room);
        for (int64_t i = 0; i < count; i += tall_) rowsOfPiece(k, head, {row, i, std::min(tall_, count - i)}, piece, room);
      }
    for (int64_t i = 0; i < count; ++i) {
      const auto scale = static_cast<float>(1.0 / totalOf(room, i));
      for (int64_t j = 0; j < width_; ++j) y[i * width_ + j] *= scale;
    }
  }
  double* totals(std::byte* room) const { return reinterpret_cast<double*>(room + totalsAt_); }
  double totalOf(std::byte* room, int64_t row) const {
    if (!weights_) return totals(room)[row];
    const float* parts = at(room, totalsAt_) + row * weights_->lanes;
    return std::accumulate(parts, parts + weights_->lanes, 0.0);
  }
  float* queryPanel(std::byte* room, int64_t row) const { return at(room, queriesAt_) + row / tall_ * isa().gemm->rowTile * isa().gemm->words(depth_); }

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

  struct Rows {
    int64_t block, first, count;  // the block's first row, and the tile's within it
  };
  using Piece = KeyRun;

  void rowsOfPiece(const KernelArguments& k, int64_t head, const Rows& rows, const Piece& piece, std::byte* room) const {
    const int64_t reach = rows.block + rows.first - queries_ + keys_ + 1 - piece.first, step = causal_ ? 1 : 0;
    const int64_t seen = causal_ ? reach : piece.count, most = std::clamp<int64_t>(seen + (rows.count - 1) * step, 0, piece.count);
    if (most == 0) return;
    const GemmKernels& gemm = *isa().gemm;
    float *scores = at(room, scoresAt_), *y = k.outputs[0].as<float>() + (head * queries_ + rows.block + rows.first) * width_;
    if (weights_)
      weights_->run({queryPanel(room, rows.first), gemm.words(depth_), scale_, rows.count, at(room, topsAt_) + rows.first,
                     at(room, totalsAt_) + rows.first * weights_->lanes, y, width_},
                    {keyPanel(room, piece.first), piece.count, seen, step}, scores, kApart);
    else softmaxOfPiece(k, head, rows, piece, {seen, step, most}, y, room);
    for (int64_t c = 0; c < width_; c += gemm.columnTile)
      gemm.tile(rows.count, std::min<int64_t>(gemm.columnTile, width_ - c), most, scores, kApart, valuePanel(room, c, piece.first), y + c, width_, {.beta = 1});
  }

  /// Keys of a piece that its first row sees, how many more every other one does, and the last.
  struct Reach {
    int64_t seen, step, most;
  };
  /// Scores of a tile of rows become exponentials.
  void softmaxOfPiece(const KernelArguments& k, int64_t head, const Rows& rows, const Piece& piece, const Reach& reach, float* y, std::byte* room) const {
    const GemmKernels& gemm = *isa().gemm;
    const auto [first, width] = piece;
    float* scores = at(room, scoresAt_);
    const float* mask = maskOf(k, head);
    for (int64_t j = 0; j < reach.most; j += gemm.columnTile)
      gemm.tile(rows.count, std::min<int64_t>(gemm.columnTile, width - j), depth_, queryPanel(room, rows.first), 0, keyPanel(room, first + j), scores + j, kApart,
                {.alpha = scale_});
    const int64_t rowStep = maskStrides_[static_cast<size_t>(heads_.rank())], keyStep = maskStrides_[static_cast<size_t>(heads_.rank()) + 1];
    float* tops = at(room, topsAt_) + rows.first;
    double* sums = totals(room) + rows.first;
    for (int64_t r = 0; r < rows.count; ++r) {
      float* line = scores + r * kApart;
      const int64_t seenKeys = std::clamp<int64_t>(reach.seen + r * reach.step, 0, width);
      if (mask) {
        const float* added = mask + (rows.block + rows.first + r) * rowStep + first * keyStep;
        if (keyStep == 1) isa().rows->axpy(1, added, line, seenKeys);
        else
          for (int64_t j = 0; j < seenKeys; ++j) line[j] += added[j * keyStep];
      }
      const bool isFirst = sums[r] == 0;
      const float factor = isa().rows->softmaxPiece(line, seenKeys, reach.most, 1, tops + r, sums + r);
      if (factor != 1 && !isFirst)
        for (int64_t j = 0; j < width_; ++j) y[r * width_ + j] *= factor;
    }
  }

  const WeightKernel* weights_ = nullptr;
  int64_t tall_ = isa().gemm->rowTile, piece_ = kPiece;
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
