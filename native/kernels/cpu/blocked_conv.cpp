#include "kernels/cpu/blocked_conv.h"

#include <algorithm>
#include <array>
#include <optional>

#include "graph/layout.h"
#include "graph/separable_conv.h"
#include "kernels/cpu/blocked_conv_kernels.h"
#include "kernels/cpu/blocked_conv_weights.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/over_slots.h"
#include "kernels/cpu/similar_rows_kernels.h"

namespace ascribe::cpu {

extern const BlockedConvKernels blockedConvAvx512;
extern const SimilarRowsKernels similarRowsAvx512;

const BlockedConvKernels* blockedConvKernels() {
#if defined(__x86_64__)
  return kernels().isa == Isa::Avx512 ? &blockedConvAvx512 : nullptr;
#else
  return nullptr;
#endif
}

const SimilarRowsKernels* similarRowsKernels() {
#if defined(__x86_64__)
  return kernels().isa == Isa::Avx512 ? &similarRowsAvx512 : nullptr;
#else
  return nullptr;
#endif
}

Finish finishOf(const NodeSignature& s) {
  if (s.node.op->name != "fusedConv") return {};
  const std::string& activation = s.node.attributes.text("activation");
  const auto alpha = static_cast<float>(s.node.attributes.real("alpha")), beta = static_cast<float>(s.node.attributes.real("beta"));
  Finish out;
  if (activation == "relu") out.low = 0;
  if (activation == "clip") out.low = alpha, out.high = beta;
  if (activation == "leakyRelu") out.kind = Finish::Kind::LeakyRelu, out.low = alpha;
  if (activation == "silu") out.kind = Finish::Kind::Silu;
  return out;
}

namespace {

/// What a thread should have to do before it is worth waking: some three microseconds.
constexpr double kFewFlops = 3e5;
/// Weights of a panel, which stay in the second-level cache while pixels pass.
constexpr int64_t kPanelBytes = 384 << 10;
/// Tiles that Winograd's algorithm takes at a time: so many bytes, transformed, stay in the second-level cache beside the products
/// of one group; but weights are read once for all of them.
constexpr int64_t kTileBytes = 384 << 10, kMostTiles = 64, kFewestTiles = 48, kLargeTileShare = 2;
/// Below this many channels on either side the transformations cost what the products save.
constexpr int64_t kFewChannels = 12;
/// Rows between the halves of a separable convolution that stay in the second-level cache, beside weights.
constexpr int64_t kBandBytes = 256 << 10;

/// `x` what is read, `y` the result.
std::optional<ConvWindow> windowOf(const NodeSignature& s, bool isGradient) {
  const ValueType &x = s.inputs[0], &y = s.outputs[0];
  const Shape& w = s.inputs[1].shape;
  if (w.rank() != 4 || x.dtype != DType::F32 || y.dtype != DType::F32 || y.shape.count() == 0 || multipliesBf16(s.node)) return std::nullopt;
  const auto &strides = s.node.attributes.integers("strides"), &dilations = s.node.attributes.integers("dilations"), &pads = s.node.attributes.integers("pads");
  ConvWindow out{.images = y.shape.count(0, y.shape.rank() - 3), .channels = x.shape.at(-3), .results = y.shape.at(-3), .groups = s.node.attributes.integer("group")};
  for (int i = 0; i < 2; ++i) {
    const auto at = static_cast<size_t>(i);
    if (dilations[at] != 1 && w[i + 2] != 1) return std::nullopt;
    out.in[i] = x.shape.at(i - 2);
    out.out[i] = y.shape.at(i - 2);
    out.kernel[i] = w[i + 2];
    out.stride[i] = strides[at];
    out.pad[i] = isGradient && strides[at] == 1 ? w[i + 2] - 1 - pads[at] : pads[at];
    if (out.pad[i] < 0 || out.pad[i] >= out.kernel[i]) return std::nullopt;
  }
  out.spreads = isGradient && (out.stride[0] != 1 || out.stride[1] != 1);
  return out;
}

class BlockedConv : public CpuKernel {
 public:
  BlockedConv(std::string_view name, const BlockedConvKernels& kernels, const NodeSignature& s, const ConvWindow& window, bool isGradient)
      : CpuKernel(name), kernels_(kernels), window_(window), finish_(finishOf(s)), isGradient_(isGradient),
        packed_(packedConvWeights(kernels, *s.constants[1], window, isGradient && !window.spreads)) {}
  size_t packedBytes() const override { return packed_->bytes(); }
  bool ownsOperand(size_t i) const override { return i == 1; }
  double flops() const override { return window_.flops(); }

 protected:
  // A gradient has `like` in the place of a bias, without data.
  const float* bias(const KernelArguments& k) const { return !isGradient_ && k.has(2) ? k.inputs[2].as<float>() : nullptr; }
  /// Units of this many operations that are worth a thread.
  static int64_t grainOf(double flops) { return std::max<int64_t>(1, static_cast<int64_t>(kFewFlops / std::max(flops, 1.0))); }

  const BlockedConvKernels& kernels_;
  ConvWindow window_;
  Finish finish_;
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
        runRows(k.inputs[0].as<float>(), bias(k), plane, first, last, k.outputs[0].as<float>() + row * outRow);
        row += last - first;
      }
    });
  }

  int64_t blocks() const { return (window_.channels + kernels_.lanes - 1) / kernels_.lanes; }
  /// Some rows of results of one plane, counted through all images.
  void runRows(const float* x, const float* biases, int64_t plane, int64_t first, int64_t last, float* y) const {
    const int64_t lanes = kernels_.lanes, block = plane % blocks();
    float own[64] = {};
    if (biases != nullptr) std::copy_n(biases + block * lanes, std::min(lanes, window_.channels - block * lanes), own);
    run_({.x = x + plane * window_.in[0] * window_.in[1] * lanes,
          .height = window_.in[0],
          .width = window_.in[1],
          .weights = packed_->data() + block * window_.kernel[0] * window_.kernel[1] * lanes,
          .bias = own,
          .y = y,
          .rowBegin = first,
          .rowEnd = last,
          .resultWidth = window_.out[1],
          .padTop = window_.pad[0],
          .padLeft = window_.pad[1],
          .finish = finish_});
  }

 private:
  BlockedConvKernels::Depthwise run_;
};

/// Bands of tiles, one group of results after the other; where there are fewer bands than threads, groups are shared out to them.
class Winograd final : public GroupedConv {
 public:
  Winograd(const BlockedConvKernels& kernels, const NodeSignature& s, const ConvWindow& window, bool isGradient)
      : GroupedConv(isGradient ? "cpu-winograd-gradient" : "cpu-winograd", kernels, s, window, isGradient), transforms_(kernels.winograd(window.edge)), places_(placesOf(window.edge)),
        rows_(over(window.out[0], window.edge)), columns_(over(window.out[1], window.edge)) {
    const int64_t tileBytes = places_ * inBlocks() * kernels.lanes * static_cast<int64_t>(sizeof(float)), groupBytes = tileBytes / inBlocks() * kernels.groupOf(groups_.back());
    // As many places of patches at a time, be they of few large tiles or of many small ones.
    const int64_t smaller = window.edge == 4 ? kLargeTileShare : 1, fewest = kFewestTiles / smaller, mostTiles = kMostTiles / smaller;
    const int64_t most = std::max<int64_t>(1, std::clamp(kTileBytes / tileBytes, fewest, mostTiles) / columns_);
    bands_ = (rows_ + most - 1) / most;
    const int64_t tiles = (rows_ + bands_ - 1) / bands_ * columns_;
    transformedBytes_ = alignedBytes(static_cast<size_t>(tiles * tileBytes));
    slotBytes_ = transformedBytes_ + alignedBytes(static_cast<size_t>(tiles * groupBytes));
  }
  size_t scratchBytes() const override { return slotBytes_ * static_cast<size_t>(mostThreads()); }

  /// The larger squares where they take clearly fewer products, and their weights leave room in the second-level cache.
  static int edgeFor(const BlockedConvKernels& kernels, const ConvWindow& window) {
    const auto products = [&](int64_t edge) { return placesOf(edge) * over(window.out[0], edge) * over(window.out[1], edge); };
    const int64_t blocks = (window.results + kernels.lanes - 1) / kernels.lanes;
    const int64_t weightBytes = placesOf(4) * window.channels * blocks * kernels.lanes * static_cast<int64_t>(sizeof(float));
    return 5 * products(4) <= 4 * products(2) && weightBytes <= kPanelBytes ? 4 : 2;
  }

  void run(const KernelArguments& k) const override {
    const int64_t items = window_.images * bands_;
    // Every thread transforms the tiles for itself where they are few, which is little beside the products.
    const int64_t shares = items >= threads() ? 1 : std::min<int64_t>(groups(), threads());
    overSlots(items * shares, threads(), slotBytes_, k.scratch, [&](int64_t item, std::byte* scratch) {
      const int64_t share = item % shares, band = item / shares % bands_, image = item / shares / bands_;
      runBand(k, image, rows_ * band / bands_, rows_ * (band + 1) / bands_, groups() * share / shares, groups() * (share + 1) / shares, scratch);
    });
  }

 private:
  void runBand(const KernelArguments& k, int64_t image, int64_t begin, int64_t end, int64_t firstGroup, int64_t lastGroup, std::byte* scratch) const {
    const int64_t lanes = kernels_.lanes, outPlane = window_.pixels() * lanes, inPlane = window_.in[0] * window_.in[1] * lanes;
    WinogradTiles tiles{begin, end - begin, columns_, window_.in[0], window_.in[1], inPlane, window_.channels, inBlocks()};
    auto *transformed = reinterpret_cast<float*>(scratch), *products = reinterpret_cast<float*>(scratch + transformedBytes_);
    transforms_.input(tiles, k.inputs[0].as<float>() + image * inBlocks() * inPlane, window_.pad[0], window_.pad[1], transformed);
    const int64_t run = tiles.count() * lanes, weights = groups_.back() * lanes * window_.channels;
    tiles.height = window_.out[0];
    tiles.width = window_.out[1];
    tiles.plane = outPlane;
    for (int64_t group = firstGroup; group < lastGroup; ++group) {
      const int64_t block = groups_[at(group)];
      tiles.blocks = groups_[at(group + 1)] - block;
      tiles.channels = window_.results - block * lanes;
      for (int64_t position = 0; position < places_; ++position)
        kernels_.pointwise({.x = transformed + position * inBlocks() * run,
                            .xBlock = run,
                            .channels = window_.channels,
                            .weights = packed_->data() + position * weights + block * lanes * window_.channels,
                            .bias = nullptr,
                            .residual = nullptr,
                            .y = products + position * tiles.blocks * run,
                            .yBlock = run,
                            .results = std::min(tiles.channels, tiles.blocks * lanes),
                            .pixels = tiles.count(),
                            .finish = {}});
      const int64_t offset = (image * groups_.back() + block) * outPlane;
      transforms_.output(tiles, products, bias(k) == nullptr ? nullptr : bias(k) + block * lanes, k.has(3) ? k.inputs[3].as<float>() + offset : nullptr,
                         k.outputs[0].as<float>() + offset, finish_);
    }
  }

  static constexpr int64_t placesOf(int64_t edge) { return (edge + 2) * (edge + 2); }
  static constexpr int64_t over(int64_t count, int64_t edge) { return (count + edge - 1) / edge; }

  WinogradTransforms transforms_;
  int64_t places_;                      // of a patch
  int64_t rows_, columns_, bands_ = 1;  // of tiles
  size_t transformedBytes_ = 0, slotBytes_ = 0;
};

/// The halves of a separableConv as nodes of their own.
struct Halves {
  explicit Halves(const NodeSignature& s)
      : nodes(separableHalves(s.node)), between(betweenHalves(s.inputs[0], s.inputs[1], s.outputs[0])), result(s.outputs[0]),
        types{std::vector<ValueType>{s.inputs[0], s.inputs[1]}, {between, s.inputs[3]}}, constants{std::vector<const HostTensor*>{nullptr, s.constants[1]}, {nullptr, s.constants[3]}} {}
  NodeSignature depthwise() const { return {nodes.depthwise, types[0], {&between, 1}, constants[0]}; }
  NodeSignature pointwise() const { return {nodes.pointwise, types[1], {&result, 1}, constants[1]}; }

  SeparableHalves nodes;
  ValueType between, result;
  std::vector<ValueType> types[2];
  std::vector<const HostTensor*> constants[2];
};

class Separable final : public CpuKernel {
 public:
  Separable(const BlockedConvKernels& kernels, const Halves& halves, const ConvWindow& depthwise, const ConvWindow& pointwise)
      : CpuKernel("cpu-separable"), kernels_(kernels), depthwise_(kernels, halves.depthwise(), depthwise, false), pointwise_(kernels, halves.pointwise(), pointwise, false),
        images_(depthwise.images), rows_(depthwise.out[0]), results_((pointwise.results + kernels.lanes - 1) / kernels.lanes), channels_(pointwise.channels),
        rowFloats_(depthwise.out[1] * kernels.lanes) {
    mostRows_ = std::clamp<int64_t>(kBandBytes / (depthwise_.blocks() * rowFloats_ * static_cast<int64_t>(sizeof(float))), 1, rows_);
    slotBytes_ = alignedBytes(static_cast<size_t>(mostRows_ * depthwise_.blocks() * rowFloats_) * sizeof(float));
  }
  size_t packedBytes() const override { return depthwise_.packedBytes() + pointwise_.packedBytes(); }
  bool ownsOperand(size_t i) const override { return i == 1 || i == 3; }
  double flops() const override { return depthwise_.flops() + pointwise_.flops(); }
  size_t scratchBytes() const override { return slotBytes_ * static_cast<size_t>(mostThreads()); }

  /// Bands of rows, enough of them that threads have alike; a pixel's numbers do not depend on its band.
  void run(const KernelArguments& k) const override {
    const int64_t fair = std::max<int64_t>(1, images_ * rows_ / (4 * threads())), bands = (rows_ + std::min(fair, mostRows_) - 1) / std::min(fair, mostRows_);
    overSlots(images_ * bands, threads(), slotBytes_, k.scratch, [&](int64_t item, std::byte* scratch) {
      const int64_t image = item / bands, band = item % bands;
      runBand(k, image, rows_ * band / bands, rows_ * (band + 1) / bands, reinterpret_cast<float*>(scratch));
    });
  }

 private:
  void runBand(const KernelArguments& k, int64_t image, int64_t first, int64_t last, float* between) const {
    const auto operand = [&](size_t i) { return k.has(i) ? k.inputs[i].as<float>() : nullptr; };
    const int64_t blocks = depthwise_.blocks(), band = (last - first) * rowFloats_, plane = rows_ * rowFloats_;
    for (int64_t block = 0; block < blocks; ++block) depthwise_.runRows(operand(0), operand(2), image * blocks + block, first, last, between + block * band);
    const int64_t offset = image * results_ * plane + first * rowFloats_;
    pointwise_.runStrip({.x = between,
                         .xBlock = band,
                         .channels = channels_,
                         .weights = nullptr,
                         .bias = nullptr,
                         .residual = operand(5) == nullptr ? nullptr : operand(5) + offset,
                         .y = k.outputs[0].as<float>() + offset,
                         .yBlock = plane,
                         .results = 0,
                         .pixels = band / kernels_.lanes,
                         .finish = pointwise_.finish()},
                        operand(4));
  }

  const BlockedConvKernels& kernels_;
  Depthwise depthwise_;
  Pointwise pointwise_;
  int64_t images_, rows_, results_, channels_, rowFloats_, mostRows_ = 1;
  size_t slotBytes_ = 0;
};

bool fitsDepthwise(const BlockedConvKernels& kernels, const ConvWindow& window) {
  return window.isDepthwise() && window.out[1] >= (window.spreads ? 2 * kernels.depthwiseTile + 2 : kernels.depthwiseTile) && Depthwise::kernelFor(kernels, window) != nullptr;
}

bool isKnown(const HostTensor* weights) { return weights != nullptr && weights->data() != nullptr; }
bool liesInBlocks(const ValueType& type, const BlockedConvKernels& kernels) { return blockOf(type.layout) == kernels.lanes && type.channelAxis == type.shape.rank() - 3; }

std::unique_ptr<Kernel> make(const NodeSignature& s, bool isGradient) {
  const BlockedConvKernels* kernels = blockedConvKernels();
  if (kernels == nullptr || !isKnown(s.constants[1]) || !liesInBlocks(s.inputs[0], *kernels) || !liesInBlocks(s.outputs[0], *kernels)) return nullptr;
  std::optional<ConvWindow> window = windowOf(s, isGradient);
  if (!window) return nullptr;
  if (window->isPointwise()) return std::make_unique<Pointwise>(*kernels, s, *window, isGradient);
  if (window->isSquare()) {
    if (std::min(window->channels, window->results) < kFewChannels) return nullptr;
    window->edge = Winograd::edgeFor(*kernels, *window);
    return std::make_unique<Winograd>(*kernels, s, *window, isGradient);
  }
  return fitsDepthwise(*kernels, *window) && !(!isGradient && s.has(3)) ? std::make_unique<Depthwise>(*kernels, s, *window, isGradient) : nullptr;
}

/// The result is as large as the window makes it.
bool followsFromWindow(const ConvWindow& window, const Node& node) {
  const auto& pads = node.attributes.integers("pads");
  for (size_t i = 0; i < 2; ++i) {
    const int64_t room = window.in[i] + pads[i] + pads[i + 2] - window.kernel[i];
    if (room < 0 || window.out[i] != room / window.stride[i] + 1) return false;
  }
  return true;
}

/// Both windows of a separableConv that the kernels take, else none.
std::optional<std::array<ConvWindow, 2>> separableWindows(const NodeSignature& s) {
  const BlockedConvKernels* kernels = blockedConvKernels();
  if (kernels == nullptr || !isKnown(s.constants[1]) || !isKnown(s.constants[3]) || !liesInBlocks(s.inputs[0], *kernels) || !liesInBlocks(s.outputs[0], *kernels)) return std::nullopt;
  const bool hasResidual = s.has(5);
  if (hasResidual && !sameLayout(s.inputs[5], s.outputs[0])) return std::nullopt;
  const Halves halves(s);
  const auto depthwise = windowOf(halves.depthwise(), false), pointwise = windowOf(halves.pointwise(), false);
  if (!depthwise || !pointwise || !fitsDepthwise(*kernels, *depthwise) || !pointwise->isPointwise()) return std::nullopt;
  // What lies between was given the size of the result, which says nothing of the window that makes it.
  if (!followsFromWindow(*depthwise, halves.nodes.depthwise)) return std::nullopt;
  return std::array{*depthwise, *pointwise};
}

}  // namespace

bool takesSeparableConv(const NodeSignature& s) { return separableWindows(s).has_value(); }
std::unique_ptr<Kernel> makeSeparableConv(const NodeSignature& s) {
  const auto windows = separableWindows(s);
  return windows ? std::make_unique<Separable>(*blockedConvKernels(), Halves(s), (*windows)[0], (*windows)[1]) : nullptr;
}

std::unique_ptr<Kernel> makeBlockedConv(const NodeSignature& signature) { return make(signature, false); }
std::unique_ptr<Kernel> makeBlockedConvGradient(const NodeSignature& signature) { return make(signature, true); }

}  // namespace ascribe::cpu
