#include <algorithm>
#include <cstring>

#include "graph/layout.h"
#include "graph/op.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/window_places.h"

namespace ascribe::cpu {
namespace {

/// `window` with result and patch in planes (a block of one channel) or in blocks of channels.
class Window final : public CpuKernel {
 public:
  explicit Window(const NodeSignature& s)
      : CpuKernel("cpu-window"), block_(std::max(1, blockOf(s.outputs[0].layout))), fill_(static_cast<float>(s.node.attributes.real("fill"))) {}

  void run(const KernelArguments& k) const override {
    checkWindowPlaces(k.inputs[0], k.inputs[1]);
    const Shape& out = k.outputs[0].shape;
    const int64_t blocks = (out[1] + block_ - 1) / block_, rowsEach = blocks * out[2], row = out[3] * block_;
    parallelFor(out[0] * rowsEach, std::max<int64_t>(1, kElementGrain / std::max<int64_t>(row, 1)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) fillRow(k, i / rowsEach, i % rowsEach / out[2], i % out[2], k.outputs[0].as<float>() + i * row);
    });
  }

 private:
  void fillRow(const KernelArguments& k, int64_t n, int64_t block, int64_t y, float* to) const {
    const WindowPlaces at(k.inputs[1], n);
    const int64_t width = k.outputs[0].shape[3];
    int64_t from = width, until = width;  // columns that are the patch's
    if (k.has(2)) {
      const Shape& patch = k.inputs[2].shape;
      const int64_t row = y - at.patchTop;
      if (row >= 0 && row < patch[2]) {
        from = std::clamp<int64_t>(at.patchLeft, 0, width);
        until = std::clamp<int64_t>(at.patchLeft + patch[3], from, width);
        const int64_t blocks = (patch[1] + block_ - 1) / block_;
        const float* source = k.inputs[2].as<float>() + (((n * blocks + block) * patch[2] + row) * patch[3] + (from - at.patchLeft)) * block_;
        if (until > from) std::memcpy(to + from * block_, source, static_cast<size_t>((until - from) * block_) * sizeof(float));
      }
    }
    readPicture(k.inputs[0], at, block, y, 0, from, to);
    readPicture(k.inputs[0], at, block, y, until, width, to);
  }

  void readPicture(const TensorRef& pictures, const WindowPlaces& at, int64_t block, int64_t y, int64_t from, int64_t until, float* to) const {
    const int64_t height = pictures.shape[1], width = pictures.shape[2], channels = pictures.shape[3], row = y + at.top;
    const int64_t own = std::min(block_, channels - block * block_);  // the rest of a last block is zero
    const float* source = pictures.as<float>() + ((at.picture * height + row) * width) * channels + block * block_;
    for (int64_t x = from; x < until; ++x) {
      float* target = to + x * block_;
      const int64_t column = x + at.left;
      if (row >= 0 && row < height && column >= 0 && column < width) std::copy_n(source + column * channels, own, target);
      else std::fill_n(target, own, fill_);
      std::fill_n(target + own, block_ - own, 0.0f);
    }
  }

  int64_t block_;
  float fill_;
};

/// The patch lies as the result does, everything else plainly.
bool takes(const NodeSignature& s) {
  const bool isPlain = s.inputs[0].layout == Layout::Plain && s.inputs[1].layout == Layout::Plain;
  return takesF32(s) && isPlain && s.outputs[0].layout != Layout::ChannelsLast && (!s.has(2) || sameLayout(s.inputs[2], s.outputs[0]));
}

const RegisterKernel registered({.op = "window",
                                 .backend = "cpu",
                                 .make = [](const NodeSignature& s) -> std::unique_ptr<Kernel> { return std::make_unique<Window>(s); },
                                 .anyLayout = true,
                                 .accepts = takes});

}  // namespace
}  // namespace ascribe::cpu
