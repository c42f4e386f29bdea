#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "graph/dtype.h"
#include "graph/shape.h"

namespace ascribe {

class MemoryBudget;

/// A tensor in host memory, shared and never changed after it is built: constants and folded values.
class HostTensor {
 public:
  HostTensor() = default;
  /// Zero-filled, 64-byte aligned, charged to the budget (to the process's alone where that is null). Throws
  /// OUT_OF_MEMORY_BUDGET.
  HostTensor(DType dtype, Shape shape, std::shared_ptr<MemoryBudget> budget = nullptr);
  /// Over bytes that `owner` keeps alive (a mapped file, a user's buffer). They may be unaligned.
  HostTensor(DType dtype, Shape shape, const void* data, std::shared_ptr<const void> owner);

  static HostTensor ofIntegers(const std::vector<int64_t>& values);
  static HostTensor scalar(DType dtype, double value);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  size_t bytes() const { return bytesOf(dtype_, shape_.count()); }
  const void* data() const { return data_; }
  template <class T>
  const T* as() const { return static_cast<const T*>(data_); }
  /// Whoever keeps the bytes: while it lives they stay where they are.
  const std::shared_ptr<const void>& owner() const { return owner_; }
  /// What tells that two tensors are the same weights: where they first lay, and who keeps them there.
  struct Identity {
    const void* data = nullptr;
    std::shared_ptr<const void> owner;
    /// An address may have come to another owner since.
    bool isOwnedBy(const std::weak_ptr<const void>& other) const { return !other.owner_before(owner) && !owner.owner_before(other); }
  };
  Identity identity() const { return original_.data ? original_ : Identity{data_, owner_}; }
  /// These are the bytes of another tensor, lying elsewhere.
  void standFor(const HostTensor& original) { original_ = original.identity(); }
  /// Only while the builder of this tensor is its sole owner.
  void* mutableData() { return const_cast<void*>(data_); }

  /// Element `index` read as a double or integer whatever the dtype (f16 and bf16 widened).
  double real(int64_t index) const;
  int64_t integer(int64_t index) const;
  std::vector<int64_t> integers() const;

 private:
  void requireElement(int64_t index) const;
  DType dtype_ = DType::F32;
  Shape shape_;
  std::shared_ptr<const void> owner_;
  const void* data_ = nullptr;
  Identity original_;
};

}  // namespace ascribe
