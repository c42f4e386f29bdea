#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "graph/graph.h"
#include "kernels/backend_abi.h"
#include "runtime/memory.h"

namespace ascribe::onednn_bridge {

/// 64-byte aligned, charged to the process.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(size_t bytes) : block_(nullptr, bytes, "packed weights") {}
  explicit operator bool() const { return block_.data() != nullptr; }
  std::byte* get() const { return static_cast<std::byte*>(block_.data()); }
  size_t bytes() const { return block_.bytes(); }

 private:
  Block block_;
};

/// Buffers by AscribeOperand.
struct Buffers {
  void* by[ASCRIBE_OPERAND_COUNT] = {};
  void*& operator[](int operand) { return by[operand]; }
};

/// One operation of the oneDNN library, prepared for the width of the lane that made it, and again for every other
/// width that it meets: oneDNN fixes the number of threads with the primitive. Formats are those of the first, so what
/// was packed once serves all. Safe from several threads.
class Primitive {
 public:
  /// Null where there is no library, or where it has no fast implementation. `flops`: what it computes; work that one
  /// thread has done before another is awake stays on one thread.
  static std::unique_ptr<Primitive> make(const AscribeOperation& operation, double flops = 0);
  /// The same, for this many threads at most.
  static std::unique_ptr<Primitive> makeFor(const AscribeOperation& operation, int mostThreads);
  ~Primitive();
  Primitive(const Primitive&) = delete;
  Primitive& operator=(const Primitive&) = delete;

  size_t bytes(int operand) const;
  size_t scratchBytes() const { return bytes(ASCRIBE_SCRATCH); }
  const char* implementation() const;
  /// What is packed for this one fits the other.
  bool sharesFormat(const Primitive& other, int operand) const;
  /// From plain row-major into the primitive's format, and back.
  void pack(int operand, const void* plain, void* packed) const;
  void unpack(int operand, const void* packed, void* plain) const;
  /// `buffers` holds scratchBytes() of scratch.
  void execute(Buffers& buffers) const;

 private:
  struct Variant {
    int width;
    AscribePrimitive* primitive;
  };
  Primitive(const AscribeOperation& operation, int most, Variant first);
  const Variant& variantFor(int width) const;

  AscribeOperation operation_;
  int most_;  // threads
  mutable std::mutex guard_;
  mutable std::vector<std::unique_ptr<Variant>> variants_;  // the first is what made it
};

/// `type` as [N, C, spatial…] with everything before the channels in N.
AscribeTensor dataTensor(const ValueType& type, int spatialAxes);
/// Row-major.
AscribeTensor plainTensor(const Shape& shape);

}  // namespace ascribe::onednn_bridge
