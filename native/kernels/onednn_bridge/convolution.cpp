#include <atomic>
#include <cstring>

#include "graph/layout.h"
#include "kernels/cpu/blocked_conv.h"
#include "kernels/cpu/gemm_kernels.h"
#include "kernels/cpu/image_gradient.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/strided_conv.h"
#include "kernels/onednn_bridge/bridge_kernel.h"
#include "kernels/onednn_bridge/packed_weights.h"
#include "kernels/onednn_bridge/similar_rows.h"
#include "kernels/onednn_bridge/winograd.h"
#include "runtime/error.h"
#include "runtime/parallel.h"

namespace ascribe::onednn_bridge {
namespace {

bool blocked(const ValueType& type) { return blockOf(type.layout) > 0; }
bool anyEmpty(const NodeSignature& s) {
  for (size_t i = 0; i < s.inputs.size(); ++i)
    if (s.has(i) && s.inputs[i].shape.count() == 0) return true;
  return s.outputs[0].shape.count() == 0;
}

/// What the three maps share: data operand or result `x`, weights of shape `w`, convolution result `y`.
AscribeOperation windowed(int kind, const Node& node, const Shape& w) {
  AscribeOperation out{};
  out.kind = kind;
  out.groups = static_cast<int32_t>(node.attributes.integer("group"));
  setWindow(out, node, static_cast<size_t>(w.rank()) - 2);
  return out;
}
/// What the products of a marked node read is rounded: data before every run, weights as they are packed.
void setElements(AscribeOperation& operation, const Node& node) {
  if (multipliesBf16(node)) operation.first.element = operation.second.element = ASCRIBE_BF16;
}
AscribeTensor freeWeights(const Shape& w) {
  AscribeTensor out = plainTensor(w);
  out.format = ASCRIBE_FORMAT_ANY;
  return out;
}
double flopsOf(const Shape& w, const ValueType& y) {
  return 2.0 * static_cast<double>(y.shape.count()) * static_cast<double>(w.count(1, w.rank()));
}

/// The epilogue in the order in which the fused op defines it: residual, then activation.
void setPostOps(AscribeOperation& operation, const NodeSignature& s) {
  const auto append = [&](int kind, double alpha, double beta) {
    operation.post_ops[operation.post_op_count++] = {kind, static_cast<float>(alpha), static_cast<float>(beta)};
  };
  if (s.has(3)) {
    operation.residual = operation.result;
    append(ASCRIBE_POST_ADD, 0, 0);
  }
  const std::string& activation = s.node.attributes.text("activation");
  const double alpha = s.node.attributes.real("alpha"), beta = s.node.attributes.real("beta");
  if (activation == "relu") append(ASCRIBE_POST_RELU, 0, 0);
  if (activation == "leakyRelu") append(ASCRIBE_POST_RELU, alpha, 0);
  if (activation == "clip") append(ASCRIBE_POST_CLIP, alpha, beta);
  if (activation == "silu") append(ASCRIBE_POST_SILU, 0, 0);
}

AscribeOperation describeForward(const NodeSignature& s) {
  const Shape& w = s.inputs[1].shape;
  const int spatial = w.rank() - 2;
  AscribeOperation out = windowed(ASCRIBE_CONVOLUTION, s.node, w);
  out.first = dataTensor(s.inputs[0], spatial);
  out.second = freeWeights(w);
  if (s.has(2)) out.bias = plainTensor(s.inputs[2].shape);
  out.result = dataTensor(s.outputs[0], spatial);
  if (s.node.op->name == "fusedConv") setPostOps(out, s);
  setElements(out, s.node);
  return out;
}
AscribeOperation describeData(const NodeSignature& s) {
  const Shape& w = s.inputs[1].shape;
  const int spatial = w.rank() - 2;
  AscribeOperation out = windowed(ASCRIBE_CONVOLUTION_DATA, s.node, w);
  out.first = dataTensor(s.inputs[0], spatial);
  out.second = freeWeights(w);
  out.result = dataTensor(s.outputs[0], spatial);
  setElements(out, s.node);
  return out;
}

/// oneDNN's ReLU and clip make a number of NaN. It is stopped where it can come in: in images, which are read as planes,
/// and in weights; infinity too, since sums of it are NaN.
bool hidesNan(const NodeSignature& s) {
  if (s.node.op->name != "fusedConv") return false;
  const std::string& activation = s.node.attributes.text("activation");
  return activation != "none" && activation != "silu";
}
/// The floats may lie at any byte: over a mapped file.
bool isNotFinite(const void* data, int64_t count) {
  std::atomic<bool> found{false};
  parallelFor(count, 65536, [&](int64_t begin, int64_t end) {
    // Without a branch, so that the loop vectorises.
    int any = 0;
    for (int64_t i = begin; i < end; ++i) {
      float value;
      std::memcpy(&value, static_cast<const char*>(data) + i * static_cast<int64_t>(sizeof value), sizeof value);
      any |= value - value != 0;
    }
    if (any) found = true;
  });
  return found;
}
bool isNotFinite(const HostTensor* tensor) {
  return tensor != nullptr && tensor->data() != nullptr && isNotFinite(tensor->data(), tensor->shape().count());
}

/// Null where they may change from run to run.
const HostTensor* knownWeights(const NodeSignature& s) {
  return s.constants[1] == nullptr || s.constants[1]->data() == nullptr ? nullptr : s.constants[1];
}

/// Convolutions and their data gradients: the weights are packed once where they are known, else at every run.
class WeightedKernel final : public BridgeKernel {
 public:
  WeightedKernel(std::string_view what, std::unique_ptr<Primitive> made, const NodeSignature& s, double flops)
      : BridgeKernel(what, std::move(made), flops), packedBytes_(roundedUp(primitive().bytes(ASCRIBE_SECOND))),
        refusesNan_(hidesNan(s) && s.inputs[0].layout == Layout::Plain) {
    if (multipliesBf16(s.node)) {
      narrow_ = cpu::requiredBf16Kernels().gemm->narrow;
      narrowBytes_ = roundedUp(primitive().bytes(ASCRIBE_FIRST));
    }
    const HostTensor* weights = knownWeights(s);
    if (weights) packed_ = packedOnce(sharedPrimitive(), *weights, Turn::AsTheyAre, [&] { return weights->data(); });
  }
  size_t packedBytes() const override { return packed_ ? packedBytes_ : 0; }
  bool ownsOperand(size_t i) const override { return i == 1 && packed_; }
  size_t scratchBytes() const override { return (packed_ ? 0 : packedBytes_) + narrowBytes_ + BridgeKernel::scratchBytes(); }
  void run(const KernelArguments& k) const override {
    if (refusesNan_ && isNotFinite(k.inputs[0].as<float>(), k.inputs[0].count()))
      throw Error("NOT_FINITE", "a convolution with an activation reads NaN or infinity, which the activation would hide",
                  "look for them in the input; or compile without the pass fuse-convolution to let them through");
    Buffers buffers;
    std::byte* scratch = k.scratch;
    buffers[ASCRIBE_FIRST] = k.inputs[0].data;
    buffers[ASCRIBE_SECOND] = packed_ ? packed_->get() : nullptr;
    if (narrow_ != nullptr) {
      // As many elements as there are in memory, those of padded channels among them.
      const auto count = static_cast<int64_t>(primitive().bytes(ASCRIBE_FIRST) / sizeof(uint16_t));
      auto* narrowed = reinterpret_cast<uint16_t*>(scratch);
      const float* wide = k.inputs[0].as<float>();
      parallelFor(count, 1 << 15, [&](int64_t begin, int64_t end) { narrow_(narrowed + begin, wide + begin, end - begin); });
      buffers[ASCRIBE_FIRST] = narrowed;
      scratch += narrowBytes_;
    }
    if (!packed_) {
      buffers[ASCRIBE_SECOND] = scratch;
      primitive().pack(ASCRIBE_SECOND, k.inputs[1].data, scratch);
      scratch += packedBytes_;
    }
    buffers[ASCRIBE_SCRATCH] = scratch;
    if (k.has(2)) buffers[ASCRIBE_BIAS] = k.inputs[2].data;
    if (k.has(3)) buffers[ASCRIBE_RESIDUAL] = k.inputs[3].data;
    buffers[ASCRIBE_RESULT] = k.outputs[0].data;
    primitive().execute(buffers);
  }

 private:
  std::shared_ptr<const PackedWeights> packed_;
  size_t packedBytes_, narrowBytes_ = 0;
  bool refusesNan_;
  void (*narrow_)(uint16_t*, const float*, int64_t) = nullptr;
};

/// Channels that only fill part of a block are as good as zero beyond it, but a result's must become so too.
/// Convolutions between plain layouts are the cpu backend's.
std::unique_ptr<Primitive> forwardPrimitive(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !isF32(s.outputs[0]) || !blocked(s.outputs[0]) || anyEmpty(s)) return nullptr;
  if (s.has(3) && !(s.inputs[3].shape == s.outputs[0].shape && sameLayout(s.inputs[3], s.outputs[0]))) return nullptr;
  // oneDNN computes padded channels with zero weights and no bias: zero, unless the activation lifts it.
  if (hasPaddedChannels(s.outputs[0]) && s.node.op->name == "fusedConv" && s.node.attributes.text("activation") == "clip" &&
      (s.node.attributes.real("alpha") > 0 || s.node.attributes.real("beta") < 0))
    return nullptr;
  if (hidesNan(s) && (isNotFinite(s.constants[1]) || (s.has(2) && isNotFinite(s.constants[2])))) return nullptr;
  return Primitive::make(describeForward(s), flopsOf(s.inputs[1].shape, s.outputs[0]));
}
std::unique_ptr<Primitive> dataPrimitive(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !blocked(s.inputs[0]) || anyEmpty(s)) return nullptr;
  return Primitive::make(describeData(s), flopsOf(s.inputs[1].shape, s.inputs[0]));
}

std::unique_ptr<Kernel> makeForward(const NodeSignature& s) {
  auto primitive = forwardPrimitive(s);
  if (!primitive) return nullptr;
  const double flops = flopsOf(s.inputs[1].shape, s.outputs[0]);
  if (multipliesBf16(s.node)) return std::make_unique<WeightedKernel>("conv", std::move(primitive), s, flops);
  if (auto similar = makeSimilarRows(s, describeForward(s), knownWeights(s), flops)) return similar;
  if (auto winograd = makeWinograd("conv", describeForward(s), knownWeights(s), flops, Tiles::Large)) return winograd;
  if (auto own = cpu::makeBlockedConv(s)) return own;
  if (auto own = cpu::makeStridedConv(s)) return own;
  if (auto winograd = makeWinograd("conv", describeForward(s), knownWeights(s), flops, Tiles::Any)) return winograd;
  return std::make_unique<WeightedKernel>("conv", std::move(primitive), s, flops);
}
std::unique_ptr<Kernel> makeData(const NodeSignature& s) {
  if (!blocked(s.outputs[0])) return cpu::makeImageGradient(s);
  auto primitive = dataPrimitive(s);
  if (!primitive) return nullptr;
  const double flops = flopsOf(s.inputs[1].shape, s.inputs[0]);
  if (multipliesBf16(s.node)) return std::make_unique<WeightedKernel>("conv-data-gradient", std::move(primitive), s, flops);
  if (auto winograd = makeWinogradGradient(describeData(s), knownWeights(s), flops, Tiles::Large)) return winograd;
  if (auto own = cpu::makeBlockedConvGradient(s)) return own;
  if (auto winograd = makeWinogradGradient(describeData(s), knownWeights(s), flops, Tiles::Any)) return winograd;
  // `like` stands where a convolution has its bias; it is never given, only its shape.
  return std::make_unique<WeightedKernel>("conv-data-gradient", std::move(primitive), s, flops);
}
/// A gatedConv or fusedConvDataGradient as the node whose kernel it is to have, bit for bit: the kernels of our own have gates in them.
class Ungated {
 public:
  explicit Ungated(const NodeSignature& s) : node_(s.node), isForward_(s.node.op->name == "gatedConv"), s_(s) {
    node_.op = &op(isForward_ ? "fusedConv" : "convDataGradient");
    node_.inputs.resize(count());
    node_.outputs.resize(1);
  }
  NodeSignature signature() const { return {node_, s_.inputs.first(count()), s_.outputs.first(1), s_.constants.first(count())}; }
  bool isOwn() const {
    const NodeSignature s = signature();
    if (multipliesBf16(node_) || node_.attributes.has("similarRows") || knownWeights(s) == nullptr || !blocked(s.outputs[0])) return false;
    if (s.has(3) && !(s.inputs[3].shape == s.outputs[0].shape && sameLayout(s.inputs[3], s.outputs[0]))) return false;
    const double flops = flopsOf(s.inputs[1].shape, isForward_ ? s.outputs[0] : s.inputs[0]);
    if (isForward_) return cpu::takesGatedConv(s) && forwardPrimitive(s) != nullptr && !takesWinograd(describeForward(s), flops, Tiles::Large);
    return cpu::takesGatedConvGradient(s) && dataPrimitive(s) != nullptr && !takesWinogradGradient(describeData(s), flops, Tiles::Large);
  }

 private:
  size_t count() const { return std::min<size_t>(s_.inputs.size(), 4); }
  Node node_;
  bool isForward_;
  const NodeSignature& s_;
};

int64_t storedCount(const ValueType& type) { return storedShape(type).count(); }
bool takesGatedForward(const NodeSignature& s) { return storedCount(s.outputs[0]) == s.node.attributes.integer("elements") && Ungated(s).isOwn(); }
/// Gates are of all images of one cotangent.
bool takesGatedData(const NodeSignature& s) {
  if (s.has(4) && storedCount(s.outputs[0]) != s.node.attributes.integer("elements") * (s.outputs[0].shape.rank() == 5 ? s.outputs[0].shape[0] : 1)) return false;
  return Ungated(s).isOwn();
}
std::unique_ptr<Kernel> makeGatedForward(const NodeSignature& s) {
  const auto bound = [&](const char* name) { return static_cast<float>(s.node.attributes.real(name)); };
  return takesGatedForward(s) ? cpu::makeGatedConv(Ungated(s).signature(), bound("low"), bound("high")) : nullptr;
}
std::unique_ptr<Kernel> makeGatedData(const NodeSignature& s) {
  return takesGatedData(s) ? cpu::makeGatedConvGradient(Ungated(s).signature(), s.has(4) ? s.node.attributes.integer("elements") : 0) : nullptr;
}
bool takesForward(const NodeSignature& s) { return forwardPrimitive(s) != nullptr; }
bool takesData(const NodeSignature& s) { return blocked(s.outputs[0]) ? dataPrimitive(s) != nullptr : cpu::takesImageGradient(s); }

/// x [N, C, in…], g [K, N, M, out…] -> [K, ...w], or [K, N, ...w] per example: one primitive, run for every slice.
AscribeOperation describeWeights(const NodeSignature& s) {
  const bool perExample = s.node.attributes.integer("perExample") != 0;
  const Shape w(s.outputs[0].shape.dims().subspan(perExample ? 2 : 1));
  const int spatial = w.rank() - 2;
  AscribeOperation out = windowed(ASCRIBE_CONVOLUTION_WEIGHTS, s.node, w);
  out.first = dataTensor(s.inputs[0], spatial);
  out.second = dataTensor(s.inputs[1], spatial);
  out.first.dims[0] = out.second.dims[0] = perExample ? 1 : s.inputs[0].shape[0];
  out.result = freeWeights(w);
  return out;
}

class WeightGradientKernel final : public BridgeKernel {
 public:
  WeightGradientKernel(std::unique_ptr<Primitive> made, const NodeSignature& s, double flops)
      : BridgeKernel("conv-weight-gradient", std::move(made), flops), resultBytes_(roundedUp(primitive().bytes(ASCRIBE_RESULT))) {
    const bool perExample = s.node.attributes.integer("perExample") != 0;
    cotangents_ = s.inputs[1].shape[0];
    examples_ = perExample ? s.inputs[0].shape[0] : 1;
    ValueType x = s.inputs[0], g = s.inputs[1];
    dataStride_ = perExample ? storedShape(x).count() / x.shape[0] : 0;
    gradientStride_ = storedShape(g).count() / (cotangents_ * examples_);
    resultStride_ = s.outputs[0].shape.count() / (cotangents_ * examples_);
  }
  size_t scratchBytes() const override { return resultBytes_ + BridgeKernel::scratchBytes(); }
  void run(const KernelArguments& k) const override {
    for (int64_t c = 0; c < cotangents_; ++c)
      for (int64_t n = 0; n < examples_; ++n) {
        Buffers buffers;
        buffers[ASCRIBE_FIRST] = k.inputs[0].as<float>() + n * dataStride_;
        buffers[ASCRIBE_SECOND] = k.inputs[1].as<float>() + (c * examples_ + n) * gradientStride_;
        buffers[ASCRIBE_RESULT] = k.scratch;
        buffers[ASCRIBE_SCRATCH] = k.scratch + resultBytes_;
        primitive().execute(buffers);
        primitive().unpack(ASCRIBE_RESULT, k.scratch, k.outputs[0].as<float>() + (c * examples_ + n) * resultStride_);
      }
  }

 private:
  size_t resultBytes_;
  int64_t cotangents_, examples_, dataStride_, gradientStride_, resultStride_;
};

std::unique_ptr<Primitive> weightsPrimitive(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !blocked(s.inputs[1]) || anyEmpty(s)) return nullptr;
  return Primitive::make(describeWeights(s));
}
std::unique_ptr<Kernel> makeWeights(const NodeSignature& s) {
  auto primitive = weightsPrimitive(s);
  if (!primitive) return nullptr;
  const bool perExample = s.node.attributes.integer("perExample") != 0;
  const Shape w(s.outputs[0].shape.dims().subspan(perExample ? 2 : 1));
  return std::make_unique<WeightGradientKernel>(std::move(primitive), s, flopsOf(w, s.inputs[1]));
}
bool takesWeights(const NodeSignature& s) { return weightsPrimitive(s) != nullptr; }

const RegisterKernel registered[] = {
    RegisterKernel({.op = "conv", .backend = "onednn", .make = makeForward, .anyLayout = true, .accepts = takesForward}),
    RegisterKernel({.op = "fusedConv", .backend = "onednn", .make = makeForward, .anyLayout = true, .accepts = takesForward}),
    RegisterKernel({.op = "gatedConv", .backend = "onednn", .make = makeGatedForward, .anyLayout = true, .accepts = takesGatedForward}),
    RegisterKernel({.op = "fusedConvDataGradient", .backend = "onednn", .make = makeGatedData, .anyLayout = true, .accepts = takesGatedData}),
    RegisterKernel({.op = "convDataGradient", .backend = "onednn", .make = makeData, .anyLayout = true, .accepts = takesData}),
    RegisterKernel({.op = "convWeightGradient", .backend = "onednn", .make = makeWeights, .anyLayout = true, .accepts = takesWeights}),
};

}  // namespace
}  // namespace ascribe::onednn_bridge
