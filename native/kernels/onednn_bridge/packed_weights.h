#pragma once
#include <functional>
#include <memory>

#include "graph/host_tensor.h"
#include "kernels/onednn_bridge/primitive.h"

namespace ascribe::onednn_bridge {

/// Weights in the format of the primitive that packed them.
class PackedWeights {
 public:
  /// `plain`: row-major, as the primitive's description has them.
  PackedWeights(std::shared_ptr<const Primitive> primitive, const void* plain);
  std::byte* get() const { return bytes_.get(); }
  size_t bytes() const { return bytes_.bytes(); }
  const Primitive& primitive() const { return *primitive_; }

 private:
  std::shared_ptr<const Primitive> primitive_;
  AlignedBytes bytes_;
};

/// How a convolution's weights become those of its gradient, which is a convolution too.
enum class Turn { AsTheyAre, ForGradient };

/// The packed form of weights that `source` keeps: made once, and shared by all plans whose primitives read that format.
/// `plain` gives the row-major weights to pack (turned already), where they have to be.
std::shared_ptr<const PackedWeights> packedOnce(const std::shared_ptr<const Primitive>& primitive, const HostTensor& source, Turn turn,
                                                const std::function<const void*()>& plain);

}  // namespace ascribe::onednn_bridge
