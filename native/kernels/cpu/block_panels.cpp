#include "kernels/cpu/block_panels.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "kernels/cpu/block_kernels.h"
#include "kernels/cpu/shared_pack.h"
#include "runtime/parallel.h"

namespace ascribe::cpu {
namespace {

uint32_t wordAt(const uint8_t* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Puts columns' blocks into one panel.
class Writer {
 public:
  Writer(uint8_t* panel, int64_t blocks) : panel_(panel), blocks_(blocks) {}

  void putQ8_0(int64_t column, const uint8_t* block) const {
    for (int64_t b = 0; b < blocks_; ++b, block += 34) {
      std::memcpy(panel_ + 32 * b + 2 * column, block, 2);
      uint8_t* to = panel_ + integersOfQ8_0(blocks_) + 512 * b + 4 * column;
      for (int64_t group = 0; group < 8; ++group) put(to + 64 * group, wordAt(block + 2 + 4 * group) ^ 0x80808080u);
    }
  }

  void putQ4_K(int64_t column, const uint8_t* block) const {
    uint8_t* to = panel_;
    for (int64_t b = 0; b < blocks_; b += 8, block += 144, to += kPanelQ4_K) {
      std::memcpy(to + 2 * column, block, 2);
      std::memcpy(to + 32 + 2 * column, block + 2, 2);
      const uint8_t *parts = block + 4, *nibbles = block + 16;
      for (int64_t part = 0; part < 8; ++part) {
        const int64_t low = part & 3;
        const int own = part < 4 ? parts[low] & 63 : (parts[low + 8] & 15) | (parts[low] >> 6 << 4);
        const int less = part < 4 ? parts[low + 4] & 63 : (parts[low + 8] >> 4) | (parts[low + 4] >> 6 << 4);
        to[64 + 32 * part + column] = static_cast<uint8_t>(own);
        to[64 + 32 * part + 16 + column] = static_cast<uint8_t>(less);
        const uint8_t* from = nibbles + part / 2 * 32;
        const auto group = [&](int64_t g) { return wordAt(from + 4 * g) >> (part % 2 * 4) & 0x0f0f0f0fu; };
        for (int64_t g = 0; g < 4; ++g) put(to + 320 + 256 * part + 64 * g + 4 * column, group(g) | group(g + 4) << 4);
      }
    }
  }

  void putQ6_K(int64_t column, const uint8_t* block) const {
    uint8_t* to = panel_;
    for (int64_t b = 0; b < blocks_; b += 8, block += 210, to += kPanelQ6_K) {
      std::memcpy(to + 2 * column, block + 208, 2);
      for (int64_t part = 0; part < 16; ++part) to[32 + 16 * part + column] = block[192 + part];
      for (int64_t part = 0; part < 8; ++part) {
        const int64_t quarter = part & 3;
        const uint8_t *low = block + part / 4 * 64 + (quarter & 1) * 32, *high = block + 128 + part / 4 * 32;
        const auto nibbles = [&](int64_t g) { return wordAt(low + 4 * g) >> (quarter / 2 * 4) & 0x0f0f0f0fu; };
        const auto pairs = [&](int64_t g) { return wordAt(high + 4 * g) >> (2 * quarter) & 0x03030303u; };
        uint8_t* at = to + 288 + 384 * part + 4 * column;
        for (int64_t g = 0; g < 4; ++g) put(at + 64 * g, nibbles(g) | nibbles(g + 4) << 4);
        for (int64_t g = 0; g < 8; g += 4) put(at + 256 + 16 * g, pairs(g) | pairs(g + 1) << 2 | pairs(g + 2) << 4 | pairs(g + 3) << 6);
      }
    }
  }

 private:
  static void put(uint8_t* at, uint32_t word) { std::memcpy(at, &word, sizeof word); }
  uint8_t* panel_;
  int64_t blocks_;
};

}  // namespace

size_t blockPanelBytes(DType type, int64_t blocks) {
  const auto count = static_cast<size_t>(blocks);
  if (type == DType::Q8_0) return integersOfQ8_0(blocks) + 512 * count;
  return count / 8 * (type == DType::Q4_K ? kPanelQ4_K : kPanelQ6_K);
}

BlockPanels::BlockPanels(DType type, const void* weights, int64_t columns, int64_t depth)
    : count_((columns + kBlockColumns - 1) / kBlockColumns),
      bytes_(blockPanelBytes(type, depth / kRowBlock)),
      room_(static_cast<size_t>(count_) * bytes_ / sizeof(float)) {
  const size_t columnBytes = bytesOf(type, depth);
  parallelFor(count_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      auto* to = reinterpret_cast<uint8_t*>(data()) + static_cast<size_t>(index) * bytes_;
      const int64_t first = index * kBlockColumns, present = std::min(kBlockColumns, columns - first);
      if (present < kBlockColumns) std::memset(to, 0, bytes_);
      const Writer writer(to, depth / kRowBlock);
      for (int64_t column = 0; column < present; ++column) {
        const uint8_t* from = static_cast<const uint8_t*>(weights) + static_cast<size_t>(first + column) * columnBytes;
        if (type == DType::Q8_0) writer.putQ8_0(column, from);
        else if (type == DType::Q4_K) writer.putQ4_K(column, from);
        else writer.putQ6_K(column, from);
      }
    }
  });
}

std::shared_ptr<const BlockPanels> blockPanelsOnce(const HostTensor& weights) {
  using Key = std::tuple<const void*, DType, int64_t, int64_t>;
  static SharedPacks<Key, BlockPanels> packs;
  const HostTensor::Identity identity = weights.identity();
  const int64_t columns = weights.shape()[0], depth = weights.shape()[1];
  return packs.get(identity, {identity.data, weights.dtype(), columns, depth},
                   [&] { return std::make_shared<const BlockPanels>(weights.dtype(), weights.data(), columns, depth); });
}

}  // namespace ascribe::cpu
