#pragma once
#include <cstddef>

#include "runtime/memory.h"

namespace ascribe::cpu {

/// Bytes rounded up so that what follows starts on a cache line of its own.
constexpr size_t alignedBytes(size_t bytes) { return (bytes + 63) / 64 * 64; }

/// Cache-line aligned floats that a kernel owns (packed weights), charged to the process.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(size_t count) : block_(nullptr, count * sizeof(float), "packed weights") {}
  float* data() const { return static_cast<float*>(block_.data()); }
  size_t bytes() const { return block_.bytes(); }

 private:
  Block block_;
};

}  // namespace ascribe::cpu
