#include <array>
#include <vector>

#include "graph/convert.h"
#include "graph/op.h"
#include "graph/separable_conv.h"
#include "kernels/reference/activations.h"
#include "kernels/reference/gate_bits.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

void matMul(const KernelArguments& k, const Node& node) {
  Shape a = k.inputs[0].shape, b = k.inputs[1].shape;
  const bool vectorA = a.rank() == 1, vectorB = b.rank() == 1;
  if (vectorA) a = Shape{1, a[0]};
  if (vectorB) b = Shape{b[0], 1};
  const bool ta = node.attributes.integer("transposeA") && !vectorA, tb = node.attributes.integer("transposeB") && !vectorB;
  const int64_t m = ta ? a.at(-1) : a.at(-2), depth = ta ? a.at(-2) : a.at(-1), n = tb ? b.at(-2) : b.at(-1);
  const Shape batchA(a.dims().first(static_cast<size_t>(a.rank() - 2))), batchB(b.dims().first(static_cast<size_t>(b.rank() - 2)));
  const Shape batch = broadcast(batchA, batchB);
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    walk<2>(batch, {broadcastStrides(batchA, batch), broadcastStrides(batchB, batch)}, [&](int64_t i, const auto& at) {
      const T *x = k.inputs[0].as<T>() + at[0] * m * depth, *w = k.inputs[1].as<T>() + at[1] * depth * n;
      T* y = k.outputs[0].as<T>() + i * m * n;
      for (int64_t row = 0; row < m; ++row)
        for (int64_t column = 0; column < n; ++column) {
          Wide<T> sum(0);
          for (int64_t d = 0; d < depth; ++d)
            sum = plus(sum, times(Wide<T>(x[ta ? d * m + row : row * depth + d]), Wide<T>(w[tb ? column * depth + d : d * n + column])));
          y[row * n + column] = narrow<T>(sum);
        }
    });
  });
}

template <class W>
W activated(W x, const std::string& kind, double alpha, double beta) {
  if (kind == "relu") return x <= W(0) ? W(0) : x;
  if (kind == "clip") return x < W(alpha) ? W(alpha) : x > W(beta) ? W(beta) : x;
  if (kind == "leakyRelu") return x > W(0) ? x : x * alpha;
  if (kind == "silu") return x * sigmoid(x);
  if (kind == "gelu" || kind == "geluTanh") return Gelu(Attributes{{"approximate", std::string(kind == "gelu" ? "none" : "tanh")}})(x);
  return x;
}

void fusedMatMul(const KernelArguments& k, const Node& node) {
  matMul(k, node);
  const int64_t count = k.outputs[0].count(), columns = k.has(2) ? k.inputs[2].count() : 1;
  const std::string& activation = node.attributes.text("activation");
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < count; ++i) {
      Wide<T> value(k.outputs[0].as<T>()[i]);
      if (k.has(2)) value += Wide<T>(k.inputs[2].as<T>()[i % columns]);
      if (k.has(3)) value += Wide<T>(k.inputs[3].as<T>()[i]);
      k.outputs[0].as<T>()[i] = narrow<T>(activated(value, activation, 0, 0));
    }
  });
}

void storedMatMul(const KernelArguments& k, const Node& node) {
  std::vector<float> wide(static_cast<size_t>(k.inputs[1].count()));
  convertElements(k.inputs[1].data, k.inputs[1].dtype, wide.data(), DType::F32, k.inputs[1].count());
  const TensorRef operands[] = {k.inputs[0], {wide.data(), DType::F32, k.inputs[1].shape}};
  matMul({operands, k.outputs, k.scratch}, node);
}

void eitherMatMul(const TensorRef& a, const TensorRef& w, const TensorRef& y, const Node& node) {
  const Node product{.attributes = {{"transposeA", int64_t{0}}, {"transposeB", node.attributes.integer("transposeB")}}};
  const TensorRef operands[] = {a, w};
  (w.dtype == a.dtype ? matMul : storedMatMul)({operands, {&y, 1}, nullptr}, product);
}

void joinedMatMul(const KernelArguments& k, const Node& node) {
  for (size_t i = 0; i < k.outputs.size(); ++i) eitherMatMul(k.inputs[0], k.inputs[i + 1], k.outputs[i], node);
}

/// The products one after the other, as they stood before they were joined.
void gatedLayer(const KernelArguments& k, const Node& node) {
  const TensorRef& x = k.inputs[0];
  Shape middle = x.shape;
  middle[x.shape.rank() - 1] = k.inputs[1].shape[node.attributes.integer("transposeB") ? 0 : 1];
  HostTensor halves[] = {HostTensor(x.dtype, middle), HostTensor(x.dtype, middle)};
  const TensorRef gate{halves[0].mutableData(), x.dtype, middle}, value{halves[1].mutableData(), x.dtype, middle};
  eitherMatMul(x, k.inputs[1], gate, node);
  eitherMatMul(x, k.inputs[2], value, node);
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < middle.count(); ++i)
      gate.as<T>()[i] = narrow<T>(Wide<T>(narrow<T>(activated(Wide<T>(gate.as<T>()[i]), node.attributes.text("activation"), 0, 0))) * Wide<T>(value.as<T>()[i]));
  });
  eitherMatMul(gate, k.inputs[3], k.outputs[0], node);
  if (!k.has(4)) return;
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < k.outputs[0].count(); ++i) k.outputs[0].as<T>()[i] = narrow<T>(Wide<T>(k.outputs[0].as<T>()[i]) + Wide<T>(k.inputs[4].as<T>()[i]));
  });
}

/// A convolution's geometry with its spatial axes brought to three.
struct Geometry {
  int64_t group = 1, in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};
  int64_t batch = 1, inChannels = 1, outChannels = 1;
};
/// `x` and `y` are [.., N, C, spatial…] of the data and of the convolution's result; the weights are [M, C/group, …].
Geometry geometry(const Node& node, const Shape& x, const Shape& w, const Shape& y) {
  Geometry g;
  const int spatial = w.rank() - 2;
  g.group = node.attributes.integer("group");
  g.inChannels = x.at(-spatial - 1);
  g.outChannels = y.at(-spatial - 1);
  for (int i = 0; i < spatial; ++i) {
    const int axis = 3 - spatial + i;
    const auto s = static_cast<size_t>(i);
    g.in[axis] = x.at(i - spatial);
    g.out[axis] = y.at(i - spatial);
    g.kernel[axis] = w.at(i - spatial);
    g.stride[axis] = node.attributes.integers("strides")[s];
    g.dilation[axis] = node.attributes.integers("dilations")[s];
    g.pad[axis] = node.attributes.integers("pads")[s];
  }
  g.batch = x.count(0, x.rank() - spatial - 1);
  return g;
}

/// body(x index, w index, y index) for every product of a convolution of one example.
template <class Body>
void walkTaps(const Geometry& g, Body&& body) {
  const int64_t perGroupIn = g.inChannels / g.group, perGroupOut = g.outChannels / g.group;
  const int64_t inPlane = g.in[0] * g.in[1] * g.in[2], outPlane = g.out[0] * g.out[1] * g.out[2], taps = g.kernel[0] * g.kernel[1] * g.kernel[2];
  for (int64_t m = 0; m < g.outChannels; ++m)
    for (int64_t o = 0; o < outPlane; ++o) {
      const int64_t at[3] = {o / (g.out[1] * g.out[2]), o / g.out[2] % g.out[1], o % g.out[2]};
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t tap[3] = {t / (g.kernel[1] * g.kernel[2]), t / g.kernel[2] % g.kernel[1], t % g.kernel[2]};
        int64_t from = 0;
        for (int axis = 0; axis < 3 && from >= 0; ++axis) {
          const int64_t position = at[axis] * g.stride[axis] - g.pad[axis] + tap[axis] * g.dilation[axis];
          from = position < 0 || position >= g.in[axis] ? -1 : from * g.in[axis] + position;
        }
        if (from < 0) continue;
        for (int64_t c = 0; c < perGroupIn; ++c) body((m / perGroupOut * perGroupIn + c) * inPlane + from, (m * perGroupIn + c) * taps + t, m * outPlane + o);
      }
    }
}

/// conv and fusedConv: x, w, bias?, residual?
void conv(const KernelArguments& k, const Node& node) {
  const Geometry g = geometry(node, k.inputs[0].shape, k.inputs[1].shape, k.outputs[0].shape);
  const int64_t in = g.inChannels * g.in[0] * g.in[1] * g.in[2], plane = g.out[0] * g.out[1] * g.out[2], out = g.outChannels * plane;
  const bool fused = node.op->name != "conv";
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T *x = k.inputs[0].as<T>(), *w = k.inputs[1].as<T>();
    for (int64_t n = 0; n < g.batch; ++n) {
      std::vector<Wide<T>> sums(static_cast<size_t>(out), Wide<T>(0));
      walkTaps(g, [&](int64_t xi, int64_t wi, int64_t yi) { sums[static_cast<size_t>(yi)] += Wide<T>(x[n * in + xi]) * Wide<T>(w[wi]); });
      for (int64_t i = 0; i < out; ++i) {
        Wide<T> value = sums[static_cast<size_t>(i)];
        if (k.has(2)) value += Wide<T>(k.inputs[2].as<T>()[i / plane]);
        if (k.has(3)) value += Wide<T>(k.inputs[3].as<T>()[n * out + i]);
        if (fused) value = activated(value, node.attributes.text("activation"), node.attributes.real("alpha"), node.attributes.real("beta"));
        k.outputs[0].as<T>()[n * out + i] = narrow<T>(value);
      }
    }
  });
}

void separableConv(const KernelArguments& k, const Node& node) {
  const SeparableParts parts = separableParts(node);
  const auto operand = [&](size_t i) { return i < k.inputs.size() ? k.inputs[i] : TensorRef{}; };
  const auto made = [&](const TensorRef& weights, const TensorRef& plane) {
    const auto typeOf = [](const TensorRef& t) { return ValueType{t.dtype, t.shape}; };
    const ValueType type = betweenParts(typeOf(k.inputs[0]), typeOf(weights), typeOf(plane));
    return HostTensor(type.dtype, type.shape);
  };
  const auto referTo = [](HostTensor& tensor) { return TensorRef{tensor.mutableData(), tensor.dtype(), tensor.shape()}; };
  TensorRef x = k.inputs[0];
  HostTensor wide;
  if (parts.widening) {
    wide = made(k.inputs[6], x);
    const std::array first{x, k.inputs[6], operand(7)};
    x = referTo(wide);
    conv({first, {&x, 1}, nullptr}, *parts.widening);
  }
  HostTensor deep = made(k.inputs[1], k.outputs[0]);
  const TensorRef between = referTo(deep);
  const std::array second{x, k.inputs[1], operand(2)};
  const std::array last{between, k.inputs[3], operand(4), operand(5)};
  conv({second, {&between, 1}, nullptr}, parts.depthwise);
  conv({last, k.outputs, nullptr}, parts.pointwise);
}

void gatedConv(const KernelArguments& k, const Node& node) {
  conv({k.inputs, k.outputs.first(1), nullptr}, node);
  gateBits({k.outputs.first(1), k.outputs.subspan(1), nullptr}, node);
}

/// The adjoint in x; also the forward of convTranspose, whose operand plays the result's part.
void convDataGradient(const KernelArguments& k, const Node& node) {
  const bool forward = node.op->name == "convTranspose";
  const TensorRef &y = k.inputs[0], &w = k.inputs[1], &x = k.outputs[0];
  const Geometry g = geometry(node, x.shape, w.shape, y.shape);
  const int64_t inPlane = g.in[0] * g.in[1] * g.in[2], in = g.inChannels * inPlane, out = g.outChannels * g.out[0] * g.out[1] * g.out[2];
  onFloating(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t n = 0; n < g.batch; ++n) {
      std::vector<Wide<T>> sums(static_cast<size_t>(in), Wide<T>(0));
      walkTaps(g, [&](int64_t xi, int64_t wi, int64_t yi) { sums[static_cast<size_t>(xi)] += Wide<T>(y.as<T>()[n * out + yi]) * Wide<T>(w.as<T>()[wi]); });
      for (int64_t i = 0; i < in; ++i) {
        Wide<T> value = sums[static_cast<size_t>(i)];
        if (forward && k.has(2)) value += Wide<T>(k.inputs[2].as<T>()[i / inPlane]);
        x.as<T>()[n * in + i] = narrow<T>(value);
      }
    }
  });
}

/// g, w, like, residual?, bits?
void fusedConvDataGradient(const KernelArguments& k, const Node& node) {
  convDataGradient(k, node);
  float* out = k.outputs[0].as<float>();
  if (k.has(3))
    for (int64_t i = 0; i < k.outputs[0].count(); ++i) out[i] += k.inputs[3].as<float>()[i];
  const std::array gated{k.outputs[0], k.has(4) ? k.inputs[4] : TensorRef{}};
  if (k.has(4)) bitGateGrad({gated, k.outputs, nullptr}, {&op("bitGateGrad"), {}, {}, {{"elements", node.attributes.integer("elements")}, {"alpha", 0.0}}, {}});
}

/// x [N, …], g [K, N, …] -> [K, ...w], or [K, N, ...w] per example.
void convWeightGradient(const KernelArguments& k, const Node& node) {
  const TensorRef &x = k.inputs[0], &gradient = k.inputs[1], &out = k.outputs[0];
  const bool perExample = node.attributes.integer("perExample") != 0;
  const Shape w(out.shape.dims().subspan(perExample ? 2 : 1));
  const Geometry g = geometry(node, x.shape, w, gradient.shape);
  const int64_t in = g.inChannels * g.in[0] * g.in[1] * g.in[2], result = g.outChannels * g.out[0] * g.out[1] * g.out[2];
  const int64_t cotangents = gradient.shape[0], weights = w.count();
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<Wide<T>> sums(static_cast<size_t>(out.count()), Wide<T>(0));
    for (int64_t c = 0; c < cotangents; ++c)
      for (int64_t n = 0; n < g.batch; ++n) {
        const int64_t base = (perExample ? c * g.batch + n : c) * weights;
        walkTaps(g, [&](int64_t xi, int64_t wi, int64_t yi) {
          sums[static_cast<size_t>(base + wi)] += Wide<T>(x.as<T>()[n * in + xi]) * Wide<T>(gradient.as<T>()[(c * g.batch + n) * result + yi]);
        });
      }
    for (size_t i = 0; i < sums.size(); ++i) out.as<T>()[i] = narrow<T>(sums[i]);
  });
}

bool single(const NodeSignature& s) { return s.inputs[0].dtype == DType::F32; }
const Registered kernels[] = {
    {"matMul", matMul, numeric},
    {"fusedMatMul", fusedMatMul, floating},
    {"storedMatMul", storedMatMul, floating},
    {"gatedLayer", gatedLayer, floating},
    {"joinedMatMul", joinedMatMul, floating},
    {"conv", conv, floating},
    {"fusedConv", conv, floating},
    {"separableConv", separableConv, floating},
    {"gatedConv", gatedConv, single},
    {"fusedConvDataGradient", fusedConvDataGradient, single},
    {"convDataGradient", convDataGradient, floating},
    {"convTranspose", convDataGradient, floating},
    {"convWeightGradient", convWeightGradient, floating},
};

}  // namespace
}  // namespace ascribe::reference
