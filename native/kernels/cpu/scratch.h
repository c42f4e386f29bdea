#pragma once
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace ascribe::cpu {

/// Bytes rounded up so that what follows starts on a cache line of its own.
constexpr size_t alignedBytes(size_t bytes) { return (bytes + 63) / 64 * 64; }

/// Cache-line aligned floats that a kernel owns (packed weights).
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(size_t count) : count_(count) {
    if (count == 0) return;
    data_.reset(static_cast<float*>(std::aligned_alloc(64, alignedBytes(count * sizeof(float)))));
    if (!data_) throw std::bad_alloc();
  }
  float* data() const { return data_.get(); }
  size_t bytes() const { return count_ * sizeof(float); }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Free> data_;
  size_t count_ = 0;
};

}  // namespace ascribe::cpu
