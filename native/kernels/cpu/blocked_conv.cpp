#include "kernels/cpu/blocked_conv.h"

#include <algorithm>

#include "graph/layout.h"
#include "kernels/cpu/blocked_conv_nodes.h"
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

bool fitsDepthwise(const BlockedConvKernels& kernels, const ConvWindow& window) {
  return window.isDepthwise() && window.out[1] >= (window.spreads ? 2 * kernels.depthwiseTile + 2 : kernels.depthwiseTile) && Depthwise::kernelFor(kernels, window) != nullptr;
}

bool isKnown(const HostTensor* weights) { return weights != nullptr && weights->data() != nullptr; }
bool liesInBlocks(const ValueType& type, const BlockedConvKernels& kernels) { return blockOf(type.layout) == kernels.lanes && type.channelAxis == type.shape.rank() - 3; }

namespace {

/// Tiles that Winograd's algorithm takes at a time: so many bytes, transformed, stay in the second-level cache beside the products
/// of one group; but weights are read once for all of them.
constexpr int64_t kTileBytes = 384 << 10, kMostTiles = 64, kFewestTiles = 48, kLargeTileShare = 2;
/// Below this many channels on either side the transformations cost what the products save.
constexpr int64_t kFewChannels = 12;
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
                         k.outputs[0].as<float>() + offset, finish_, gates(k, image, block * outPlane));
    }
  }

  static constexpr int64_t placesOf(int64_t edge) { return (edge + 2) * (edge + 2); }
  static constexpr int64_t over(int64_t count, int64_t edge) { return (count + edge - 1) / edge; }

  WinogradTransforms transforms_;
  int64_t places_;                      // of a patch
  int64_t rows_, columns_, bands_ = 1;  // of tiles
  size_t transformedBytes_ = 0, slotBytes_ = 0;
};

/// The window of a node that one of the kernels takes, else none.
std::optional<ConvWindow> takenWindow(const NodeSignature& s, bool isGradient) {
  const BlockedConvKernels* kernels = blockedConvKernels();
  if (kernels == nullptr || !isKnown(s.constants[1]) || !liesInBlocks(s.inputs[0], *kernels) || !liesInBlocks(s.outputs[0], *kernels)) return std::nullopt;
  std::optional<ConvWindow> window = windowOf(s, isGradient);
  if (!window || window->isPointwise()) return window;
  if (!window->isSquare()) return fitsDepthwise(*kernels, *window) && !s.has(3) ? window : std::nullopt;
  if (std::min(window->channels, window->results) < kFewChannels) return std::nullopt;
  window->edge = Winograd::edgeFor(*kernels, *window);
  return window;
}

std::unique_ptr<BlockedConv> make(const NodeSignature& s, bool isGradient) {
  const std::optional<ConvWindow> window = takenWindow(s, isGradient);
  if (!window) return nullptr;
  const BlockedConvKernels& kernels = *blockedConvKernels();
  if (window->isPointwise()) return std::make_unique<Pointwise>(kernels, s, *window, isGradient);
  if (window->isSquare()) return std::make_unique<Winograd>(kernels, s, *window, isGradient);
  return std::make_unique<Depthwise>(kernels, s, *window, isGradient);
}

std::unique_ptr<Kernel> makeGated(const NodeSignature& s, bool isGradient, const GateUse& use) {
  std::unique_ptr<BlockedConv> kernel = make(s, isGradient);
  if (kernel) kernel->setGates(use);
  return kernel;
}

}  // namespace

// Functions of a walk of their own come when a result is stored, and its bit is written down.
bool takesGatedConv(const NodeSignature& s) { return finishOf(s).kind == Finish::Kind::Clip && takenWindow(s, false).has_value(); }
std::unique_ptr<Kernel> makeGatedConv(const NodeSignature& s, float low, float high) { return takesGatedConv(s) ? makeGated(s, false, {.writes = true, .low = low, .high = high}) : nullptr; }
bool takesGatedConvGradient(const NodeSignature& s) { return takenWindow(s, true).has_value(); }
std::unique_ptr<Kernel> makeGatedConvGradient(const NodeSignature& s, int64_t gateElements) { return makeGated(s, true, {.elements = gateElements}); }

std::unique_ptr<Kernel> makeBlockedConv(const NodeSignature& signature) { return make(signature, false); }
std::unique_ptr<Kernel> makeBlockedConvGradient(const NodeSignature& signature) { return make(signature, true); }

}  // namespace ascribe::cpu
