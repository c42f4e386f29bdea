#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

/// Empty `axes` means all of them. Negative axes count from the end.
Shape reduced(InferContext& c, const Shape& in) {
  std::vector<int64_t> axes = c.attributes().integers("axes");
  const bool keep = c.attributes().integer("keepDims") != 0;
  std::array<bool, Shape::kMaxRank> drop{};
  if (axes.empty())
    for (int i = 0; i < in.rank(); ++i) axes.push_back(i);
  for (int64_t& axis : axes) {
    axis = normaliseAxis(axis, in.rank());
    c.require(!drop[static_cast<size_t>(axis)], "an axis is named twice");
    drop[static_cast<size_t>(axis)] = true;
  }
  c.resolve("axes", axes);
  Shape out;
  for (int i = 0; i < in.rank(); ++i) {
    if (!drop[static_cast<size_t>(i)]) out.push(in[i]);
    else if (keep) out.push(1);
  }
  return out;
}

void reduce(InferContext& c) { c.output(c.dtype(0), reduced(c, c.shape(0))); }
void argument(InferContext& c) {
  const int axis = normaliseAxis(c.attributes().integer("axis"), c.shape(0).rank());
  c.resolve("axis", int64_t{axis});
  Shape out;
  for (int i = 0; i < c.shape(0).rank(); ++i) {
    if (i != axis) out.push(c.shape(0)[i]);
    else if (c.attributes().integer("keepDims")) out.push(1);
  }
  c.require(c.shape(0)[axis] > 0, "there is no largest element along an empty axis");
  c.output(DType::I64, out);
}
// (gradient [K, ...reduced], x, y): the whole gradient goes to the first extremum of each group.
// Kernels index by the resolved axes, so that what does not fit must not reach them.
void extremum(InferContext& c) {
  const Shape kept = reduced(c, c.shape(1));
  c.require(c.shape(0).rank() >= 1 && c.shape(2) == kept && c.shape(0) == prepend(c.shape(0)[0], kept), "gradient and extremum do not have the reduced shape");
  c.output(c.dtype(0), prepend(c.shape(0)[0], c.shape(1)));
}
void sumTo(InferContext& c) {
  likeWithLeading(c, 1);
  const Shape whole = behindLeading(c, 0);
  c.require(broadcast(c.shape(1), whole) == whole, "the operand is no expansion of the other's shape");
}
/// Written by the fusion pass alone: (g, x, like), the sums of g * x that sumTo would make; elements of g and x agree one to one.
void scaleGrad(InferContext& c) {
  likeWithLeading(c, 2);
  c.require(c.dtype(0) == c.dtype(1), "operands have different element types");
  const Shape &g = c.shape(0), &x = c.shape(1);
  c.require(x.rank() <= g.rank() && broadcast(g, x) == g && x.count() == g.count(), "gradient and operand have different elements");
  const Shape whole = behindLeading(c, 0);
  c.require(broadcast(c.shape(2), whole) == whole, "the operand is no expansion of the other's shape");
}
void sameWithAxis(InferContext& c) {
  c.resolve("axis", int64_t{normaliseAxis(c.attributes().integer("axis"), c.shape(0).rank())});
  same(c);
}

/// (x, k) -> the k largest or smallest along the axis, in order, and their places.
void topK(InferContext& c) {
  const int axis = normaliseAxis(c.attributes().integer("axis"), c.shape(0).rank());
  c.resolve("axis", int64_t{axis});
  const HostTensor& count = c.known(1, "number of elements");
  c.require(count.shape().count() == 1, "the number of elements is one number");
  const int64_t k = count.integers()[0];
  c.require(k >= 0 && k <= c.shape(0)[axis], "there are not that many elements along the axis");
  Shape out = c.shape(0);
  out[axis] = k;
  c.output(0, c.dtype(0), out);
  c.output(1, DType::I64, out);
}

const bool registered = [] {
  for (const char* name : {"sum", "mean", "reduceMax", "reduceMin", "prod"})
    RegisterOp({.name = name, .maxInputs = 2, .attributes = {integers("axes"), integer("keepDims", 1), integer("noopWithEmptyAxes", 0)}, .infer = reduce,
                .hostOperands = 0b10, .operandAttributes = {{1, "axes"}}});
  RegisterOp({.name = "topK", .minInputs = 2, .maxInputs = 2, .minOutputs = 2, .maxOutputs = 2, .attributes = {integer("axis", -1), integer("largest", 1)}, .infer = topK, .hostOperands = 0b10});
  for (const char* name : {"argMax", "argMin"})
    RegisterOp({.name = name, .attributes = {integer("axis", 0), integer("keepDims", 1), integer("selectLast", 0)}, .infer = argument});
  RegisterOp({.name = "extremumGrad", .opClass = OpClass::Composite, .minInputs = 3, .maxInputs = 3,
              .attributes = {integers("axes"), integer("keepDims", 1)}, .infer = extremum});
  RegisterOp({.name = "sumTo", .minInputs = 2, .maxInputs = 2, .attributes = {integer("leading", 0)}, .infer = sumTo, .shapeOnly = 0b10});
  RegisterOp({.name = "scaleGrad", .opClass = OpClass::Composite, .minInputs = 3, .maxInputs = 3, .attributes = {integer("leading", 0)}, .infer = scaleGrad, .shapeOnly = 0b100});
  for (const char* name : {"cumSum", "cumProd"})
    RegisterOp({.name = name, .maxInputs = 2, .attributes = {integer("axis", 0), integer("exclusive", 0), integer("reverse", 0)}, .infer = sameWithAxis,
                .hostOperands = 0b10, .operandAttributes = {{1, "axis"}}});
  return true;
}();

}  // namespace
}  // namespace ascribe
