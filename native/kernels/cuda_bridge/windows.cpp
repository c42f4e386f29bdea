#include <limits>

#include "graph/op.h"
#include "kernels/cuda_bridge/cuda_kernel.h"

namespace ascribe::cuda_bridge {
namespace {

/// Fills a call's window: `x` and `y` end in [channels, spatial…] of the data and of the result.
void setWindow(PreparedCall& call, const Node& node, const Shape& x, const Shape& y, std::span<const int64_t> kernel) {
  int64_t* i = call.call.integers;
  const int spatial = static_cast<int>(kernel.size());
  for (int axis = 0; axis < 3; ++axis) {
    for (int field = 0; field < 5; ++field) i[field * 3 + axis] = 1;
    i[15 + axis] = i[18 + axis] = 0;
  }
  const auto &strides = node.attributes.integers("strides"), &dilations = node.attributes.integers("dilations"), &pads = node.attributes.integers("pads");
  for (int s = 0; s < spatial; ++s) {
    const int axis = 3 - spatial + s;
    const auto at = static_cast<size_t>(s);
    i[axis] = x.at(s - spatial);
    i[3 + axis] = y.at(s - spatial);
    i[6 + axis] = kernel[at];
    i[9 + axis] = strides[at];
    i[12 + axis] = dilations[at];
    i[15 + axis] = pads[at];
    i[18 + axis] = pads[at + static_cast<size_t>(spatial)];
  }
  i[21] = x.count(0, x.rank() - spatial - 1);
  i[22] = node.attributes.has("group") ? node.attributes.integer("group") : 1;
  i[23] = x.at(-spatial - 1);
  i[24] = y.at(-spatial - 1);
  i[25] = node.attributes.has("countIncludePad") ? node.attributes.integer("countIncludePad") : 0;
}
/// Positions on an axis are 32 bits wide.
bool fits(const PreparedCall& call) {
  constexpr int64_t kMost = int64_t{1} << 28;
  const int64_t* i = call.call.integers;
  for (int field = 0; field < 21; ++field)
    if (i[field] > kMost || i[field] < -kMost) return false;
  for (int axis = 0; axis < 3; ++axis)
    if (i[12 + axis] * i[6 + axis] > kMost || i[9 + axis] * i[3 + axis] > kMost) return false;
  return i[22] <= 65535;
}
bool isFull(const NodeSignature& s) {
  for (const ValueType& type : s.inputs)
    if (type.shape.rank() > 0 && type.shape.count() == 0) return false;
  return s.outputs[0].shape.count() > 0;
}

Calls convolution(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !isSmall(s) || !isFull(s)) return {};
  PreparedCall call(ASCRIBE_CUDA_CONVOLUTION);
  setWindow(call, s.node, s.inputs[0].shape, s.outputs[0].shape, s.inputs[1].shape.dims().subspan(2));
  if (!fits(call)) return {};
  if (s.node.attributes.has("activation")) {
    const std::string& activation = s.node.attributes.text("activation");
    const std::pair<const char*, int> known[] = {{"none", ASCRIBE_CUDA_NO_ACTIVATION}, {"relu", ASCRIBE_CUDA_WITH_RELU}, {"clip", ASCRIBE_CUDA_WITH_CLIP}, {"leakyRelu", ASCRIBE_CUDA_WITH_LEAKY_RELU}};
    const auto found = std::find_if(std::begin(known), std::end(known), [&](const auto& each) { return activation == each.first; });
    if (found == std::end(known)) return {};
    call.call.code = found->second;
    call.reals(s.node.attributes.real("alpha"), s.node.attributes.real("beta"));
  }
  for (size_t i = 0; i < 4; ++i)
    if (s.has(i)) call.input(i, s.inputs[i]);
    else call.absent();
  return {call.output(0, s.outputs[0])};
}
/// convDataGradient (g, w, like) and convTranspose (x, w, bias?), whose operand plays the gradient's part.
Calls dataGradient(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !isSmall(s) || !isFull(s)) return {};
  PreparedCall call(ASCRIBE_CUDA_CONVOLUTION_DATA);
  setWindow(call, s.node, s.outputs[0].shape, s.inputs[0].shape, s.inputs[1].shape.dims().subspan(2));
  if (!fits(call)) return {};
  call.input(0, s.inputs[0]).input(1, s.inputs[1]);
  if (s.node.op->name == "convTranspose" && s.has(2)) call.input(2, s.inputs[2]);
  else call.absent();
  return {call.output(0, s.outputs[0])};
}
/// x, g, like
Calls weightGradient(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !isSmall(s) || !isFull(s)) return {};
  const Shape &x = s.inputs[0].shape, &g = s.inputs[1].shape, &dw = s.outputs[0].shape;
  const bool perExample = s.node.attributes.integer("perExample") != 0;
  PreparedCall call(ASCRIBE_CUDA_CONVOLUTION_WEIGHTS);
  setWindow(call, s.node, x, g, dw.dims().subspan(perExample ? 4 : 3));
  if (!fits(call)) return {};
  call.call.integers[26] = g[0];
  call.call.integers[27] = perExample;
  return {call.input(0, s.inputs[0]).input(1, s.inputs[1]).output(0, s.outputs[0])};
}
double convolutionFlops(const NodeSignature& s, const Shape& result) {
  const Shape& w = s.inputs[1].shape;
  return 2.0 * static_cast<double>(result.count()) * static_cast<double>(w.count() / std::max<int64_t>(w[0], 1));
}

template <int Code>
Calls pool(const NodeSignature& s) {
  const Shape& x = s.inputs[0].shape;
  if (!isF32(s.inputs[0]) || !isSmall(s) || x.count() == 0) return {};
  PreparedCall call(ASCRIBE_CUDA_POOL, Code);
  setWindow(call, s.node, x, s.outputs[0].shape, s.node.attributes.integers("kernel"));
  if (!fits(call)) return {};
  call.input(0, s.inputs[0]).output(0, s.outputs[0]);
  return {s.outputs.size() > 1 ? call.output(1, s.outputs[1]) : call.absent()};
}
Calls averagePoolGrad(const NodeSignature& s) {
  const Shape& dx = s.outputs[0].shape;
  if (!isF32(s.inputs[0]) || !isSmall(s) || dx.count() == 0 || s.inputs[0].shape.count() == 0) return {};
  PreparedCall call(ASCRIBE_CUDA_POOL_GRADIENT, ASCRIBE_CUDA_AVERAGE_POOL);
  setWindow(call, s.node, dx, s.inputs[0].shape, s.node.attributes.integers("kernel"));
  if (!fits(call)) return {};
  call.call.integers[30] = 1;
  return {call.input(0, s.inputs[0]).absent().output(0, s.outputs[0])};
}

/// Without the window nobody knows which results an element can be the place of, and a scatter has no fixed order.
Calls maxPoolGrad(const NodeSignature& s) {
  const Shape& dx = s.outputs[0].shape;
  const auto& kernel = s.node.attributes.integers("kernel");
  if (kernel.empty() || !isF32(s.inputs[0]) || !isSmall(s) || dx.count() == 0 || s.inputs[0].shape.count() == 0) return {};
  PreparedCall call(ASCRIBE_CUDA_POOL_GRADIENT, ASCRIBE_CUDA_MAX_POOL);
  setWindow(call, s.node, Shape(dx.dims().subspan(1)), s.inputs[1].shape, kernel);
  if (!fits(call)) return {};
  call.call.integers[30] = dx[0];
  return {call.input(0, s.inputs[0]).input(1, s.inputs[1]).output(0, s.outputs[0])};
}

std::unique_ptr<Kernel> makeForward(const NodeSignature& s) { return kernelFrom(s, convolution(s), convolutionFlops(s, s.outputs[0].shape)); }
std::unique_ptr<Kernel> makeWeightGradient(const NodeSignature& s) {
  const Shape& dw = s.outputs[0].shape;
  const int64_t first = s.node.attributes.integer("perExample") ? 2 : 1;
  const double each = static_cast<double>(dw.count(static_cast<int>(first), dw.rank())) / static_cast<double>(std::max<int64_t>(dw[static_cast<int>(first)], 1));
  return kernelFrom(s, weightGradient(s), 2.0 * static_cast<double>(s.inputs[1].shape.count()) * each);
}
std::unique_ptr<Kernel> makeDataGradient(const NodeSignature& s) { return kernelFrom(s, dataGradient(s), convolutionFlops(s, s.inputs[0].shape)); }

const bool all = [] {
  for (const char* op : {"conv", "fusedConv"}) RegisterKernel({.op = op, .backend = "cuda", .make = makeForward});
  for (const char* op : {"convDataGradient", "convTranspose"}) RegisterKernel({.op = op, .backend = "cuda", .make = makeDataGradient});
  RegisterKernel({.op = "convWeightGradient", .backend = "cuda", .make = makeWeightGradient});
  registered<pool<ASCRIBE_CUDA_MAX_POOL>>("maxPool");
  registered<pool<ASCRIBE_CUDA_AVERAGE_POOL>>("averagePool");
  registered<maxPoolGrad>("maxPoolGrad");
  registered<averagePoolGrad>("averagePoolGrad");
  return true;
}();

}  // namespace
}  // namespace ascribe::cuda_bridge
