#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "graph/op.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/patches.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/kernel.h"

namespace ascribe::cpu {
namespace {

constexpr int kMostThreads = 64;

double flopsOf(const Geometry2d& g) {
  return 2.0 * static_cast<double>(g.batch) * static_cast<double>(g.outPlane()) * static_cast<double>(g.outChannels) *
         static_cast<double>(g.inChannels / g.group) * static_cast<double>(g.taps());
}

struct Activation {
  bool clip = false, leaky = false;
  float low = 0, high = std::numeric_limits<float>::infinity(), slope = 0;

  explicit Activation(const Node& node) {
    if (!node.attributes.has("activation")) return;
    const std::string& kind = node.attributes.text("activation");
    clip = kind == "relu" || kind == "clip";
    leaky = kind == "leakyRelu";
    if (kind == "clip") low = static_cast<float>(node.attributes.real("alpha")), high = static_cast<float>(node.attributes.real("beta"));
    if (leaky) slope = static_cast<float>(node.attributes.real("alpha"));
  }
};

/// Convolution as one product of the weights with patches that are packed on the way; its adjoint likewise, with the
/// weights' two channel axes exchanged and patches of the gradient.
class ConvolutionKernel final : public Kernel {
 public:
  ConvolutionKernel(const NodeSignature& s, const Geometry2d& geometry, bool backward)
      : g_(geometry), backward_(backward), activation_(s.node), name_(backward ? "cpu-conv-data-gradient" : "cpu-conv") {
    rows_ = (backward ? g_.inChannels : g_.outChannels) / g_.group;
    depth_ = (backward ? g_.outChannels : g_.inChannels) / g_.group * g_.taps();
    if (s.constants[1] && s.constants[1]->data()) {
      owned_ = true;
      packed_ = pack(s.constants[1]->as<float>());
    }
  }

  void run(const KernelArguments& k) const override {
    const std::vector<PackedMatrix> fresh = owned_ ? std::vector<PackedMatrix>{} : pack(k.inputs[1].as<float>());
    const std::vector<PackedMatrix>& weights = owned_ ? packed_ : fresh;
    const float* source = k.inputs[0].as<float>();
    float* out = k.outputs[0].as<float>();
    const int64_t sourcePlane = backward_ ? g_.outPlane() : g_.inPlane(), linePlane = backward_ ? g_.inPlane() : g_.outPlane();
    const int64_t sourceChannels = (backward_ ? g_.outChannels : g_.inChannels) / g_.group;
    const bool residual = !backward_ && k.has(3);
    const size_t bytes = static_cast<size_t>(k.outputs[0].count()) * sizeof(float);
    if (residual && k.inputs[3].data != out) std::memcpy(out, k.inputs[3].data, bytes);
    for (int64_t group = 0; group < g_.group; ++group) {
      const PatchPacker patches(g_, source + group * sourceChannels * sourcePlane, backward_, isa_.gemm->columnTile);
      const PanelPacker packer(patches);
      Epilogue epilogue;
      if (!backward_ && k.has(2)) epilogue.rowBias = k.inputs[2].as<float>() + group * rows_;
      epilogue.clip = activation_.clip, epilogue.low = activation_.low, epilogue.high = activation_.high;
      const OutputMatrix target{out + group * rows_ * linePlane, linePlane, linePlane, rows_ * g_.group * linePlane};
      gemmCore(*isa_.gemm, {rows_, patches.lines(), depth_}, Factor(weights[static_cast<size_t>(group)]), Factor(packer), target, 1, residual ? 1 : 0, epilogue,
               std::min(parallelWidth(), kMostThreads), k.scratch);
    }
    if (activation_.leaky)
      parallelFor(k.outputs[0].count(), 16384, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) out[i] = out[i] > 0 ? out[i] : out[i] * activation_.slope;
      });
  }

  size_t scratchBytes() const override {
    return gemmScratchBytes(*isa_.gemm, {rows_, g_.batch * (backward_ ? g_.inPlane() : g_.outPlane()), depth_}, kMostThreads, true, false);
  }
  size_t packedBytes() const override {
    size_t sum = 0;
    for (const PackedMatrix& matrix : packed_) sum += matrix.bytes();
    return sum;
  }
  bool ownsOperand(size_t i) const override { return i == 1 && owned_; }
  double flops() const override { return flopsOf(g_); }
  std::string_view name() const override { return name_; }

 private:
  std::vector<PackedMatrix> pack(const float* weights) const {
    std::vector<PackedMatrix> out;
    const int64_t taps = g_.taps(), perGroup = g_.outChannels / g_.group, inPerGroup = g_.inChannels / g_.group;
    for (int64_t group = 0; group < g_.group; ++group) {
      const float* w = weights + group * perGroup * inPerGroup * taps;
      if (!backward_) {
        out.emplace_back(*isa_.gemm, Side::A, MatrixSource{w, depth_, false, DType::F32}, rows_, depth_);
        continue;
      }
      // [m][c][tap] -> [c][m][tap]
      std::vector<float> exchanged(static_cast<size_t>(rows_ * depth_));
      for (int64_t c = 0; c < inPerGroup; ++c)
        for (int64_t m = 0; m < perGroup; ++m) std::copy_n(w + (m * inPerGroup + c) * taps, taps, exchanged.data() + (c * perGroup + m) * taps);
      out.emplace_back(*isa_.gemm, Side::A, MatrixSource{exchanged.data(), depth_, false, DType::F32}, rows_, depth_);
    }
    return out;
  }

  const IsaKernels& isa_ = kernels();
  Geometry2d g_;
  bool backward_, owned_ = false;
  Activation activation_;
  std::string_view name_;
  int64_t rows_ = 0, depth_ = 0;
  std::vector<PackedMatrix> packed_;
};

/// One filter a channel: rows of taps, no product to speak of. The adjoint reads the gradient's rows.
class DepthwiseKernel final : public Kernel {
 public:
  DepthwiseKernel(const NodeSignature& s, const Geometry2d& geometry, bool backward)
      : g_(geometry), backward_(backward), activation_(s.node), name_(backward ? "cpu-depthwise-data-gradient" : "cpu-depthwise") {}

  void run(const KernelArguments& k) const override {
    const float *source = k.inputs[0].as<float>(), *w = k.inputs[1].as<float>();
    float* out = k.outputs[0].as<float>();
    const float* bias = !backward_ && k.has(2) ? k.inputs[2].as<float>() : nullptr;
    const float* residual = !backward_ && k.has(3) ? k.inputs[3].as<float>() : nullptr;
    const int64_t lineHeight = backward_ ? g_.inHeight : g_.outHeight, lineWidth = backward_ ? g_.inWidth : g_.outWidth, plane = lineHeight * lineWidth;
    const int64_t sourcePlane = backward_ ? g_.outPlane() : g_.inPlane();
    parallelFor(g_.batch * g_.inChannels, std::max<int64_t>(1, 16384 / std::max<int64_t>(plane, 1)), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t c = p % g_.inChannels;
        float* y = out + p * plane;
        for (int64_t row = 0; row < lineHeight; ++row) {
          float* line = y + row * lineWidth;
          if (residual) std::copy_n(residual + p * plane + row * lineWidth, lineWidth, line);
          else std::fill_n(line, lineWidth, 0.0f);
          addRow(source + p * sourcePlane, w + c * g_.taps(), row, line);
          finish(line, lineWidth, bias ? bias[c] : 0);
        }
      }
    });
  }
  double flops() const override { return flopsOf(g_); }
  std::string_view name() const override { return name_; }

 private:
  void addRow(const float* source, const float* w, int64_t row, float* line) const {
    for (int64_t ky = 0; ky < g_.kernelHeight; ++ky) {
      int64_t sy = row * g_.strideY - g_.padY + ky * g_.dilationY, height = g_.inHeight;
      if (backward_) {
        sy = row + g_.padY - ky * g_.dilationY, height = g_.outHeight;
        if (sy < 0 || sy % g_.strideY) continue;
        sy /= g_.strideY;
      }
      if (sy < 0 || sy >= height) continue;
      for (int64_t kx = 0; kx < g_.kernelWidth; ++kx) addTap(source, w[ky * g_.kernelWidth + kx], sy, kx, line);
    }
  }
  void addTap(const float* source, float weight, int64_t sy, int64_t kx, float* line) const {
    const int64_t shift = kx * g_.dilationX - g_.padX, s = g_.strideX;
    if (!backward_) {  // line[x] += weight * source[x s + shift]
      const int64_t from = shift < 0 ? (-shift + s - 1) / s : 0, to = std::min(g_.outWidth, shift >= g_.inWidth ? 0 : (g_.inWidth - 1 - shift) / s + 1);
      const float* in = source + sy * g_.inWidth + shift;
      if (s == 1 && to > from) isa_.rows->axpy(weight, in + from, line + from, to - from);
      else
        for (int64_t x = from; x < to; ++x) line[x] += weight * in[x * s];
    } else {  // line[x s + shift] += weight * gradient[x]
      const int64_t from = shift < 0 ? (-shift + s - 1) / s : 0, to = std::min(g_.outWidth, shift >= g_.inWidth ? 0 : (g_.inWidth - 1 - shift) / s + 1);
      const float* in = source + sy * g_.outWidth;
      if (s == 1 && to > from) isa_.rows->axpy(weight, in + from, line + shift + from, to - from);
      else
        for (int64_t x = from; x < to; ++x) line[x * s + shift] += weight * in[x];
    }
  }
  void finish(float* line, int64_t n, float bias) const {
    for (int64_t x = 0; x < n; ++x) {
      float value = line[x] + bias;
      if (activation_.clip) value = value < activation_.low ? activation_.low : value > activation_.high ? activation_.high : value;
      if (activation_.leaky) value = value > 0 ? value : value * activation_.slope;
      line[x] = value;
    }
  }

  const IsaKernels& isa_ = kernels();
  Geometry2d g_;
  bool backward_;
  Activation activation_;
  std::string_view name_;
};

std::unique_ptr<Kernel> make(const NodeSignature& s, bool backward) {
  if (s.inputs[0].dtype != DType::F32 || s.inputs[1].dtype != DType::F32) return nullptr;
  Geometry2d g;
  const Shape &result = backward ? s.inputs[0].shape : s.outputs[0].shape, &data = backward ? s.outputs[0].shape : s.inputs[0].shape;
  if (data.count() == 0 || result.count() == 0 || !geometryOf(s.node, data, s.inputs[1].shape, result, g)) return nullptr;
  if (g.group == g.inChannels && g.group == g.outChannels) return std::make_unique<DepthwiseKernel>(s, g, backward);
  return std::make_unique<ConvolutionKernel>(s, g, backward);
}
std::unique_ptr<Kernel> forward(const NodeSignature& s) { return make(s, false); }
std::unique_ptr<Kernel> dataGradient(const NodeSignature& s) { return make(s, true); }

const RegisterKernel registered[] = {
    RegisterKernel({.op = "conv", .backend = "cpu", .make = forward}),
    RegisterKernel({.op = "fusedConv", .backend = "cpu", .make = forward}),
    RegisterKernel({.op = "convDataGradient", .backend = "cpu", .make = dataGradient}),
};

}  // namespace
}  // namespace ascribe::cpu
