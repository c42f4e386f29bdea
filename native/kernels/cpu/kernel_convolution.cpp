#include <memory>
#include <optional>
#include <string>

#include "kernels/cpu/blocked_conv.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/math_kernels.h"

namespace ascribe::cpu {
namespace {

/// `x` is [.., C, spatial…] of the data (leading axes are the batch), `y` of the convolution's result.
ConvShape shapeOf(const Node& node, const Shape& x, const Shape& w, const Shape& y) {
  ConvShape s;
  const int spatial = w.rank() - 2;
  s.group = node.attributes.integer("group");
  s.inChannels = x.at(-spatial - 1);
  s.outChannels = y.at(-spatial - 1);
  s.batch = x.count(0, x.rank() - spatial - 1);
  for (int i = 0; i < spatial; ++i) {
    const int axis = 3 - spatial + i;
    const auto at = static_cast<size_t>(i);
    s.in[axis] = x.at(i - spatial);
    s.out[axis] = y.at(i - spatial);
    s.kernel[axis] = w.at(i - spatial);
    s.stride[axis] = node.attributes.integers("strides")[at];
    s.dilation[axis] = node.attributes.integers("dilations")[at];
    s.pad[axis] = node.attributes.integers("pads")[at];
  }
  return s;
}
double productFlops(const ConvShape& s) {
  return 2.0 * static_cast<double>(s.batch * s.outChannels * s.outPlane()) * static_cast<double>(s.depth());
}
bool empty(const ConvShape& s) { return s.batch * s.inChannels * s.inPlane() * s.outChannels * s.outPlane() == 0; }

class ConvolutionKernel : public CpuKernel {
 public:
  ConvolutionKernel(std::string_view name, const Node& node, const ConvShape& shape, bool depthwise)
      : CpuKernel(name, node), shape_(shape), depthwise_(depthwise) {}
  size_t scratchBytes() const override { return scratch_; }
  size_t packedBytes() const override {
    size_t bytes = 0;
    if (packed_)
      for (const PackedMatrix& matrix : *packed_) bytes += matrix.bytes();
    return bytes;
  }
  bool ownsOperand(size_t i) const override { return i == 1 && packed_.has_value(); }
  double flops() const override { return productFlops(shape_); }

 protected:
  const PackedConvWeights* packed() const { return packed_ ? &*packed_ : nullptr; }

  ConvShape shape_;
  bool depthwise_;
  size_t scratch_ = 0;
  std::optional<PackedConvWeights> packed_;
};

/// conv and fusedConv: x, w, bias?, residual?
class Forward final : public ConvolutionKernel {
 public:
  Forward(const NodeSignature& s, const ConvShape& shape)
      : ConvolutionKernel(takesDepthwise(shape) ? "cpu-conv-depthwise" : "cpu-conv", s.node, shape, takesDepthwise(shape)) {
    if (s.node.op->name == "fusedConv") {
      const std::string& activation = s.node.attributes.text("activation");
      const double alpha = s.node.attributes.real("alpha"), beta = s.node.attributes.real("beta");
      constexpr float kInfinity = std::numeric_limits<float>::infinity();
      if (activation == "relu") epilogue_ = {.clip = true, .low = 0, .high = kInfinity};
      if (activation == "clip") epilogue_ = {.clip = true, .low = static_cast<float>(alpha), .high = static_cast<float>(beta)};
      if (activation == "leakyRelu") after_ = {Unary::LeakyRelu, static_cast<float>(alpha)};
      if (activation == "silu") after_ = {Unary::Silu, 0.0f};
    }
    if (!depthwise_ && s.constants[1] && s.constants[1]->data()) packed_ = packConvForward(*isa().gemm, shape, s.constants[1]->as<float>());
    scratch_ = depthwise_ ? depthwiseScratch(shape, mostThreads())
                          : convForwardScratch(isa(), shape, mostThreads(), packed_.has_value());
  }
  void run(const KernelArguments& k) const override {
    if (empty(shape_)) return;
    ConvEpilogue epilogue = epilogue_;
    if (k.has(2)) epilogue.bias = k.inputs[2].as<float>();
    if (k.has(3)) epilogue.residual = k.inputs[3].as<float>();
    const float *x = k.inputs[0].as<float>(), *w = k.inputs[1].as<float>();
    float* y = k.outputs[0].as<float>();
    if (depthwise_) depthwiseForward(isa(), shape_, x, w, y, epilogue, threads(), k.scratch);
    else convForward(isa(), shape_, x, w, packed(), y, epilogue, threads(), k.scratch);
    if (after_) {
      parallelFor(k.outputs[0].count(), kElementGrain, [&](int64_t begin, int64_t end) {
        isa().math->unary(after_->first, y + begin, y + begin, end - begin, after_->second, 0);
      });
    }
  }

 private:
  ConvEpilogue epilogue_;
  /// An activation that the product's epilogue does not have, in a walk of its own.
  std::optional<std::pair<Unary, float>> after_;
};

/// convDataGradient (g, w, like) and convTranspose (x, w, bias?), whose operand plays the gradient's part.
class DataGradient final : public ConvolutionKernel {
 public:
  DataGradient(const NodeSignature& s, const ConvShape& shape)
      : ConvolutionKernel(takesDepthwise(shape) ? "cpu-conv-data-gradient-depthwise" : "cpu-conv-data-gradient", s.node, shape,
                          takesDepthwise(shape)),
        transpose_(s.node.op->name == "convTranspose") {
    if (!depthwise_ && s.constants[1] && s.constants[1]->data()) packed_ = packConvDataGradient(*isa().gemm, shape, s.constants[1]->as<float>());
    scratch_ = depthwise_ ? depthwiseScratch(shape, mostThreads())
                          : convDataGradientScratch(isa(), shape, mostThreads(), packed_.has_value());
  }
  void run(const KernelArguments& k) const override {
    if (empty(shape_)) {
      std::fill_n(k.outputs[0].as<float>(), k.outputs[0].count(), 0.0f);
      return;
    }
    const float *g = k.inputs[0].as<float>(), *w = k.inputs[1].as<float>();
    const float* bias = transpose_ && k.has(2) ? k.inputs[2].as<float>() : nullptr;
    float* dx = k.outputs[0].as<float>();
    if (depthwise_) depthwiseDataGradient(isa(), shape_, g, w, dx, bias, threads(), k.scratch);
    else convDataGradient(isa(), shape_, g, w, packed(), dx, bias, threads(), k.scratch);
  }

 private:
  bool transpose_;
};

/// x [N, …], g [K, N, …] -> [K, ...w], or [K, N, ...w] per example.
class WeightGradient final : public ConvolutionKernel {
 public:
  WeightGradient(const NodeSignature& s, const ConvShape& shape, int64_t cotangents, bool perExample)
      : ConvolutionKernel("cpu-conv-weight-gradient", s.node, shape, takesDepthwise(shape)), cotangents_(cotangents), perExample_(perExample) {
    if (perExample) shape_.batch = 1;
    batches_ = perExample ? shape.batch : 1;
    scratch_ = depthwise_ ? depthwiseScratch(shape_, mostThreads()) : convWeightGradientScratch(isa(), shape_, mostThreads());
  }
  double flops() const override { return productFlops(shape_) * static_cast<double>(cotangents_ * batches_); }
  void run(const KernelArguments& k) const override {
    if (empty(shape_)) {
      std::fill_n(k.outputs[0].as<float>(), k.outputs[0].count(), 0.0f);
      return;
    }
    const int64_t in = shape_.batch * shape_.inChannels * shape_.inPlane(), out = shape_.batch * shape_.outChannels * shape_.outPlane();
    for (int64_t c = 0; c < cotangents_; ++c)
      for (int64_t n = 0; n < batches_; ++n) {
        const float *x = k.inputs[0].as<float>() + n * in, *g = k.inputs[1].as<float>() + (c * batches_ + n) * out;
        float* dw = k.outputs[0].as<float>() + (c * batches_ + n) * shape_.outChannels * shape_.depth();
        if (depthwise_) depthwiseWeightGradient(isa(), shape_, x, g, dw, threads(), k.scratch);
        else convWeightGradient(isa(), shape_, x, g, dw, threads(), k.scratch);
      }
  }

 private:
  int64_t cotangents_, batches_;
  bool perExample_;
};

std::unique_ptr<Kernel> makeForward(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  return std::make_unique<Forward>(s, shapeOf(s.node, s.inputs[0].shape, s.inputs[1].shape, s.outputs[0].shape));
}
std::unique_ptr<Kernel> makeDataGradient(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  return std::make_unique<DataGradient>(s, shapeOf(s.node, s.outputs[0].shape, s.inputs[1].shape, s.inputs[0].shape));
}
std::unique_ptr<Kernel> makeWeightGradient(const NodeSignature& s) {
  if (!takesF32(s)) return nullptr;
  const bool perExample = s.node.attributes.integer("perExample") != 0;
  const Shape w(s.outputs[0].shape.dims().subspan(perExample ? 2 : 1));
  return std::make_unique<WeightGradient>(s, shapeOf(s.node, s.inputs[0].shape, w, s.inputs[1].shape), s.inputs[1].shape[0], perExample);
}

const RegisterKernel registered[] = {
    RegisterKernel({.op = "conv", .backend = "cpu", .make = makeForward}),
    RegisterKernel({.op = "fusedConv", .backend = "cpu", .make = makeForward}),
    RegisterKernel({.op = "separableConv", .backend = "cpu", .make = makeSeparableConv, .anyLayout = true, .accepts = takesSeparableConv}),
    RegisterKernel({.op = "convDataGradient", .backend = "cpu", .make = makeDataGradient}),
    RegisterKernel({.op = "convTranspose", .backend = "cpu", .make = makeDataGradient}),
    RegisterKernel({.op = "convWeightGradient", .backend = "cpu", .make = makeWeightGradient}),
};

}  // namespace
}  // namespace ascribe::cpu
