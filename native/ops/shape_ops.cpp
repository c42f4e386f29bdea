#include <algorithm>
#include <cmath>

#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

Shape shapeFrom(InferContext& c, const HostTensor& tensor) {
  Shape out;
  for (int64_t dim : tensor.integers()) {
    if (dim < 0) c.fail("a dimension is negative: " + std::to_string(dim));
    out.push(dim);
  }
  out.count();
  return out;
}

void reshape(InferContext& c) {
  const std::vector<int64_t> wanted = c.known(1, "shape").integers();
  const Shape& in = c.shape(0);
  Shape out;
  int unknown = -1;
  for (size_t i = 0; i < wanted.size(); ++i) {
    int64_t dim = wanted[i];
    if (dim == -1) {
      c.require(unknown < 0, "two dimensions are -1");
      unknown = static_cast<int>(i);
      dim = 1;
    } else if (dim == 0 && !c.attributes().integer("allowZero")) {
      c.require(static_cast<int>(i) < in.rank(), "a 0 copies a dimension that the operand lacks");
      dim = in[static_cast<int>(i)];
    }
    if (dim < 0) c.fail("a dimension is negative: " + std::to_string(dim));
    out.push(dim);
  }
  if (unknown >= 0) {
    const int64_t rest = out.count();
    c.require(rest > 0 && in.count() % rest == 0, "the remaining dimension is not a whole number");
    out[unknown] = in.count() / rest;
  }
  if (out.count() != in.count()) c.fail("cannot reshape " + in.text() + " to " + out.text());
  c.output(c.dtype(0), out);
}
void reshapeLike(InferContext& c) {
  c.require(likeWithLeading(c, 1).count() == c.shape(0).count(), "the operands differ in their number of elements");
}
void flatten(InferContext& c) {
  const int rank = c.shape(0).rank();
  int64_t axis = c.attributes().integer("axis");
  c.require(axis >= -rank && axis <= rank, "axis is out of range");
  if (axis < 0) axis += rank;
  c.output(c.dtype(0), Shape{c.shape(0).count(0, static_cast<int>(axis)), c.shape(0).count(static_cast<int>(axis), rank)});
}
void squeeze(InferContext& c) {
  const Shape& in = c.shape(0);
  std::vector<int64_t> axes = c.attributes().integers("axes");
  std::array<bool, Shape::kMaxRank> drop{};
  for (int64_t axis : axes) {
    const int a = normaliseAxis(axis, in.rank());
    if (in[a] != 1) c.fail("axis " + std::to_string(axis) + " of " + in.text() + " cannot be squeezed");
    drop[static_cast<size_t>(a)] = true;
  }
  Shape out;
  for (int i = 0; i < in.rank(); ++i)
    if (!(axes.empty() ? in[i] == 1 : drop[static_cast<size_t>(i)])) out.push(in[i]);
  c.output(c.dtype(0), out);
}
void unsqueeze(InferContext& c) {
  const std::vector<int64_t>& axes = c.attributes().integers("axes");
  const int rank = c.shape(0).rank() + static_cast<int>(axes.size());
  c.require(rank <= Shape::kMaxRank, "the result has too many dimensions");
  std::array<bool, Shape::kMaxRank> fresh{};
  for (int64_t axis : axes) {
    const int a = normaliseAxis(axis, rank);
    c.require(!fresh[static_cast<size_t>(a)], "an axis is named twice");
    fresh[static_cast<size_t>(a)] = true;
  }
  Shape out;
  int source = 0;
  for (int i = 0; i < rank; ++i) out.push(fresh[static_cast<size_t>(i)] ? 1 : c.shape(0)[source++]);
  c.output(c.dtype(0), out);
}
void transpose(InferContext& c) {
  const Shape& in = c.shape(0);
  std::vector<int64_t> permutation = c.attributes().integers("permutation");
  if (permutation.empty())
    for (int i = in.rank(); i-- > 0;) permutation.push_back(i);
  c.require(static_cast<int>(permutation.size()) == in.rank(), "the permutation does not fit the rank");
  std::array<bool, Shape::kMaxRank> seen{};
  Shape out;
  for (int64_t& axis : permutation) {
    axis = normaliseAxis(axis, in.rank());
    c.require(!seen[static_cast<size_t>(axis)], "the permutation names an axis twice");
    seen[static_cast<size_t>(axis)] = true;
    out.push(in[static_cast<int>(axis)]);
  }
  c.resolve("permutation", permutation);
  c.output(c.dtype(0), out);
}
void expand(InferContext& c) { c.output(c.dtype(0), broadcast(c.shape(0), shapeFrom(c, c.known(1, "shape")))); }
void expandLike(InferContext& c) {
  likeWithLeading(c, 1);
  c.require(broadcast(behindLeading(c, 0), c.shape(1)) == c.shape(1), "the operand does not expand to the other's shape");
}
void concat(InferContext& c) {
  const int axis = normaliseAxis(c.attributes().integer("axis"), c.shape(0).rank());
  c.resolve("axis", int64_t{axis});
  Shape out = c.shape(0);
  for (int i = 1; i < c.inputCount(); ++i) {
    const Shape& other = c.shape(i);
    c.require(c.dtype(i) == c.dtype(0), "operands have different element types");
    c.require(other.rank() == out.rank(), "operands have different ranks");
    for (int a = 0; a < out.rank(); ++a)
      if (a != axis && other[a] != out[a]) c.fail("operands " + c.shape(0).text() + " and " + other.text() + " do not fit along the other axes");
    out[axis] += other[axis];
  }
  c.output(c.dtype(0), out);
}

/// slice(x, starts, ends, axes?, steps?): numpy's clamping; resolved into full per-axis start, step and count.
void resolveSlice(InferContext& c, const Shape& in, int first, Shape& out) {
  const std::vector<int64_t> starts = c.known(first, "starts").integers(), ends = c.known(first + 1, "ends").integers();
  std::vector<int64_t> axes, steps;
  if (c.has(first + 2)) axes = c.known(first + 2, "axes").integers();
  else for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (c.has(first + 3)) steps = c.known(first + 3, "steps").integers();
  else steps.assign(starts.size(), 1);
  c.require(starts.size() == ends.size() && starts.size() == axes.size() && starts.size() == steps.size(), "starts, ends, axes and steps differ in length");
  std::vector<int64_t> begin(static_cast<size_t>(in.rank()), 0), step(static_cast<size_t>(in.rank()), 1);
  out = in;
  for (size_t i = 0; i < starts.size(); ++i) {
    const int axis = normaliseAxis(axes[i], in.rank());
    const int64_t size = in[axis], s = steps[i];
    c.require(s != 0 && s > INT32_MIN && s < INT32_MAX + int64_t{1}, "a step is 0 or too large");
    int64_t from = starts[i], to = ends[i];
    if (from < 0) from += size;
    if (to < 0 && to > INT64_MIN / 2) to += size;
    from = std::clamp<int64_t>(from, 0, s > 0 ? size : std::max<int64_t>(size - 1, 0));
    to = s > 0 ? std::clamp<int64_t>(to, 0, size) : std::clamp<int64_t>(to, -1, size);
    const int64_t count = s > 0 ? (to - from + s - 1) / s : (from - to - s - 1) / -s;
    out[axis] = size == 0 ? 0 : std::max<int64_t>(0, count);
    begin[static_cast<size_t>(axis)] = from;
    step[static_cast<size_t>(axis)] = s;
  }
  c.resolve("begin", begin);
  c.resolve("step", step);
}
void slice(InferContext& c) {
  Shape out;
  resolveSlice(c, c.shape(0), 1, out);
  c.output(c.dtype(0), out);
}
// sliceGrad(g, like; begin, step): places g into zeros shaped as `like`; both lists are resolved by the forward slice.
void sliceGrad(InferContext& c) { c.output(c.dtype(0), prepend(c.shape(0)[0], c.shape(1))); }

/// pad(x, pads, value?, axes?): resolved into full `before` and `after`; negative values crop.
void pad(InferContext& c) {
  const Shape& in = c.shape(0);
  const std::vector<int64_t> pads = c.known(1, "pads").integers();
  std::vector<int64_t> axes;
  if (c.has(3)) axes = c.known(3, "axes").integers();
  else for (int i = 0; i < in.rank(); ++i) axes.push_back(i);
  c.require(pads.size() == 2 * axes.size(), "pads has another length than twice the number of axes");
  std::vector<int64_t> before(static_cast<size_t>(in.rank()), 0), after = before;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = static_cast<size_t>(normaliseAxis(axes[i], in.rank()));
    before[axis] = pads[i];
    after[axis] = pads[axes.size() + i];
  }
  c.require(!c.has(2) || (c.dtype(2) == c.dtype(0) && c.shape(2).count() == 1), "the value must be one number of the data's element type");
  const std::string& mode = c.attributes().text("mode");
  c.require(mode == "constant" || mode == "reflect" || mode == "edge" || mode == "wrap", "mode must be constant, reflect, edge or wrap");
  Shape out;
  for (int i = 0; i < in.rank(); ++i) {
    const int64_t b = before[static_cast<size_t>(i)], a = after[static_cast<size_t>(i)];
    constexpr int64_t kMost = int64_t{1} << 32;
    c.require(b > -kMost && b < kMost && a > -kMost && a < kMost, "a padding is too large");
    const int64_t size = in[i] + b + a;
    c.require(size >= 0, "the padding removes more than there is");
    c.require(mode != "reflect" || (b < std::max<int64_t>(in[i], 1) && a < std::max<int64_t>(in[i], 1)), "reflection needs paddings smaller than the axis");
    c.require(mode == "constant" || size == 0 || in[i] > 0, "cannot extend an empty axis");
    out.push(size);
  }
  out.count();
  c.resolve("before", before);
  c.resolve("after", after);
  c.output(c.dtype(0), out);
}
void tile(InferContext& c) {
  const std::vector<int64_t> repeats = c.known(1, "repeats").integers();
  c.require(static_cast<int>(repeats.size()) == c.shape(0).rank(), "repeats does not fit the rank");
  Shape out;
  for (int i = 0; i < c.shape(0).rank(); ++i) {
    const int64_t r = repeats[static_cast<size_t>(i)];
    c.require(r >= 0 && r < (int64_t{1} << 32), "repeats is negative or too large");
    out.push(c.shape(0)[i] * r);
  }
  out.count();
  c.output(c.dtype(0), out);
}
void shapeOf(InferContext& c) {
  const int rank = c.shape(0).rank();
  const auto bound = [rank](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const int64_t from = bound(c.attributes().integer("start")), to = bound(c.attributes().integer("end"));
  c.output(DType::I64, Shape{std::max<int64_t>(0, to - from)});
}
void sizeOfTensor(InferContext& c) { c.output(DType::I64, Shape{}); }
void range(InferContext& c) {
  const HostTensor &start = c.known(0, "start"), &limit = c.known(1, "limit"), &delta = c.known(2, "delta");
  c.require(start.dtype() == limit.dtype() && start.dtype() == delta.dtype(), "start, limit and delta differ in their element types");
  c.require(delta.real(0) != 0, "delta is 0");
  double count = 0;
  if (isFloating(start.dtype())) count = std::ceil((limit.real(0) - start.real(0)) / delta.real(0));
  else {
    // The ends of int64 lie further apart than int64 reaches.
    const __int128 d = delta.integer(0), span = static_cast<__int128>(limit.integer(0)) - start.integer(0);
    count = static_cast<double>(d > 0 ? (span + d - 1) / d : (span + d + 1) / d);
  }
  c.require(std::isfinite(count) && count < 1e9, "the range is too long");
  c.output(c.dtype(0), Shape{count > 0 ? static_cast<int64_t>(count) : 0});
}
void constantOfShape(InferContext& c) {
  const auto dtype = dtypeFromName(c.attributes().text("dtype"));
  c.require(dtype.has_value(), "unknown element type");
  c.output(*dtype, shapeFrom(c, c.known(0, "shape")));
}
void oneHot(InferContext& c) {  // (indices, depth, values [off, on])
  const int rank = c.shape(0).rank() + 1;
  const int axis = normaliseAxis(c.attributes().integer("axis"), rank);
  c.resolve("axis", int64_t{axis});
  const int64_t depth = c.known(1, "depth").integer(0);
  c.require(depth > 0 && depth < (int64_t{1} << 32), "depth must be positive");
  c.require(c.shape(2) == Shape{2}, "values must be two numbers: off and on");
  Shape out;
  int source = 0;
  for (int i = 0; i < rank; ++i) out.push(i == axis ? depth : c.shape(0)[source++]);
  c.output(c.dtype(2), out);
}
void trilu(InferContext& c) {
  c.require(c.shape(0).rank() >= 2, "needs at least two axes");
  same(c);
}
int64_t blockSize(InferContext& c) {
  const int64_t size = c.attributes().integer("blockSize");
  c.require(size > 0 && size <= 1024, "blockSize must be between 1 and 1024");
  return size;
}
void depthToSpace(InferContext& c) {
  const int64_t b = blockSize(c);
  const Shape& in = c.shape(0);
  c.require(in.rank() == 4 && in[1] % (b * b) == 0, "needs [N,C,H,W] with C divisible by blockSize²");
  c.output(c.dtype(0), Shape{in[0], in[1] / (b * b), in[2] * b, in[3] * b});
}
void spaceToDepth(InferContext& c) {
  const int64_t b = blockSize(c);
  const Shape& in = c.shape(0);
  c.require(in.rank() == 4 && in[2] % b == 0 && in[3] % b == 0, "needs [N,C,H,W] with H and W divisible by blockSize");
  c.output(c.dtype(0), Shape{in[0], in[1] * b * b, in[2] / b, in[3] / b});
}
void identityInfer(InferContext& c) { same(c); }

const bool registered = [] {
  RegisterOp({.name = "identity", .infer = identityInfer, .view = true, .elementwise = true});
  RegisterOp({.name = "stopGradient", .infer = identityInfer, .view = true, .elementwise = true});
  RegisterOp({.name = "reshape", .minInputs = 2, .maxInputs = 2, .attributes = {integer("allowZero", 0)}, .infer = reshape, .view = true, .hostOperands = 0b10});
  RegisterOp({.name = "reshapeLike", .minInputs = 2, .maxInputs = 2, .attributes = {integer("leading", 0)}, .infer = reshapeLike, .view = true, .shapeOnly = 0b10});
  RegisterOp({.name = "flatten", .attributes = {integer("axis", 1)}, .infer = flatten, .view = true});
  RegisterOp({.name = "squeeze", .maxInputs = 2, .attributes = {integers("axes")}, .infer = squeeze, .view = true, .hostOperands = 0b10, .operandAttributes = {{1, "axes"}}});
  RegisterOp({.name = "unsqueeze", .maxInputs = 2, .attributes = {integers("axes")}, .infer = unsqueeze, .view = true, .hostOperands = 0b10, .operandAttributes = {{1, "axes"}}});
  RegisterOp({.name = "transpose", .maxInputs = 2, .attributes = {integers("permutation")}, .infer = transpose, .hostOperands = 0b10, .operandAttributes = {{1, "permutation"}}});
  RegisterOp({.name = "expand", .minInputs = 2, .maxInputs = 2, .infer = expand, .hostOperands = 0b10});
  // operand 0 is [leading…, ...] broadcastable to [leading…, ...like]
  RegisterOp({.name = "expandLike", .minInputs = 2, .maxInputs = 2, .attributes = {integer("leading", 0)}, .infer = expandLike, .shapeOnly = 0b10});
  RegisterOp({.name = "concat", .maxInputs = -1, .attributes = {requiredInteger("axis")}, .infer = concat});
  RegisterOp({.name = "slice", .minInputs = 3, .maxInputs = 5, .attributes = {integers("begin"), integers("step")}, .infer = slice, .hostOperands = 0b11110});
  RegisterOp({.name = "sliceGrad", .minInputs = 2, .maxInputs = 2, .attributes = {requiredIntegers("begin"), requiredIntegers("step")}, .infer = sliceGrad, .shapeOnly = 0b10});
  RegisterOp({.name = "pad", .minInputs = 2, .maxInputs = 4, .attributes = {text("mode", "constant"), integers("before"), integers("after")}, .infer = pad, .hostOperands = 0b1010});
  // padGrad(g, like; before, after, mode): sums every padded copy back onto its source.
  RegisterOp({.name = "padGrad", .minInputs = 2, .maxInputs = 2, .attributes = {text("mode", "constant"), requiredIntegers("before"), requiredIntegers("after")}, .infer = sliceGrad, .shapeOnly = 0b10});
  RegisterOp({.name = "tile", .minInputs = 2, .maxInputs = 2, .infer = tile, .hostOperands = 0b10});
  RegisterOp({.name = "tileGrad", .minInputs = 2, .maxInputs = 2, .infer = sliceGrad, .shapeOnly = 0b10});
  RegisterOp({.name = "shape", .attributes = {integer("start", 0), integer("end", INT64_MAX)}, .infer = shapeOf, .shapeOnly = 0b1});
  RegisterOp({.name = "size", .infer = sizeOfTensor, .shapeOnly = 0b1});
  RegisterOp({.name = "range", .minInputs = 3, .maxInputs = 3, .infer = range, .hostOperands = 0b111});
  RegisterOp({.name = "constantOfShape", .attributes = {real("value", 0), text("dtype", "f32")}, .infer = constantOfShape, .hostOperands = 0b1});
  RegisterOp({.name = "oneHot", .minInputs = 3, .maxInputs = 3, .attributes = {integer("axis", -1)}, .infer = oneHot, .hostOperands = 0b10});
  RegisterOp({.name = "trilu", .maxInputs = 2, .attributes = {integer("upper", 1), integer("diagonal", 0)}, .infer = trilu, .hostOperands = 0b10, .operandAttributes = {{1, "diagonal"}}});
  RegisterOp({.name = "depthToSpace", .attributes = {requiredInteger("blockSize"), text("mode", "DCR")}, .infer = depthToSpace});
  RegisterOp({.name = "spaceToDepth", .attributes = {requiredInteger("blockSize"), text("mode", "DCR")}, .infer = spaceToDepth});
  return true;
}();

}  // namespace
}  // namespace ascribe
