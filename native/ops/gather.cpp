#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

void requireIndices(InferContext& c, int operand) {
  c.require(c.dtype(operand) == DType::I64 || c.dtype(operand) == DType::I32, "indices must be i64 or i32");
}
void gather(InferContext& c) {
  requireIndices(c, 1);
  const int axis = normaliseAxis(c.attributes().integer("axis"), c.shape(0).rank());
  c.resolve("axis", int64_t{axis});
  Shape out;
  for (int i = 0; i < axis; ++i) out.push(c.shape(0)[i]);
  for (int64_t dim : c.shape(1)) out.push(dim);
  for (int i = axis + 1; i < c.shape(0).rank(); ++i) out.push(c.shape(0)[i]);
  c.output(c.dtype(0), out);
}
/// Rows of a matrix of weights in its storage type, as f32.
void storedGather(InferContext& c) {
  requireIndices(c, 1);
  c.require(isStorageOnly(c.dtype(0)) && c.shape(0).rank() == 2, "needs a matrix in a storage type");
  Shape out = c.shape(1);
  out.push(c.shape(0)[1]);
  c.output(DType::F32, out);
}
void gatherElements(InferContext& c) {
  requireIndices(c, 1);
  c.require(c.shape(0).rank() == c.shape(1).rank(), "indices must have the rank of the data");
  const int axis = normaliseAxis(c.attributes().integer("axis"), c.shape(0).rank());
  c.resolve("axis", int64_t{axis});
  for (int i = 0; i < c.shape(0).rank(); ++i)
    c.require(i == axis || c.shape(1)[i] <= c.shape(0)[i], "indices reach outside the data");
  c.output(c.dtype(0), c.shape(1));
}
void gatherNd(InferContext& c) {
  requireIndices(c, 1);
  const Shape &data = c.shape(0), &indices = c.shape(1);
  const int64_t batch = c.attributes().integer("batchDims");
  c.require(indices.rank() >= 1 && batch >= 0 && batch < indices.rank() && batch <= data.rank(), "batchDims is out of range");
  const int64_t depth = indices.at(-1);
  c.require(depth >= 1 && depth <= data.rank() - batch, "an index tuple is longer than the data's rank");
  for (int i = 0; i < static_cast<int>(batch); ++i) c.require(data[i] == indices[i], "data and indices differ in their batch axes");
  Shape out;
  for (int i = 0; i < indices.rank() - 1; ++i) out.push(indices[i]);
  for (int i = static_cast<int>(batch + depth); i < data.rank(); ++i) out.push(data[i]);
  c.output(c.dtype(0), out);
}
void scatterElements(InferContext& c) {
  requireIndices(c, 1);
  c.require(c.shape(1) == c.shape(2) && c.shape(0).rank() == c.shape(1).rank(), "indices and updates must have one shape, of the data's rank");
  c.require(c.dtype(0) == c.dtype(2), "data and updates have different element types");
  const int axis = normaliseAxis(c.attributes().integer("axis"), c.shape(0).rank());
  c.resolve("axis", int64_t{axis});
  for (int i = 0; i < c.shape(0).rank(); ++i)
    c.require(i == axis || c.shape(1)[i] <= c.shape(0)[i], "indices reach outside the data");
  same(c);
}
void scatterNd(InferContext& c) {
  requireIndices(c, 1);
  c.require(c.dtype(0) == c.dtype(2), "data and updates have different element types");
  c.require(c.shape(1).rank() >= 1 && c.shape(1).at(-1) <= c.shape(0).rank(), "an index tuple is longer than the data's rank");
  Shape expected;
  for (int i = 0; i < c.shape(1).rank() - 1; ++i) expected.push(c.shape(1)[i]);
  for (int i = static_cast<int>(c.shape(1).at(-1)); i < c.shape(0).rank(); ++i) expected.push(c.shape(0)[i]);
  c.require(c.shape(2) == expected, "updates do not have the shape that data and indices ask for");
  same(c);
}
// (gradient [K, ...out], indices, like): adds every element back to where it was read.
void gradient(InferContext& c) { c.output(c.dtype(0), prepend(c.shape(0)[0], c.shape(2))); }

const bool registered = [] {
  RegisterOp({.name = "gather", .minInputs = 2, .maxInputs = 2, .attributes = {integer("axis", 0)}, .infer = gather});
  RegisterOp({.name = "storedGather", .minInputs = 2, .maxInputs = 2, .infer = storedGather});
  RegisterOp({.name = "gatherElements", .minInputs = 2, .maxInputs = 2, .attributes = {integer("axis", 0)}, .infer = gatherElements});
  RegisterOp({.name = "gatherNd", .minInputs = 2, .maxInputs = 2, .attributes = {integer("batchDims", 0)}, .infer = gatherNd});
  RegisterOp({.name = "scatterElements", .minInputs = 3, .maxInputs = 3, .attributes = {integer("axis", 0), text("reduction", "none")}, .infer = scatterElements});
  RegisterOp({.name = "scatterNd", .minInputs = 3, .maxInputs = 3, .attributes = {text("reduction", "none")}, .infer = scatterNd});
  RegisterOp({.name = "gatherGrad", .opClass = OpClass::Composite, .minInputs = 3, .maxInputs = 3, .attributes = {requiredInteger("axis")}, .infer = gradient, .shapeOnly = 0b100});
  RegisterOp({.name = "gatherElementsGrad", .opClass = OpClass::Composite, .minInputs = 3, .maxInputs = 3, .attributes = {requiredInteger("axis")}, .infer = gradient, .shapeOnly = 0b100});
  RegisterOp({.name = "gatherNdGrad", .opClass = OpClass::Composite, .minInputs = 3, .maxInputs = 3, .attributes = {integer("batchDims", 0)}, .infer = gradient, .shapeOnly = 0b100});
  return true;
}();

}  // namespace
}  // namespace ascribe
