#include <algorithm>
#include <cstring>
#include <memory>

#include "graph/layout.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

/// Planes of `block` channels that lie interleaved, spatial axes brought to three.
struct Planes {
  int64_t block = 0, in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
  int64_t inPlane() const { return in[0] * in[1] * in[2]; }
  int64_t outPlane() const { return out[0] * out[1] * out[2]; }
};

/// `x` is the larger, `y` the smaller side; both blocked.
Planes planesOf(const ValueType& x, const ValueType& y, int spatial) {
  Planes p;
  p.block = blockOf(x.layout);
  for (int i = 0; i < spatial; ++i) {
    p.in[3 - spatial + i] = x.shape.at(i - spatial);
    p.out[3 - spatial + i] = y.shape.at(i - spatial);
  }
  return p;
}

/// maxPool with the place of each maximum: a block of channels at a time, tap by tap.
class MaxPool final : public CpuKernel {
 public:
  explicit MaxPool(const NodeSignature& s) : CpuKernel("cpu-max-pool-blocked") {
    const auto& sizes = s.node.attributes.integers("kernel");
    const auto spatial = static_cast<int>(sizes.size());
    planes_ = planesOf(s.inputs[0], s.outputs[0], spatial);
    count_ = storedShape(s.inputs[0]).count() / (planes_.inPlane() * planes_.block);
    for (int i = 0; i < spatial; ++i) {
      const auto at = static_cast<size_t>(i);
      const int axis = 3 - spatial + i;
      kernel_[axis] = sizes[at];
      stride_[axis] = s.node.attributes.integers("strides")[at];
      dilation_[axis] = s.node.attributes.integers("dilations")[at];
      pad_[axis] = s.node.attributes.integers("pads")[at];
    }
  }
  void run(const KernelArguments& k) const override {
    const float* x = k.inputs[0].as<float>();
    float* y = k.outputs[0].as<float>();
    int32_t* places = k.outputs[1].as<int32_t>();
    const int64_t rows = planes_.out[0] * planes_.out[1];
    const int64_t perRow = planes_.out[2] * planes_.block * kernel_[0] * kernel_[1] * kernel_[2];
    parallelFor(count_ * rows, std::max<int64_t>(1, kElementGrain / std::max<int64_t>(perRow, 1)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t plane = i / rows, row = i % rows, at = i * planes_.out[2] * planes_.block;
        poolRow(x + plane * planes_.inPlane() * planes_.block, row, y + at, places + at);
      }
    });
  }

 private:
  void poolRow(const float* x, int64_t row, float* y, int32_t* places) const {
    const int64_t first[2] = {row / planes_.out[1] * stride_[0] - pad_[0], row % planes_.out[1] * stride_[1] - pad_[1]};
    for (int64_t o = 0; o < planes_.out[2]; ++o, y += planes_.block, places += planes_.block) {
      bool any = false;
      for (int64_t a = 0; a < kernel_[0]; ++a)
        for (int64_t b = 0; b < kernel_[1]; ++b)
          for (int64_t c = 0; c < kernel_[2]; ++c) {
            const int64_t z = first[0] + a * dilation_[0], v = first[1] + b * dilation_[1], u = o * stride_[2] - pad_[2] + c * dilation_[2];
            if (z < 0 || z >= planes_.in[0] || v < 0 || v >= planes_.in[1] || u < 0 || u >= planes_.in[2]) continue;
            const int64_t from = (z * planes_.in[1] + v) * planes_.in[2] + u;
            const float* source = x + from * planes_.block;
            if (any) {
              isa().rows->maxTap(source, y, places, planes_.block, static_cast<int32_t>(from));
            } else {
              std::memcpy(y, source, static_cast<size_t>(planes_.block) * sizeof(float));
              std::fill_n(places, planes_.block, static_cast<int32_t>(from));
              any = true;
            }
          }
    }
  }

  Planes planes_;
  int64_t count_ = 0, kernel_[3] = {1, 1, 1}, stride_[3] = {1, 1, 1}, dilation_[3] = {1, 1, 1}, pad_[3] = {0, 0, 0};
};

/// (g [K, ...y], places [...y], like): every gradient back to where its maximum came from.
class MaxPoolGrad final : public CpuKernel {
 public:
  explicit MaxPoolGrad(const NodeSignature& s) : CpuKernel("cpu-max-pool-gradient-blocked") {
    planes_ = planesOf(s.outputs[0], s.inputs[0], s.inputs[1].shape.rank() - 2);
    cotangents_ = s.inputs[0].shape[0];
    count_ = storedShape(s.inputs[1]).count() / (planes_.outPlane() * planes_.block);
  }
  void run(const KernelArguments& k) const override {
    const float* g = k.inputs[0].as<float>();
    const int32_t* places = k.inputs[1].as<int32_t>();
    float* out = k.outputs[0].as<float>();
    const int64_t block = planes_.block, from = planes_.outPlane() * block, to = planes_.inPlane() * block;
    parallelFor(cotangents_ * count_, std::max<int64_t>(1, kElementGrain / std::max<int64_t>(to, 1)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float* gradient = g + i * from;
        const int32_t* place = places + i % count_ * from;
        float* target = out + i * to;
        std::fill_n(target, to, 0.0f);
        for (int64_t o = 0; o < from; o += block)
          for (int64_t c = 0; c < block; ++c) target[place[o + c] * block + c] += gradient[o + c];
      }
    });
  }

 private:
  Planes planes_;
  int64_t cotangents_ = 0, count_ = 0;
};

bool blocked(const ValueType& type) { return blockOf(type.layout) > 0; }

/// A window that lies in the padding alone has no maximum: those planes stay with the reference kernel.
bool takesPool(const NodeSignature& s) {
  if (s.outputs.size() != 2 || !takesF32(s) || !blocked(s.inputs[0]) || !blocked(s.outputs[0]) || !sameLayout(s.outputs[0], s.outputs[1])) return false;
  const auto &kernel = s.node.attributes.integers("kernel"), &pads = s.node.attributes.integers("pads"), &dilations = s.node.attributes.integers("dilations");
  const auto &strides = s.node.attributes.integers("strides");
  const auto spatial = static_cast<int>(kernel.size());
  for (size_t i = 0; i < kernel.size(); ++i) {
    const int64_t size = s.inputs[0].shape.at(static_cast<int>(i) - spatial), windows = s.outputs[0].shape.at(static_cast<int>(i) - spatial);
    const int64_t last = (windows - 1) * strides[i] - pads[i];  // where the last window begins
    // With dilation a window may step over the data; without it, it meets the data if it begins before the end of it.
    if (pads[i] < 0 || pads[i] >= kernel[i] || last >= size || (dilations[i] > 1 && (pads[i] > 0 || last + (kernel[i] - 1) * dilations[i] >= size))) return false;
  }
  return s.outputs[0].shape.count() > 0;
}
bool takesGrad(const NodeSignature& s) {
  return takesF32(s) && blocked(s.inputs[0]) && blocked(s.inputs[1]) && s.inputs[0].layout == s.inputs[1].layout && s.inputs[0].layout == s.outputs[0].layout &&
         s.inputs[0].channelAxis == 2 && s.inputs[1].channelAxis == 1 && s.outputs[0].shape.count() > 0;
}

const RegisterKernel registered[] = {
    RegisterKernel({.op = "maxPool", .backend = "cpu", .make = [](const NodeSignature& s) -> std::unique_ptr<Kernel> { return std::make_unique<MaxPool>(s); }, .anyLayout = true, .accepts = takesPool}),
    RegisterKernel({.op = "maxPoolGrad", .backend = "cpu", .make = [](const NodeSignature& s) -> std::unique_ptr<Kernel> { return std::make_unique<MaxPoolGrad>(s); }, .anyLayout = true, .accepts = takesGrad}),
};

}  // namespace
}  // namespace ascribe::cpu
