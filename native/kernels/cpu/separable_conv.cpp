#include <algorithm>
#include <cstring>
#include <optional>

#include "graph/layout.h"
#include "graph/separable_conv.h"
#include "kernels/cpu/blocked_conv_nodes.h"
#include "runtime/parallel.h"

namespace ascribe::cpu {
namespace {

/// Rows between the parts of a separable convolution that stay in the second-level cache, beside weights: those that the depthwise
/// part makes, and those that it reads where they are made for it.
constexpr int64_t kBandBytes = 256 << 10, kWideBytes = 384 << 10;

/// The parts of a separableConv as nodes of their own.
struct Parts {
  explicit Parts(const NodeSignature& s)
      : nodes(separableParts(s.node)), narrow(s.inputs[0]), wide(nodes.widening ? betweenParts(narrow, s.inputs[6], narrow) : narrow), between(betweenParts(narrow, s.inputs[1], s.outputs[0])),
        result(s.outputs[0]), types{std::vector<ValueType>{narrow, nodes.widening ? s.inputs[6] : ValueType{}}, {wide, s.inputs[1]}, {between, s.inputs[3]}},
        constants{std::vector<const HostTensor*>{nullptr, nodes.widening ? s.constants[6] : nullptr}, {nullptr, s.constants[1]}, {nullptr, s.constants[3]}} {}
  NodeSignature widening() const { return {*nodes.widening, types[0], {&wide, 1}, constants[0]}; }
  NodeSignature depthwise() const { return {nodes.depthwise, types[1], {&between, 1}, constants[1]}; }
  NodeSignature pointwise() const { return {nodes.pointwise, types[2], {&result, 1}, constants[2]}; }

  SeparableParts nodes;
  ValueType narrow, wide, between, result;
  std::vector<ValueType> types[3];
  std::vector<const HostTensor*> constants[3];
};

struct Windows {
  std::optional<ConvWindow> widening;
  ConvWindow depthwise, pointwise;
};

class Separable final : public CpuKernel {
 public:
  Separable(const BlockedConvKernels& kernels, const Parts& parts, const Windows& windows)
      : CpuKernel(windows.widening ? "cpu-widened-separable" : "cpu-separable"), kernels_(kernels), depthwise_(kernels, parts.depthwise(), windows.depthwise, false),
        pointwise_(kernels, parts.pointwise(), windows.pointwise, false), images_(windows.depthwise.images), rows_(windows.depthwise.out[0]),
        results_((windows.pointwise.results + kernels.lanes - 1) / kernels.lanes), channels_(windows.pointwise.channels), rowFloats_(windows.depthwise.out[1] * kernels.lanes),
        wideRowFloats_(windows.depthwise.in[1] * kernels.lanes) {
    const ConvWindow& window = windows.depthwise;
    mostRows_ = std::clamp<int64_t>(kBandBytes / bytesOf(rowFloats_), 1, rows_);
    if (windows.widening) {
      widening_.emplace(kernels, parts.widening(), *windows.widening, false);
      narrow_ = *windows.widening;
      mostRows_ = std::clamp<int64_t>((kWideBytes / bytesOf(wideRowFloats_) - window.kernel[0]) / window.stride[0] + 1, 1, mostRows_);
      wideRows_ = std::min((mostRows_ - 1) * window.stride[0] + window.kernel[0], window.in[0]);
    }
    wideBytes_ = alignedBytes(static_cast<size_t>(wideRows_ * bytesOf(wideRowFloats_)));
    slotBytes_ = wideBytes_ + alignedBytes(static_cast<size_t>(mostRows_ * bytesOf(rowFloats_)));
  }
  size_t packedBytes() const override { return depthwise_.packedBytes() + pointwise_.packedBytes() + (widening_ ? widening_->packedBytes() : 0); }
  bool ownsOperand(size_t i) const override { return i == 1 || i == 3 || i == 6; }
  double flops() const override { return depthwise_.flops() + pointwise_.flops() + (widening_ ? widening_->flops() : 0); }
  size_t scratchBytes() const override { return slotBytes_ * static_cast<size_t>(mostThreads()); }

  /// Bands of rows, enough of them that threads have alike, and each thread's behind each other; a pixel's numbers do not depend on its band.
  void run(const KernelArguments& k) const override {
    const int64_t fair = std::max<int64_t>(1, images_ * rows_ / (4 * threads())), most = std::min(fair, mostRows_), bands = (rows_ + most - 1) / most;
    const int64_t items = images_ * bands, slots = std::min<int64_t>(threads(), items);
    parallelFor(slots, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slot = begin; slot < end; ++slot) {
        WideRows wide{reinterpret_cast<float*>(k.scratch + static_cast<size_t>(slot) * slotBytes_)};
        for (int64_t item = items * slot / slots; item < items * (slot + 1) / slots; ++item) {
          const int64_t image = item / bands, band = item % bands;
          runBand(k, image, rows_ * band / bands, rows_ * (band + 1) / bands, wide);
        }
      }
    });
  }

 private:
  /// Rows that the depthwise part reads, [blocks][rows][width][lanes], and the thread's working memory that they begin.
  struct WideRows {
    float* data;
    int64_t image = -1, from = 0, until = 0;
  };

  int64_t bytesOf(int64_t row) const { return depthwise_.blocks() * row * static_cast<int64_t>(sizeof(float)); }
  static const float* operand(const KernelArguments& k, size_t i) { return k.has(static_cast<int>(i)) ? k.inputs[i].as<float>() : nullptr; }

  /// Rows for the results [first, last). Those that are left of the band before are moved to the front and not made twice.
  void widen(const KernelArguments& k, int64_t image, int64_t first, int64_t last, WideRows& wide) const {
    const ConvWindow& window = depthwise_.window();
    const int64_t from = std::clamp<int64_t>(first * window.stride[0] - window.pad[0], 0, window.in[0]);
    const int64_t until = std::clamp<int64_t>((last - 1) * window.stride[0] - window.pad[0] + window.kernel[0], from, window.in[0]);
    const int64_t wideBlock = wideRows_ * wideRowFloats_, plane = window.in[0] * wideRowFloats_;
    int64_t made = from;
    // Bands come from above, and no window steps over a row.
    if (wide.image == image) {
      made = wide.until;
      for (int64_t block = 0; block < depthwise_.blocks(); ++block)
        std::memmove(wide.data + block * wideBlock, wide.data + block * wideBlock + (from - wide.from) * wideRowFloats_, static_cast<size_t>((made - from) * wideRowFloats_) * sizeof(float));
    }
    wide = {wide.data, image, from, until};
    if (made >= until) return;
    const int64_t blocks = (narrow_.channels + kernels_.lanes - 1) / kernels_.lanes;
    widening_->runStrip({.x = operand(k, 0) + image * blocks * plane + made * wideRowFloats_,
                         .xBlock = plane,
                         .channels = narrow_.channels,
                         .weights = nullptr,
                         .bias = nullptr,
                         .residual = nullptr,
                         .y = wide.data + (made - from) * wideRowFloats_,
                         .yBlock = wideBlock,
                         .results = 0,
                         .pixels = (until - made) * window.in[1],
                         .finish = widening_->finish()},
                        operand(k, 7));
  }

  void runBand(const KernelArguments& k, int64_t image, int64_t first, int64_t last, WideRows& wide) const {
    const int64_t blocks = depthwise_.blocks(), band = (last - first) * rowFloats_, plane = rows_ * rowFloats_;
    float* between = wide.data + wideBytes_ / sizeof(float);
    if (widening_) widen(k, image, first, last, wide);
    for (int64_t block = 0; block < blocks; ++block) {
      const float* x = widening_ ? wide.data + block * wideRows_ * wideRowFloats_ : operand(k, 0) + (image * blocks + block) * depthwise_.window().in[0] * wideRowFloats_;
      depthwise_.runRows(x, widening_ ? wide.from : 0, operand(k, 2), block, first, last, between + block * band);
    }
    const int64_t offset = image * results_ * plane + first * rowFloats_;
    pointwise_.runStrip({.x = between,
                         .xBlock = band,
                         .channels = channels_,
                         .weights = nullptr,
                         .bias = nullptr,
                         .residual = operand(k, 5) == nullptr ? nullptr : operand(k, 5) + offset,
                         .y = k.outputs[0].as<float>() + offset,
                         .yBlock = plane,
                         .results = 0,
                         .pixels = band / kernels_.lanes,
                         .finish = pointwise_.finish()},
                        operand(k, 4));
  }

  const BlockedConvKernels& kernels_;
  std::optional<Pointwise> widening_;
  ConvWindow narrow_{};  // of the widening part
  Depthwise depthwise_;
  Pointwise pointwise_;
  int64_t images_, rows_, results_, channels_, rowFloats_, wideRowFloats_, mostRows_ = 1, wideRows_ = 0;
  size_t wideBytes_ = 0, slotBytes_ = 0;
};

/// The result is as large as the window makes it.
bool followsFromWindow(const ConvWindow& window, const Node& node) {
  const auto& pads = node.attributes.integers("pads");
  for (size_t i = 0; i < 2; ++i) {
    const int64_t room = window.in[i] + pads[i] + pads[i + 2] - window.kernel[i];
    if (room < 0 || window.out[i] != room / window.stride[i] + 1) return false;
  }
  return true;
}

/// The windows of a separableConv that the kernels take, else none.
std::optional<Windows> separableWindows(const NodeSignature& s) {
  const BlockedConvKernels* kernels = blockedConvKernels();
  const bool isWidened = s.has(6);
  if (kernels == nullptr || !isKnown(s.constants[1]) || !isKnown(s.constants[3]) || (isWidened && !isKnown(s.constants[6]))) return std::nullopt;
  if (!liesInBlocks(s.inputs[0], *kernels) || !liesInBlocks(s.outputs[0], *kernels)) return std::nullopt;
  const bool hasResidual = s.has(5);
  if (hasResidual && !sameLayout(s.inputs[5], s.outputs[0])) return std::nullopt;
  const Parts parts(s);
  const auto depthwise = windowOf(parts.depthwise(), false), pointwise = windowOf(parts.pointwise(), false);
  if (!depthwise || !pointwise || !fitsDepthwise(*kernels, *depthwise) || !pointwise->isPointwise()) return std::nullopt;
  // What lies between was given the size of the result, which says nothing of the window that makes it.
  if (!followsFromWindow(*depthwise, parts.nodes.depthwise)) return std::nullopt;
  Windows out{std::nullopt, *depthwise, *pointwise};
  if (isWidened) {
    out.widening = windowOf(parts.widening(), false);
    if (!out.widening || !out.widening->isPointwise()) return std::nullopt;
  }
  return out;
}

}  // namespace

bool takesSeparableConv(const NodeSignature& s) { return separableWindows(s).has_value(); }
std::unique_ptr<Kernel> makeSeparableConv(const NodeSignature& s) {
  const auto windows = separableWindows(s);
  return windows ? std::make_unique<Separable>(*blockedConvKernels(), Parts(s), *windows) : nullptr;
}

}  // namespace ascribe::cpu
