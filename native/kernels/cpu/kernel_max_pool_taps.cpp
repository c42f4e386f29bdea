#include <algorithm>
#include <memory>

#include "graph/layout.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/max_pool_kernels.h"
#include "kernels/cpu/pool_window.h"

namespace ascribe::cpu {

extern const MaxPoolKernels maxPoolAvx512;

namespace {

const MaxPoolKernels* maxPoolKernels() {
#if defined(__x86_64__)
  return kernels().isa == Isa::Avx512 ? &maxPoolAvx512 : nullptr;
#else
  return nullptr;
#endif
}

constexpr int64_t kMostTaps = 255;

/// A window over blocks of channels, by rows of the last axis.
struct RowWindow : PoolWindow {
  using PoolWindow::PoolWindow;

  int64_t inRows() const { return in[0] * in[1]; }
  int64_t outRows() const { return out[0] * out[1]; }
  PoolRow row() const { return {in[2], out[2], kernel[2], stride[2], dilation[2], pad[2]}; }
  int64_t grain(int64_t lanes) const { return std::max<int64_t>(1, kElementGrain / std::max<int64_t>(out[2] * lanes * kernel[1], 1)); }
  uint8_t firstTap(int64_t a, int64_t b) const { return static_cast<uint8_t>((a * kernel[1] + b) * kernel[2]); }

  /// Every window has a tap inside of the data, which is what the kernels rely on. Without dilation it has if it begins before
  /// the end of the data; with it, a window could step over the data from the padding on.
  bool meetsData() const {
    for (int axis = 0; axis < 3; ++axis) {
      const int64_t last = (out[axis] - 1) * stride[axis] - pad[axis];
      if (pad[axis] < 0 || pad[axis] >= kernel[axis] || last >= in[axis]) return false;
      if (dilation[axis] > 1 && (pad[axis] > 0 || last + (kernel[axis] - 1) * dilation[axis] >= in[axis])) return false;
    }
    return taps() <= kMostTaps;
  }
};

class MaxPoolTaps final : public CpuKernel {
 public:
  explicit MaxPoolTaps(const NodeSignature& s)
      : CpuKernel("cpu-max-pool-taps"), p_(s.node, s.inputs[0].shape, s.outputs[0].shape), planes_(storedShape(s.outputs[0]).count() / (p_.outRows() * p_.out[2] * kernels_.lanes)) {}

  void run(const KernelArguments& k) const override {
    const int64_t lanes = kernels_.lanes, inRow = p_.in[2] * lanes, outRow = p_.out[2] * lanes, rows = p_.outRows();
    parallelFor(planes_ * rows, p_.grain(lanes), [&](int64_t begin, int64_t end) {
      const float* lines[kMostTaps];
      uint8_t firstTaps[kMostTaps];
      for (int64_t i = begin; i < end; ++i) {
        const float* x = k.inputs[0].as<float>() + i / rows * p_.inRows() * inRow;
        const int64_t z = i % rows / p_.out[1] * p_.stride[0] - p_.pad[0], v = i % p_.out[1] * p_.stride[1] - p_.pad[1];
        int64_t count = 0;
        for (int64_t a = 0; a < p_.kernel[0]; ++a)
          for (int64_t b = 0; b < p_.kernel[1]; ++b) {
            const int64_t depth = z + a * p_.dilation[0], line = v + b * p_.dilation[1];
            if (depth < 0 || depth >= p_.in[0] || line < 0 || line >= p_.in[1]) continue;
            lines[count] = x + (depth * p_.in[1] + line) * inRow;
            firstTaps[count++] = p_.firstTap(a, b);
          }
        kernels_.forward({p_.row(), count, lines, firstTaps, k.outputs[0].as<float>() + i * outRow, k.outputs[1].as<uint8_t>() + i * outRow});
      }
    });
  }

 private:
  const MaxPoolKernels& kernels_ = *maxPoolKernels();
  RowWindow p_;
  int64_t planes_;
};

/// Every row of the image collects from the windows that meet it.
class MaxPoolTapsGradient final : public CpuKernel {
 public:
  explicit MaxPoolTapsGradient(const NodeSignature& s)
      : CpuKernel("cpu-max-pool-taps-gradient"), p_(s.node, s.outputs[0].shape, s.inputs[1].shape), cotangents_(s.inputs[0].shape[0]),
        planes_(storedShape(s.inputs[1]).count() / (p_.outRows() * p_.out[2] * kernels_.lanes)) {}

  void run(const KernelArguments& k) const override {
    const int64_t lanes = kernels_.lanes, inRow = p_.in[2] * lanes, outRow = p_.out[2] * lanes, rows = p_.inRows(), windows = p_.outRows();
    parallelFor(cotangents_ * planes_ * rows, p_.grain(lanes), [&](int64_t begin, int64_t end) {
      const float* gradients[kMostTaps];
      const uint8_t* taps[kMostTaps];
      uint8_t firstTaps[kMostTaps];
      for (int64_t i = begin; i < end; ++i) {
        const float* g = k.inputs[0].as<float>() + i / rows * windows * outRow;
        const uint8_t* places = k.inputs[1].as<uint8_t>() + i / rows % planes_ * windows * outRow;
        const int64_t depth = i % rows / p_.in[1], line = i % p_.in[1];
        int64_t count = 0;
        // From the last tap to the first: the windows in their order.
        for (int64_t a = p_.kernel[0]; a-- > 0;)
          for (int64_t b = p_.kernel[1]; b-- > 0;) {
            const int64_t z = depth + p_.pad[0] - a * p_.dilation[0], v = line + p_.pad[1] - b * p_.dilation[1];
            if (z < 0 || v < 0 || z % p_.stride[0] != 0 || v % p_.stride[1] != 0 || z / p_.stride[0] >= p_.out[0] || v / p_.stride[1] >= p_.out[1]) continue;
            const int64_t from = (z / p_.stride[0] * p_.out[1] + v / p_.stride[1]) * outRow;
            gradients[count] = g + from;
            taps[count] = places + from;
            firstTaps[count++] = p_.firstTap(a, b);
          }
        kernels_.gradient({p_.row(), count, gradients, taps, firstTaps, k.outputs[0].as<float>() + i * inRow});
      }
    });
  }

 private:
  const MaxPoolKernels& kernels_ = *maxPoolKernels();
  RowWindow p_;
  int64_t cotangents_, planes_;
};

bool takesPool(const NodeSignature& s) {
  const MaxPoolKernels* kernels = maxPoolKernels();
  if (kernels == nullptr || !takesF32(s) || blockOf(s.inputs[0].layout) != kernels->lanes || s.inputs[0].channelAxis != 1) return false;
  if (!sameLayout(s.outputs[0], s.outputs[1]) || s.outputs[0].layout != s.inputs[0].layout || s.outputs[0].channelAxis != 1 || s.outputs[0].shape.count() == 0) return false;
  return RowWindow(s.node, s.inputs[0].shape, s.outputs[0].shape).meetsData();
}
bool takesGradient(const NodeSignature& s) {
  const MaxPoolKernels* kernels = maxPoolKernels();
  if (kernels == nullptr || !takesF32(s) || s.outputs[0].shape.count() == 0 || s.inputs[0].shape.count() == 0) return false;
  for (const ValueType* type : {&s.inputs[0], &s.inputs[1], &s.outputs[0]})
    if (blockOf(type->layout) != kernels->lanes || type->channelAxis != (type == &s.inputs[1] ? 1 : 2)) return false;
  return RowWindow(s.node, s.outputs[0].shape, s.inputs[1].shape).meetsData();
}

const RegisterKernel registered[] = {
    RegisterKernel({.op = "maxPoolTaps", .backend = "cpu", .make = [](const NodeSignature& s) -> std::unique_ptr<Kernel> { return std::make_unique<MaxPoolTaps>(s); }, .anyLayout = true, .accepts = takesPool}),
    RegisterKernel({.op = "maxPoolTapsGrad", .backend = "cpu", .make = [](const NodeSignature& s) -> std::unique_ptr<Kernel> { return std::make_unique<MaxPoolTapsGradient>(s); }, .anyLayout = true, .accepts = takesGradient}),
};

}  // namespace
}  // namespace ascribe::cpu
