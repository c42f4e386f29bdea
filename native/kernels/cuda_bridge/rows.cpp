#include "graph/op.h"
#include "kernels/cuda_bridge/cuda_kernel.h"

namespace ascribe::cuda_bridge {
namespace {

/// Operand 0 with the axes that stay in front of those that go.
Calls reduction(const NodeSignature& s, int code, const std::vector<char>& dropped) {
  const Shape& x = s.inputs[0].shape;
  const Strides own = rowMajor(x);
  Shape dims;
  Strides strides{};
  int64_t kept = 0;
  for (const bool drops : {false, true})
    for (int axis = 0; axis < x.rank(); ++axis) {
      if (static_cast<bool>(dropped[static_cast<size_t>(axis)]) != drops) continue;
      strides[static_cast<size_t>(dims.rank())] = own[static_cast<size_t>(axis)];
      dims.push(x[axis]);
      kept += !drops;
    }
  return {PreparedCall(ASCRIBE_CUDA_REDUCE, code).input(0, s.inputs[0], dims, &strides).output(0, s.outputs[0]).integers({kept})};
}
template <int Code>
Calls reduce(const NodeSignature& s) {
  const Shape& x = s.inputs[0].shape;
  // What an empty reduction gives is left to the reference.
  if (!isF32(s.inputs[0]) || !isSmall(s) || x.count() == 0) return {};
  std::vector<char> dropped(static_cast<size_t>(x.rank()), 0);
  for (int64_t axis : s.node.attributes.integers("axes")) dropped[static_cast<size_t>(normaliseAxis(axis, x.rank()))] = 1;
  return reduction(s, Code, dropped);
}
template <int Code>
Calls globalPool(const NodeSignature& s) {
  const Shape& x = s.inputs[0].shape;
  if (!isF32(s.inputs[0]) || !isSmall(s) || x.count() == 0) return {};
  std::vector<char> dropped(static_cast<size_t>(x.rank()), 1);
  dropped[0] = dropped[1] = 0;
  return reduction(s, Code, dropped);
}
/// The adjoint of an expansion: sums over the axes that were not there, or of size 1.
Calls sumTo(const NodeSignature& s) {
  const Shape &x = s.inputs[0].shape, &y = s.outputs[0].shape;
  if (!isF32(s.inputs[0]) || !isSmall(s) || x.count() == 0) return {};
  const int leading = static_cast<int>(s.node.attributes.integer("leading"));
  std::vector<char> dropped(static_cast<size_t>(x.rank()), 0);
  for (int axis = leading; axis < x.rank(); ++axis) {
    const int source = axis - x.rank() + y.rank();
    dropped[static_cast<size_t>(axis)] = source < leading || (y[source] == 1 && x[axis] != 1);
  }
  return reduction(s, ASCRIBE_CUDA_SUM, dropped);
}

/// A tensor seen around the axis of softmax, which is counted from the end.
struct Around {
  int64_t outer = 1, size = 1, inner = 1;
};
Around around(const Shape& shape, const Node& node) {
  if (shape.rank() == 0) return {};
  const int axis = normaliseAxis(node.attributes.integer("axis"), shape.rank());
  return {shape.count(0, axis), shape[axis], shape.count(axis + 1, shape.rank())};
}
template <int Logarithm>
Calls softmax(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !isSmall(s)) return {};
  const Around v = around(s.inputs[0].shape, s.node);
  return {PreparedCall(ASCRIBE_CUDA_SOFTMAX, Logarithm).input(0, s.inputs[0]).output(0, s.outputs[0]).integers({v.outer, v.size, v.inner})};
}
template <int Logarithm>
Calls softmaxGrad(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !isSmall(s)) return {};
  const Around v = around(s.inputs[1].shape, s.node);
  return {PreparedCall(ASCRIBE_CUDA_SOFTMAX_GRADIENT, Logarithm).input(0, s.inputs[0]).input(1, s.inputs[1]).output(0, s.outputs[0])
              .integers({v.outer, v.size, v.inner, s.inputs[0].shape[0]})};
}

struct Rows {
  int64_t count, size;
};
Rows rowsOf(const Shape& x, const Node& node) {
  const int axis = normaliseAxis(node.attributes.integer("axis"), x.rank());
  return {x.count(0, axis), x.count(axis, x.rank())};
}
/// Scale and bias of the whole row; broadcast ones stay on the host.
bool takesRows(const NodeSignature& s, size_t x, size_t last) {
  if (!isF32(s.inputs[0]) || !isSmall(s)) return false;
  const int64_t size = rowsOf(s.inputs[x].shape, s.node).size;
  for (size_t i = x + 1; i <= last; ++i)
    if (s.has(i) && s.inputs[i].shape.count() != size) return false;
  return size > 0;
}
template <int Centred>
Calls rowNorm(const NodeSignature& s) {
  if (!takesRows(s, 0, 2)) return {};
  const Rows r = rowsOf(s.inputs[0].shape, s.node);
  PreparedCall call(ASCRIBE_CUDA_ROW_NORM, Centred);
  call.input(0, s.inputs[0]);
  for (size_t i = 1; i <= 2; ++i)
    if (s.has(i)) call.input(i, s.inputs[i]);
    else call.absent();
  return {call.output(0, s.outputs[0]).integers({r.count, r.size}).reals(s.node.attributes.real("epsilon"))};
}
template <int Centred>
Calls rowNormGrad(const NodeSignature& s) {
  if (!takesRows(s, 1, 2)) return {};
  const Rows r = rowsOf(s.inputs[1].shape, s.node);
  PreparedCall call(ASCRIBE_CUDA_ROW_NORM_GRADIENT, Centred);
  call.input(0, s.inputs[0]).input(1, s.inputs[1]);
  if (s.has(2)) call.input(2, s.inputs[2]);
  else call.absent();
  return {call.output(0, s.outputs[0]).integers({r.count, r.size, s.inputs[0].shape[0]}).reals(s.node.attributes.real("epsilon"))};
}
Calls batchNorm(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !isSmall(s)) return {};
  const Shape& x = s.inputs[0].shape;
  PreparedCall call(ASCRIBE_CUDA_BATCH_NORM);
  for (size_t i = 0; i < 5; ++i) call.input(i, s.inputs[i]);
  return {call.output(0, s.outputs[0]).integers({x[0], x[1], x.count(2, x.rank())}).reals(s.node.attributes.real("epsilon"))};
}

const bool all = [] {
  registered<reduce<ASCRIBE_CUDA_SUM>>("sum");
  registered<reduce<ASCRIBE_CUDA_MEAN>>("mean");
  registered<reduce<ASCRIBE_CUDA_MAXIMUM>>("reduceMax");
  registered<reduce<ASCRIBE_CUDA_MINIMUM>>("reduceMin");
  registered<globalPool<ASCRIBE_CUDA_MEAN>>("globalAveragePool");
  registered<globalPool<ASCRIBE_CUDA_MAXIMUM>>("globalMaxPool");
  registered<sumTo>("sumTo");
  registered<softmax<0>>("softmax");
  registered<softmax<1>>("logSoftmax");
  registered<softmaxGrad<0>>("softmaxGrad");
  registered<softmaxGrad<1>>("logSoftmaxGrad");
  registered<rowNorm<1>>("layerNorm");
  registered<rowNorm<0>>("rmsNorm");
  registered<rowNormGrad<1>>("layerNormGrad");
  registered<rowNormGrad<0>>("rmsNormGrad");
  registered<batchNorm>("batchNorm");
  return true;
}();

}  // namespace
}  // namespace ascribe::cuda_bridge
