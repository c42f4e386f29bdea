#pragma once
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace ascribe {

class MemoryBudget;

/// One aligned block that an execution owns. Blocks of a megabyte and more come straight from the system and go
/// straight back, so that peak memory is what runs, not what once ran.
class Block {
 public:
  Block() = default;
  Block(std::shared_ptr<MemoryBudget> budget, size_t bytes);
  Block(Block&& other) noexcept { swap(other); }
  Block& operator=(Block&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Block();
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void swap(Block& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(budget_, other.budget_);
  }
  std::shared_ptr<MemoryBudget> budget_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace ascribe
