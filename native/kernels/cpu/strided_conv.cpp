#include "kernels/cpu/strided_conv.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "graph/layout.h"
#include "kernels/cpu/blocked_conv.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/shared_pack.h"
#include "kernels/cpu/strided_conv_kernels.h"

namespace ascribe::cpu {

extern const StridedConvKernels stridedConvAvx512;

const StridedConvKernels* stridedConvKernels() {
#if defined(__x86_64__)
  return kernels().isa == Isa::Avx512 ? &stridedConvAvx512 : nullptr;
#else
  return nullptr;
#endif
}

namespace {

/// Weights that stay in the second-level cache while rows pass.
constexpr int64_t kMostWeightBytes = 256 << 10;
/// What a thread should have to do before it is worth waking.
constexpr double kFewFlops = 3e5;

int64_t roundedTo(int64_t count, int64_t step) { return (count + step - 1) / step * step; }

struct StridedWindow {
  int64_t images, channels, results;
  int64_t in[2], out[2], kernel[2], pad[2];
  int64_t taps() const { return kernel[0] * kernel[1]; }
};

/// [groups][taps][channels][blocks of the group * lanes], results that fill up the last block zero.
AlignedFloats packStrided(const StridedConvKernels& kernels, const HostTensor& w, const StridedWindow& window) {
  const int64_t lanes = kernels.lanes, blocks = (window.results + lanes - 1) / lanes;
  AlignedFloats packed(static_cast<size_t>(blocks * lanes * window.channels * window.taps()));
  float* to = packed.data();
  for (int64_t block = 0; block < blocks;) {
    const int64_t group = kernels.groupOf(blocks - block);
    for (int64_t tap = 0; tap < window.taps(); ++tap)
      for (int64_t c = 0; c < window.channels; ++c)
        for (int64_t m = block * lanes; m < (block + group) * lanes; ++m, ++to) {
          *to = 0;
          // They may lie at any byte: over a mapped file.
          if (m < window.results)
            std::memcpy(to, static_cast<const char*>(w.data()) + ((m * window.channels + c) * window.taps() + tap) * static_cast<int64_t>(sizeof *to), sizeof *to);
        }
    block += group;
  }
  return packed;
}

class StridedConv final : public CpuKernel {
 public:
  StridedConv(const StridedConvKernels& kernels, const NodeSignature& s, const StridedWindow& window)
      : CpuKernel("cpu-strided"), kernels_(kernels), window_(window), finish_(finishOf(s)) {
    using Key = std::tuple<const void*, const StridedConvKernels*, int64_t, int64_t, int64_t>;
    static SharedPacks<Key, AlignedFloats> packs;
    const HostTensor& weights = *s.constants[1];
    const HostTensor::Identity identity = weights.identity();
    packed_ = packs.get(identity, {identity.data, &kernels, window.channels, window.results, window.kernel[0]},
                        [&] { return std::make_shared<const AlignedFloats>(packStrided(kernels, weights, window)); });
  }
  size_t packedBytes() const override { return packed_->bytes(); }
  bool ownsOperand(size_t i) const override { return i == 1; }
  double flops() const override {
    return 2.0 * static_cast<double>(window_.images * window_.results * window_.out[0] * window_.out[1]) * static_cast<double>(window_.channels * window_.taps());
  }

  void run(const KernelArguments& k) const override {
    const int64_t rows = window_.images * window_.out[0], lanes = kernels_.lanes;
    const int64_t image = roundedTo(window_.channels, lanes) * window_.in[0] * window_.in[1], result = roundedTo(window_.results, lanes) * window_.out[0] * window_.out[1];
    const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kFewFlops * static_cast<double>(rows) / std::max(flops(), 1.0)));
    parallelFor(rows, grain, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end;) {
        const int64_t at = row / window_.out[0], first = row % window_.out[0], last = std::min(window_.out[0], first + end - row);
        kernels_.run({.x = k.inputs[0].as<float>() + at * image,
                      .height = window_.in[0],
                      .width = window_.in[1],
                      .channels = window_.channels,
                      .weights = packed_->data(),
                      .bias = k.has(2) ? k.inputs[2].as<float>() : nullptr,
                      .y = k.outputs[0].as<float>() + at * result,
                      .results = window_.results,
                      .resultHeight = window_.out[0],
                      .resultWidth = window_.out[1],
                      .rowBegin = first,
                      .rowEnd = last,
                      .kernel = {window_.kernel[0], window_.kernel[1]},
                      .pad = {window_.pad[0], window_.pad[1]},
                      .finish = finish_});
        row += last - first;
      }
    });
  }

 private:
  const StridedConvKernels& kernels_;
  StridedWindow window_;
  Finish finish_;
  std::shared_ptr<const AlignedFloats> packed_;
};

}  // namespace

std::unique_ptr<Kernel> makeStridedConv(const NodeSignature& s) {
  const StridedConvKernels* kernels = stridedConvKernels();
  const ValueType &x = s.inputs[0], &y = s.outputs[0];
  const Shape& w = s.inputs[1].shape;
  if (kernels == nullptr || s.constants[1] == nullptr || s.constants[1]->data() == nullptr || s.has(3) || w.rank() != 4 || multipliesBf16(s.node)) return nullptr;
  const int64_t lanes = kernels->lanes;
  const auto liesInBlocks = [&](const ValueType& type) { return type.dtype == DType::F32 && type.shape.rank() == 4 && blockOf(type.layout) == lanes && type.channelAxis == 1; };
  if (!liesInBlocks(x) || !liesInBlocks(y) || y.shape.count() == 0 || s.node.attributes.integer("group") != 1) return nullptr;
  if (finishOf(s).kind != Finish::Kind::Clip) return nullptr;
  StridedWindow window{.images = y.shape[0], .channels = x.shape[1], .results = y.shape[1]};
  for (int i = 0; i < 2; ++i) {
    const auto at = static_cast<size_t>(i);
    if (s.node.attributes.integers("strides")[at] != 2 || s.node.attributes.integers("dilations")[at] != 1) return nullptr;
    window.in[i] = x.shape[i + 2];
    window.out[i] = y.shape[i + 2];
    window.kernel[i] = w[i + 2];
    window.pad[i] = s.node.attributes.integers("pads")[at];
    if (window.pad[i] < 0) return nullptr;
  }
  // Products for channels that fill blocks up, against those of whole and half vectors.
  const int64_t filled = roundedTo(window.channels, lanes) * roundedTo(window.results, lanes), needed = window.channels * roundedTo(window.results, lanes / 2);
  if (4 * filled < 5 * needed || window.taps() * window.channels * roundedTo(window.results, lanes) * static_cast<int64_t>(sizeof(float)) > kMostWeightBytes) return nullptr;
  return std::make_unique<StridedConv>(*kernels, s, window);
}

}  // namespace ascribe::cpu
