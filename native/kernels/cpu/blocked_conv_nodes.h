#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "kernels/cpu/blocked_conv.h"
#include "kernels/cpu/blocked_conv_kernels.h"
#include "kernels/cpu/blocked_conv_weights.h"
#include "kernels/cpu/cpu_kernel.h"

/// Convolutions over values in blocks, as nodes of their own and as parts of one (separable_conv.cpp).
namespace ascribe::cpu {

/// What a thread should have to do before it is worth waking: some three microseconds.
inline constexpr double kFewFlops = 3e5;
/// Weights of a panel, which stay in the second-level cache while pixels pass.
inline constexpr int64_t kPanelBytes = 384 << 10;

/// `x` what is read, `y` the result.
std::optional<ConvWindow> windowOf(const NodeSignature& s, bool isGradient);
bool fitsDepthwise(const BlockedConvKernels& kernels, const ConvWindow& window);
bool isKnown(const HostTensor* weights);
bool liesInBlocks(const ValueType& type, const BlockedConvKernels& kernels);

/// What a kernel does with the bits of gates: writes those of results in an interval, or reads them, of so many results.
struct GateUse {
  bool writes = false;
  float low = 0, high = 0;
  int64_t elements = 0;
};

class BlockedConv : public CpuKernel {
 public:
  BlockedConv(std::string_view name, const BlockedConvKernels& kernels, const NodeSignature& s, const ConvWindow& window, bool isGradient)
      : CpuKernel(name), kernels_(kernels), window_(window), finish_(finishOf(s)), isGradient_(isGradient),
        packed_(packedConvWeights(kernels, *s.constants[1], window, isGradient && !window.spreads)) {}
  size_t packedBytes() const override { return packed_->bytes(); }
  bool ownsOperand(size_t i) const override { return i == 1; }
  double flops() const override { return window_.flops(); }
  void setGates(const GateUse& use) { gates_ = use; }

 protected:
  /// Those of the results from so many floats behind an image's first on.
  Gates gates(const KernelArguments& k, int64_t image, int64_t floats) const {
    const int64_t perImage = (window_.results + kernels_.lanes - 1) / kernels_.lanes * kernels_.lanes * window_.pixels();
    if (gates_.writes) return Gates{k.outputs[1].as<uint8_t>(), nullptr, gates_.low, gates_.high}.from(image * perImage + floats);
    if (gates_.elements == 0) return {};
    // Every cotangent goes through the same gates.
    return Gates{nullptr, k.inputs[4].as<uint8_t>()}.from(image * perImage % gates_.elements + floats);
  }
  // A gradient has `like` in the place of a bias, without data.
  const float* bias(const KernelArguments& k) const { return !isGradient_ && k.has(2) ? k.inputs[2].as<float>() : nullptr; }
  /// Units of this many operations that are worth a thread.
  static int64_t grainOf(double flops) { return std::max<int64_t>(1, static_cast<int64_t>(kFewFlops / std::max(flops, 1.0))); }

  const BlockedConvKernels& kernels_;
  ConvWindow window_;
  Finish finish_;
  GateUse gates_;
  bool isGradient_;
  std::shared_ptr<const AlignedFloats> packed_;
};

/// With weights in groups of results.
class GroupedConv : public BlockedConv {
 public:
  GroupedConv(std::string_view name, const BlockedConvKernels& kernels, const NodeSignature& s, const ConvWindow& window, bool isGradient)
      : BlockedConv(name, kernels, s, window, isGradient) {
    const int64_t blocks = (window.results + kernels.lanes - 1) / kernels.lanes;
    for (int64_t block = 0; block < blocks; block += kernels.groupOf(blocks - block)) groups_.push_back(block);
    groups_.push_back(blocks);
  }

 protected:
  static size_t at(int64_t index) { return static_cast<size_t>(index); }
  int64_t groups() const { return static_cast<int64_t>(groups_.size()) - 1; }
  int64_t inBlocks() const { return (window_.channels + kernels_.lanes - 1) / kernels_.lanes; }

  std::vector<int64_t> groups_;  // first block of each, and where the last one ends
};

class Pointwise final : public GroupedConv {
 public:
  Pointwise(const BlockedConvKernels& kernels, const NodeSignature& s, const ConvWindow& window, bool isGradient)
      : GroupedConv(isGradient ? "cpu-pointwise-gradient" : "cpu-pointwise", kernels, s, window, isGradient) {}

  /// All results for the pixels of `strip`, whose `x` and `xBlock` say where they are; `y`, `yBlock` and `residual` are of block 0.
  void runStrip(const PointwiseTask& strip, const float* biases) const {
    for (int64_t from = 0; from < groups();) {
      PointwiseTask task = strip;
      const int64_t to = setPanel(task, biases, from, groups()), offset = groups_[at(from)] * strip.yBlock;
      task.y += offset;
      if (task.residual != nullptr) task.residual += offset;
      kernels_.pointwise(task);
      from = to;
    }
  }
  const Finish& finish() const { return finish_; }

  /// Whichever is smaller, the data or the weights, is read by every thread; the other is shared out.
  void run(const KernelArguments& k) const override {
    const int64_t pixels = window_.images * window_.pixels();
    const double flops = window_.flops();
    if (pixels < window_.results) {
      const int64_t sums = groups_.back() * pixels;
      parallelFor(sums, grainOf(flops / static_cast<double>(sums)), [&](int64_t begin, int64_t end) { runShare(k, begin, end); });
    } else {
      const int64_t tile = kernels_.tileOf(kernels_.groupOf(groups_.back())), tiles = (pixels + tile - 1) / tile;
      parallelFor(tiles, grainOf(flops / static_cast<double>(tiles)), [&](int64_t begin, int64_t end) { runPart(k, begin * tile, std::min(end * tile, pixels), 0, groups()); });
    }
  }

 private:
  /// Weights, bias and results of as many groups as make a panel; where the next one begins.
  int64_t setPanel(PointwiseTask& task, const float* biases, int64_t from, int64_t lastGroup) const {
    const int64_t lanes = kernels_.lanes, block = groups_[at(from)];
    int64_t to = from + 1;
    while (to < lastGroup && (groups_[at(to + 1)] - block) * lanes * window_.channels * static_cast<int64_t>(sizeof(float)) <= kPanelBytes) ++to;
    task.weights = packed_->data() + block * lanes * window_.channels;
    task.bias = biases == nullptr ? nullptr : biases + block * lanes;
    task.results = std::min(window_.results, groups_[at(to)] * lanes) - block * lanes;
    return to;
  }

  /// Sums counted group after group, and pixel after pixel within one: a group in which a share ends is for its pixels up to there,
  /// since groups are few and not all alike. Weights of the next group come from memory during this one's products.
  void runShare(const KernelArguments& k, int64_t begin, int64_t end) const {
    const int64_t pixels = window_.images * window_.pixels();
    for (int64_t group = 0; group < groups(); ++group) {
      const int64_t blocks = groups_[at(group + 1)] - groups_[at(group)], first = groups_[at(group)] * pixels;
      const auto pixelAt = [&](int64_t sum) { return std::clamp<int64_t>((sum - first + blocks - 1) / blocks, 0, pixels); };
      const int64_t from = pixelAt(begin), to = pixelAt(end);
      const bool goesOn = end > first + blocks * pixels;
      if (from < to) runPart(k, from, to, group, group + 1, goesOn ? groups_[at(group + 2)] - groups_[at(group + 1)] : 0);
    }
  }

  /// Pixels counted through all images; groups of results, and how many blocks of results the group behind them has that is next.
  void runPart(const KernelArguments& k, int64_t begin, int64_t end, int64_t firstGroup, int64_t lastGroup, int64_t nextBlocks = 0) const {
    const int64_t lanes = kernels_.lanes, pixels = window_.pixels(), plane = pixels * lanes;
    PointwiseTask task{.xBlock = plane, .channels = window_.channels, .yBlock = plane, .finish = finish_, .aheadBlocks = nextBlocks};
    task.ahead = packed_->data() + groups_[at(lastGroup)] * lanes * window_.channels;
    for (int64_t from = firstGroup; from < lastGroup;) {
      const int64_t to = setPanel(task, bias(k), from, lastGroup), block = groups_[at(from)];
      for (int64_t pixel = begin; pixel < end;) {
        const int64_t image = pixel / pixels, first = pixel % pixels;
        task.pixels = std::min(pixels - first, end - pixel);
        task.x = k.inputs[0].as<float>() + image * inBlocks() * plane + first * lanes;
        const int64_t offset = (image * groups_.back() + block) * plane + first * lanes;
        task.gates = gates(k, image, block * plane + first * lanes);
        task.y = k.outputs[0].as<float>() + offset;
        task.residual = k.has(3) ? k.inputs[3].as<float>() + offset : nullptr;
        kernels_.pointwise(task);
        pixel += task.pixels;
      }
      from = to;
    }
  }
};

class Depthwise final : public BlockedConv {
 public:
  Depthwise(const BlockedConvKernels& kernels, const NodeSignature& s, const ConvWindow& window, bool isGradient)
      : BlockedConv(isGradient ? "cpu-depthwise-gradient" : "cpu-depthwise", kernels, s, window, isGradient),
        run_(kernelFor(kernels, window)) {}
  static BlockedConvKernels::Depthwise kernelFor(const BlockedConvKernels& kernels, const ConvWindow& window) {
    return (window.spreads ? kernels.depthwiseGradient : kernels.depthwise)(window.kernel[0], window.stride[0]);
  }

  void run(const KernelArguments& k) const override {
    const int64_t rows = window_.images * blocks() * window_.out[0], outRow = window_.out[1] * kernels_.lanes;
    parallelFor(rows, grainOf(window_.flops() / static_cast<double>(rows)), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end;) {
        const int64_t plane = row / window_.out[0], first = row % window_.out[0], last = std::min(window_.out[0], first + end - row);
        runRows(k.inputs[0].as<float>() + plane * window_.in[0] * window_.in[1] * kernels_.lanes, 0, bias(k), plane % blocks(), first, last, k.outputs[0].as<float>() + row * outRow,
                gates(k, plane / blocks(), (plane % blocks() * window_.out[0] + first) * outRow));
        row += last - first;
      }
    });
  }

  int64_t blocks() const { return (window_.channels + kernels_.lanes - 1) / kernels_.lanes; }
  const ConvWindow& window() const { return window_; }
  /// Some rows of results of one block of channels. The plane at `x` lacks its first `rowsAbove` rows, which they do not need.
  void runRows(const float* x, int64_t rowsAbove, const float* biases, int64_t block, int64_t first, int64_t last, float* y, const Gates& gates = {}) const {
    const int64_t lanes = kernels_.lanes;
    float own[64] = {};
    if (biases != nullptr) std::copy_n(biases + block * lanes, std::min(lanes, window_.channels - block * lanes), own);
    run_({.x = x,
          .height = window_.in[0] - rowsAbove,
          .width = window_.in[1],
          .weights = packed_->data() + block * window_.kernel[0] * window_.kernel[1] * lanes,
          .bias = own,
          .y = y,
          .rowBegin = first,
          .rowEnd = last,
          .resultWidth = window_.out[1],
          .padTop = window_.pad[0] + rowsAbove,
          .padLeft = window_.pad[1],
          .finish = finish_,
          .gates = gates});
  }

 private:
  BlockedConvKernels::Depthwise run_;
};

}  // namespace ascribe::cpu
