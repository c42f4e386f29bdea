#pragma once
#include <algorithm>
#include <cstddef>
#include <string>

#include "graph/op.h"
#include "kernels/kernel.h"
#include "kernels/onednn_bridge/primitive.h"

namespace ascribe::onednn_bridge {

/// A kernel around one primitive; its profile name carries oneDNN's name of the implementation.
class BridgeKernel : public Kernel {
 public:
  BridgeKernel(std::string_view what, std::unique_ptr<Primitive> primitive, double flops)
      : primitive_(std::move(primitive)), name_("onednn-" + std::string(what) + " " + primitive_->implementation()), flops_(flops) {}
  size_t scratchBytes() const override { return primitive_->scratchBytes(); }
  double flops() const override { return flops_; }
  std::string_view name() const override { return name_; }

 protected:
  const Primitive& primitive() const { return *primitive_; }
  const std::shared_ptr<const Primitive>& sharedPrimitive() const { return primitive_; }

 private:
  std::shared_ptr<const Primitive> primitive_;
  std::string name_;
  double flops_;
};

inline size_t roundedUp(size_t bytes) { return (bytes + 63) / 64 * 64; }

inline bool isF32(const ValueType& type) { return type.dtype == DType::F32; }

/// Strides, dilations and paddings of a convolution or pooling node.
inline void setWindow(AscribeOperation& operation, const Node& node, size_t axes) {
  const auto &strides = node.attributes.integers("strides"), &dilations = node.attributes.integers("dilations"), &pads = node.attributes.integers("pads");
  for (size_t i = 0; i < axes; ++i) {
    operation.strides[i] = strides[i];
    operation.dilations[i] = dilations[i];
    operation.pad_begin[i] = pads[i];
    operation.pad_end[i] = pads[axes + i];
  }
}

}  // namespace ascribe::onednn_bridge
