#pragma once
#include "kernels/cuda/few_rows.h"

namespace ascribe::cuda {

inline int runProduct(Stream& stream, const Product& p, const Batch& batch) {
  if (p.count * p.rows * p.columns == 0) return ASCRIBE_OK;
  // The grid's third side ends at 65535.
  if (p.count > 65535) return fail(stream, "a product", "more than 65535 matrices");
  const auto tiles = [&](const auto& left, const auto& results) {
    if (p.rightTransposed) return runTiles(stream, p.count, p.rows, p.columns, p.depth, left, MatrixSide<true>(p.right, p.rightStep, batch.right), results, p.scratch, p.scratchBytes);
    return runTiles(stream, p.count, p.rows, p.columns, p.depth, left, MatrixSide<false>(p.right, p.rightStep, batch.right), results, p.scratch, p.scratchBytes);
  };
  if (p.finishes()) {
    const FinishedResults results(p.result, p.resultStep, p.bias, p.residual, p.activation, batch.result);
    if (p.rows <= kFewRows) return runFewRows(stream, p, batch, results);
    if (p.leftTransposed) return fail(stream, "a product", "of a transposed left side is not finished");
    return tiles(MatrixSide<true>(p.left, p.leftStep, batch.left), results);
  }
  const ProductResults results(p.result, p.resultStep, p.scale, p.accumulate, batch.result);
  if (p.rows <= kFewRows) return runFewRows(stream, p, batch, results);
  if (p.leftTransposed) return tiles(MatrixSide<false>(p.left, p.leftStep, batch.left), results);
  return tiles(MatrixSide<true>(p.left, p.leftStep, batch.left), results);
}
/// A batch whose items lie evenly.
inline Walk<1> evenly(int64_t count, int64_t step) { return Walk<1>(&count, 1, {&step}); }
inline Batch evenly(int64_t count, int64_t left, int64_t right, int64_t result) { return {evenly(count, left), evenly(count, right), evenly(count, result)}; }

inline uint64_t productScratch(const Call& call) {
  const Tensor& out = call.tensors[2];
  const int64_t count = countOf(out.dims, out.rank - 2), rows = out.dims[out.rank - 2], columns = out.dims[out.rank - 1];
  if (rows <= kFewRows) return fewRowsScratch(count, rows, columns, call.tensors[0].dims[out.rank - 1]);
  return Cut(count, rows, columns, call.tensors[0].dims[out.rank - 1]).scratchBytes(count, rows, columns);
}
/// Tensors a, b, out: batch axes with strides, then the two axes of the matrix, whose strides say how it lies.
inline int runProductCall(Stream& stream, const Call& call) {
  const Tensor &a = call.tensors[0], &b = call.tensors[1], &out = call.tensors[2];
  const int axes = out.rank - 2;
  Product p{static_cast<const float*>(a.data), static_cast<const float*>(b.data), static_cast<float*>(out.data), countOf(out.dims, axes)};
  p.rows = out.dims[axes];
  p.columns = out.dims[axes + 1];
  p.depth = a.dims[axes + 1];
  p.leftTransposed = call.integers[0] != 0;
  p.rightTransposed = call.integers[1] != 0;
  p.leftStep = p.leftTransposed ? p.rows : p.depth;
  p.rightStep = p.rightTransposed ? p.depth : p.columns;
  p.resultStep = p.columns;
  p.bias = static_cast<const float*>(call.tensors[3].data);
  p.residual = static_cast<const float*>(call.tensors[4].data);
  p.activation = call.code;
  p.scratch = call.scratch;
  p.scratchBytes = call.scratch_bytes;
  return runProduct(stream, p, {Walk<1>(out.dims, axes, {a.strides}), Walk<1>(out.dims, axes, {b.strides}), Walk<1>(out.dims, axes, {out.strides})});
}

}  // namespace ascribe::cuda
