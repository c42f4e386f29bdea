#include "kernels/cpu/image_gradient.h"

#include <algorithm>

#include "graph/layout.h"
#include "kernels/cpu/blocked_conv_weights.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/over_slots.h"

namespace ascribe::cpu {
namespace {

constexpr int64_t kFewChannels = 4;
/// Rows of the image that a thread takes at a time; rows of the gradient at the ends of these are multiplied twice.
constexpr int64_t kBandRows = 56;

struct Shapes {
  int64_t images, channels, results;  // of the convolution
  int64_t in[2], out[2], kernel[2], stride[2], pad[2];
  int64_t taps() const { return channels * kernel[0] * kernel[1]; }
};
Shapes shapesOf(const NodeSignature& s) {
  const ValueType &g = s.inputs[0], &x = s.outputs[0];
  Shapes out{.images = x.shape.count(0, x.shape.rank() - 3), .channels = x.shape.at(-3), .results = g.shape.at(-3)};
  for (int i = 0; i < 2; ++i) {
    const auto at = static_cast<size_t>(i);
    out.in[i] = x.shape.at(i - 2);
    out.out[i] = g.shape.at(i - 2);
    out.kernel[i] = s.inputs[1].shape[i + 2];
    out.stride[i] = s.node.attributes.integers("strides")[at];
    out.pad[i] = s.node.attributes.integers("pads")[at];
  }
  return out;
}

/// The gradient's channels times the weights of every tap, a row of pixels at a time, in registers as any convolution of 1 x 1; then
/// each tap's products are added to the image where they belong. Every element has the same order of additions however the rows are
/// shared out.
class ImageGradient final : public CpuKernel {
 public:
  ImageGradient(const BlockedConvKernels& kernels, const NodeSignature& s)
      : CpuKernel("cpu-image-gradient"), kernels_(kernels), shapes_(shapesOf(s)),
        packed_(packedConvWeights(kernels, *s.constants[1], {.images = 1, .channels = shapes_.results, .results = shapes_.taps(), .groups = 1, .in = {1, 1}, .out = {1, 1}, .kernel = {1, 1}, .stride = {1, 1}, .pad = {0, 0}}, true)),
        slotBytes_(alignedBytes(static_cast<size_t>(storedTaps() * shapes_.out[1]) * sizeof(float))) {}
  size_t packedBytes() const override { return packed_->bytes(); }
  bool ownsOperand(size_t i) const override { return i == 1; }
  double flops() const override { return 2.0 * static_cast<double>(shapes_.images * shapes_.results * shapes_.out[0] * shapes_.out[1]) * static_cast<double>(shapes_.taps()); }
  size_t scratchBytes() const override { return slotBytes_ * static_cast<size_t>(mostThreads()); }

  void run(const KernelArguments& k) const override {
    const int64_t bands = (shapes_.in[0] + kBandRows - 1) / kBandRows;
    overSlots(shapes_.images * bands, threads(), slotBytes_, k.scratch, [&](int64_t item, std::byte* scratch) {
      const int64_t image = item / bands, band = item % bands;
      runBand(k, image, shapes_.in[0] * band / bands, shapes_.in[0] * (band + 1) / bands, reinterpret_cast<float*>(scratch));
    });
  }

 private:
  int64_t storedTaps() const { return (shapes_.taps() + kernels_.lanes - 1) / kernels_.lanes * kernels_.lanes; }

  void runBand(const KernelArguments& k, int64_t image, int64_t begin, int64_t end, float* products) const {
    const int64_t lanes = kernels_.lanes, plane = shapes_.in[0] * shapes_.in[1], blocks = (shapes_.results + lanes - 1) / lanes;
    float* x = k.outputs[0].as<float>() + image * shapes_.channels * plane;
    for (int64_t c = 0; c < shapes_.channels; ++c) std::fill(x + c * plane + begin * shapes_.in[1], x + c * plane + end * shapes_.in[1], 0.0f);
    const int64_t width = shapes_.out[1] * lanes;
    // Rows of the gradient of which a tap falls into the band.
    const int64_t first = std::max<int64_t>(0, (begin + shapes_.pad[0] - shapes_.kernel[0]) / shapes_.stride[0]);
    for (int64_t row = first; row < shapes_.out[0] && row * shapes_.stride[0] - shapes_.pad[0] < end; ++row) {
      if (row * shapes_.stride[0] - shapes_.pad[0] + shapes_.kernel[0] <= begin) continue;
      kernels_.pointwise({.x = k.inputs[0].as<float>() + (image * blocks * shapes_.out[0] + row) * width,
                          .xBlock = shapes_.out[0] * width,
                          .channels = shapes_.results,
                          .weights = packed_->data(),
                          .bias = nullptr,
                          .residual = nullptr,
                          .y = products,
                          .yBlock = width,
                          .results = shapes_.taps(),
                          .pixels = shapes_.out[1],
                          .finish = {}});
      int64_t tap = 0;
      for (int64_t c = 0; c < shapes_.channels; ++c)
        for (int64_t ky = 0; ky < shapes_.kernel[0]; ++ky) {
          const int64_t target = row * shapes_.stride[0] - shapes_.pad[0] + ky;
          if (target < begin || target >= end) {
            tap += shapes_.kernel[1];
            continue;
          }
          for (int64_t kx = 0; kx < shapes_.kernel[1]; ++kx, ++tap)
            addTap(products + tap / lanes * width + tap % lanes, x + c * plane + target * shapes_.in[1], kx - shapes_.pad[1]);
        }
    }
  }

  /// Products of one tap, `lanes` apart, into a row, `shift` behind the strides.
  void addTap(const float* products, float* row, int64_t shift) const {
    const int64_t stride = shapes_.stride[1], lanes = kernels_.lanes;
    // A quotient below 0 would be rounded up: behind the row's end a tap reaches nothing.
    const int64_t begin = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const int64_t end = shift >= shapes_.in[1] ? 0 : std::min(shapes_.out[1], (shapes_.in[1] - 1 - shift) / stride + 1);
    for (int64_t i = begin; i < end; ++i) row[i * stride + shift] += products[i * lanes];
  }

  const BlockedConvKernels& kernels_;
  Shapes shapes_;
  std::shared_ptr<const AlignedFloats> packed_;
  size_t slotBytes_;
};

}  // namespace

bool takesImageGradient(const NodeSignature& s) {
  const BlockedConvKernels* kernels = blockedConvKernels();
  if (kernels == nullptr || s.constants[1] == nullptr || s.constants[1]->data() == nullptr || multipliesBf16(s.node)) return false;
  const ValueType &g = s.inputs[0], &x = s.outputs[0];
  const Shape& w = s.inputs[1].shape;
  if (g.dtype != DType::F32 || x.dtype != DType::F32 || w.rank() != 4 || x.layout != Layout::Plain || x.shape.count() == 0 || g.shape.count() == 0) return false;
  if (blockOf(g.layout) != kernels->lanes || g.channelAxis != g.shape.rank() - 3 || s.node.attributes.integer("group") != 1 || x.shape.at(-3) > kFewChannels) return false;
  const auto &dilations = s.node.attributes.integers("dilations"), &pads = s.node.attributes.integers("pads");
  for (size_t i = 0; i < 2; ++i)
    if (dilations[i] != 1 || pads[i] < 0 || pads[i] >= w[static_cast<int>(i) + 2]) return false;
  return true;
}

std::unique_ptr<Kernel> makeImageGradient(const NodeSignature& s) {
  return takesImageGradient(s) ? std::make_unique<ImageGradient>(*blockedConvKernels(), s) : nullptr;
}

}  // namespace ascribe::cpu
