#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "graph/host_tensor.h"
#include "kernels/cpu/scratch.h"

namespace ascribe::cpu {

/// Bytes of a panel whose columns are `blocks` blocks of 32 deep. `Q8_0`: scales of all blocks (sixteen f16 each), then the
/// integers, 128 more than they are. `Q4_K`, 256 deep at a time: scales and offsets f16, own scale and offset of each part as
/// bytes, nibbles. `Q6_K`, likewise: scales f16, own scale of each sixteen, then for each block nibbles and pairs of bits.
/// Integers of a block lie in groups of four neighbours of a column, a group of all sixteen columns in 64 bytes; groups g and g + 4
/// share their bytes where they are nibbles, four groups where they are pairs of bits.
size_t blockPanelBytes(DType type, int64_t blocks);
/// Where the integers of Q8_0 begin.
constexpr size_t integersOfQ8_0(int64_t blocks) { return alignedBytes(static_cast<size_t>(blocks) * 32); }
constexpr size_t kPanelQ4_K = 64 + 8 * 32 + 8 * 256, kPanelQ6_K = 32 + 16 * 16 + 8 * 384 + 32;

/// Weights in blocks [columns, depth], a column's blocks behind each other, as panels of sixteen columns. About as large as
/// they are stored (2.8 % more for Q4_K).
class BlockPanels {
 public:
  BlockPanels(DType type, const void* weights, int64_t columns, int64_t depth);
  const std::byte* panel(int64_t index) const { return data() + static_cast<size_t>(index) * bytes_; }
  int64_t count() const { return count_; }
  size_t bytes() const { return room_.bytes(); }

 private:
  std::byte* data() const { return reinterpret_cast<std::byte*>(room_.data()); }
  int64_t count_;
  size_t bytes_;
  AlignedFloats room_;
};

/// Made once, and shared by all plans that read the same weights at the same time.
std::shared_ptr<const BlockPanels> blockPanelsOnce(const HostTensor& weights);

}  // namespace ascribe::cpu
