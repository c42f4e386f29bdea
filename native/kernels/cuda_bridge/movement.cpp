#include <algorithm>
#include <bit>

#include "graph/op.h"
#include "kernels/cpu/views.h"
#include "kernels/cuda_bridge/cuda_kernel.h"

namespace ascribe::cuda_bridge {
namespace {

using cpu::Kept;
using cpu::keptOf;
using cpu::SliceView;
using cpu::sliceView;

bool moves(const NodeSignature& s) { return sizeOf(s.outputs[0].dtype) <= 8 && isSmall(s); }

/// All of the result, from operand 0 at these strides.
PreparedCall copyInto(const NodeSignature& s, const Strides& from, int64_t offset = 0) {
  const Shape& out = s.outputs[0].shape;
  return PreparedCall(ASCRIBE_CUDA_COPY).input(0, s.inputs[0], out, &from, offset).output(0, s.outputs[0]);
}
/// A box of operand `i` to a box of the result.
PreparedCall copyBox(const NodeSignature& s, size_t i, const Shape& box, const Strides& from, int64_t fromOffset, const Strides& to, int64_t toOffset) {
  return PreparedCall(ASCRIBE_CUDA_COPY).input(i, s.inputs[i], box, &from, fromOffset).output(0, s.outputs[0], box, &to, toOffset);
}
PreparedCall fill(const NodeSignature& s, float value) {
  return PreparedCall(ASCRIBE_CUDA_FILL).output(0, s.outputs[0]).integers({static_cast<int64_t>(std::bit_cast<uint32_t>(value))});
}

Calls transpose(const NodeSignature& s) {
  if (!moves(s)) return {};
  const auto& permutation = s.node.attributes.integers("permutation");
  const Strides own = rowMajor(s.inputs[0].shape);
  Strides strides{};
  for (size_t i = 0; i < permutation.size(); ++i) strides[i] = own[static_cast<size_t>(permutation[i])];
  return {copyInto(s, strides)};
}
Calls expand(const NodeSignature& s) {
  if (!moves(s)) return {};
  const int leading = s.node.op->name == "expandLike" ? static_cast<int>(s.node.attributes.integer("leading")) : 0;
  return {copyInto(s, broadcastStrides(s.inputs[0].shape, s.outputs[0].shape, leading))};
}
Calls concat(const NodeSignature& s) {
  if (!moves(s)) return {};
  const Shape& out = s.outputs[0].shape;
  const int axis = normaliseAxis(s.node.attributes.integer("axis"), out.rank());
  const Strides strides = rowMajor(out);
  Calls calls;
  int64_t before = 0;
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    const Shape& x = s.inputs[i].shape;
    if (x.count() > 0) calls.push_back(copyBox(s, i, x, rowMajor(x), 0, strides, before * strides[static_cast<size_t>(axis)]));
    before += x[axis];
  }
  return calls;
}

Calls slice(const NodeSignature& s) {
  if (!moves(s)) return {};
  const SliceView view = sliceView(s.inputs[0].shape, s.node, 0);
  return {copyInto(s, view.strides, view.offset)};
}
Calls sliceGrad(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !moves(s)) return {};
  const SliceView view = sliceView(s.outputs[0].shape, s.node, 1);
  const Shape& box = s.inputs[0].shape;
  return {fill(s, 0), copyBox(s, 0, box, rowMajor(box), 0, view.strides, view.offset)};
}

Calls pad(const NodeSignature& s) {
  const bool isKnown = !s.has(2) || (s.constants[2] != nullptr && s.constants[2]->data() != nullptr);
  if (!isF32(s.inputs[0]) || !moves(s) || s.node.attributes.text("mode") != "constant" || !isKnown) return {};
  const Kept kept = keptOf(s.inputs[0].shape, s.outputs[0].shape, s.node, 0);
  Calls calls{fill(s, s.has(2) ? static_cast<float>(s.constants[2]->real(0)) : 0.0f)};
  if (kept.box.count() > 0) calls.push_back(copyBox(s, 0, kept.box, rowMajor(s.inputs[0].shape), kept.source, rowMajor(s.outputs[0].shape), kept.padded));
  return calls;
}
Calls padGrad(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !moves(s) || s.node.attributes.text("mode") != "constant") return {};
  const Kept kept = keptOf(s.outputs[0].shape, s.inputs[0].shape, s.node, 1);
  Calls calls{fill(s, 0)};
  if (kept.box.count() > 0) calls.push_back(copyBox(s, 0, kept.box, rowMajor(s.inputs[0].shape), kept.padded, rowMajor(s.outputs[0].shape), kept.source));
  return calls;
}

Calls gather(const NodeSignature& s) {
  const int axis = static_cast<int>(s.node.attributes.integer("axis"));
  const Shape& data = s.inputs[0].shape;
  if (!moves(s)) return {};
  return {PreparedCall(ASCRIBE_CUDA_GATHER).input(0, s.inputs[0]).input(1, s.inputs[1]).output(0, s.outputs[0])
              .integers({data.count(0, axis), data[axis], data.count(axis + 1, data.rank())})};
}
Calls gatherGrad(const NodeSignature& s) {
  const int axis = static_cast<int>(s.node.attributes.integer("axis"));
  const Shape data(s.outputs[0].shape.dims().subspan(1));
  // Every place of the table asks every index: a large vocabulary is searched faster on the host.
  if (!isF32(s.inputs[0]) || !isSmall(s) || s.outputs[0].shape.count() > (int64_t{1} << 36) / std::max<int64_t>(s.inputs[1].shape.count(), 1)) return {};
  return {PreparedCall(ASCRIBE_CUDA_GATHER_GRADIENT).input(0, s.inputs[0]).input(1, s.inputs[1]).output(0, s.outputs[0])
              .integers({data.count(0, axis), data[axis], data.count(axis + 1, data.rank()), s.outputs[0].shape[0]})};
}

Calls gatherElements(const NodeSignature& s) {
  if (!moves(s)) return {};
  const int axis = static_cast<int>(s.node.attributes.integer("axis"));
  const Shape &data = s.inputs[0].shape, &indices = s.inputs[1].shape;
  Strides strides = rowMajor(data);
  const int64_t step = strides[static_cast<size_t>(axis)];
  strides[static_cast<size_t>(axis)] = 0;
  return {PreparedCall(ASCRIBE_CUDA_GATHER_ELEMENTS).input(0, s.inputs[0], indices, &strides).input(1, s.inputs[1]).output(0, s.outputs[0]).integers({data[axis], step})};
}
Calls gatherElementsGrad(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !isSmall(s)) return {};
  const int axis = static_cast<int>(s.node.attributes.integer("axis"));
  const Shape data(s.outputs[0].shape.dims().subspan(1)), &indices = s.inputs[1].shape;
  const Strides own = rowMajor(data);
  Shape others;
  Strides strides{};
  for (int i = 0; i < indices.rank(); ++i) {
    if (i == axis) continue;
    strides[static_cast<size_t>(others.rank())] = own[static_cast<size_t>(i)];
    others.push(indices[i]);
  }
  return {PreparedCall(ASCRIBE_CUDA_GATHER_ELEMENTS_GRADIENT).input(0, s.inputs[0]).input(1, s.inputs[1]).output(0, s.outputs[0], others, &strides)
              .integers({data[axis], own[static_cast<size_t>(axis)], indices.count(0, axis), indices[axis], indices.count(axis + 1, indices.rank()), s.outputs[0].shape[0], data.count()})};
}

/// state, x, position: the result shares the state's bytes in a plan.
Calls appendState(const NodeSignature& s) {
  if (!moves(s)) return {};
  const Shape &state = s.inputs[0].shape, &x = s.inputs[1].shape;
  const int axis = normaliseAxis(s.node.attributes.integer("axis"), state.rank());
  return {PreparedCall(ASCRIBE_CUDA_APPEND).input(0, s.inputs[0]).input(1, s.inputs[1]).input(2, s.inputs[2]).output(0, s.outputs[0])
              .integers({state.count(0, axis), state[axis], state.count(axis + 1, state.rank()), x[axis]})};
}

const bool all = [] {
  registered<appendState>("appendState");
  registered<gatherElements>("gatherElements");
  registered<gatherElementsGrad>("gatherElementsGrad");
  registered<transpose>("transpose");
  registered<expand>("expand");
  registered<expand>("expandLike");
  registered<concat>("concat");
  registered<slice>("slice");
  registered<sliceGrad>("sliceGrad");
  registered<pad>("pad");
  registered<padGrad>("padGrad");
  registered<gather>("gather");
  registered<gatherGrad>("gatherGrad");
  return true;
}();

}  // namespace
}  // namespace ascribe::cuda_bridge
