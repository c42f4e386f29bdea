#pragma once
#include "kernels/cuda/tile.h"

namespace ascribe::cuda {

/// Item z of a batch of matrices begins at these steps along at most `rank` axes.
struct Batch {
  Walk<3> walk;  // left, right, result
  __device__ int64_t at(int z, int operand) const {
    int64_t offsets[3];
    walk.at(z, offsets);
    return offsets[operand];
  }
};

template <bool Transposed>
struct ProductLeft {  // [m, k], or [k, m]
  static constexpr bool kAlongDepth = !Transposed;
  using Row = const float*;
  const float* data;
  int64_t step;  // between rows as they lie
  Batch batch;
  __device__ Row row(int z, int m) const { return data + batch.at(z, 0) + (Transposed ? m : m * step); }
  __device__ float at(Row row, int k) const { return Transposed ? row[k * step] : row[k]; }
};
template <bool Transposed>
struct ProductRight {  // [k, n], or [n, k]
  static constexpr bool kAlongDepth = Transposed;
  using Column = const float*;
  const float* data;
  int64_t step;
  Batch batch;
  __device__ Column column(int z, int n) const { return data + batch.at(z, 1) + (Transposed ? n * step : n); }
  __device__ float at(Column column, int k) const { return Transposed ? column[k] : column[k * step]; }
};
struct ProductResults {
  using Column = float*;
  float* data;
  int64_t step;
  float scale;
  bool accumulate;
  Batch batch;
  __device__ Column column(int z, int n) const { return data + batch.at(z, 2) + n; }
  __device__ void write(Column column, int m, float value) const {
    float& to = column[m * step];
    to = accumulate ? to + scale * value : scale * value;
  }
};

/// A matrix product of matrices that lie row by row, transposed or not, for every item of a batch.
struct Product {
  const float *left, *right;
  float* result;
  int64_t count, rows, columns, depth;
  int64_t leftStep, rightStep, resultStep;
  bool leftTransposed = false, rightTransposed = false, accumulate = false;
  float scale = 1;
  void* scratch = nullptr;
  uint64_t scratchBytes = 0;
};
inline int runProduct(Stream& stream, const Product& p, const Batch& batch) {
  if (p.count * p.rows * p.columns == 0) return ASCRIBE_OK;
  // The grid's third side ends at 65535.
  if (p.count > 65535) return fail(stream, "a product", "more than 65535 matrices");
  const ProductResults results{p.result, p.resultStep, p.scale, p.accumulate, batch};
  const auto with = [&](const auto& left) {
    if (p.rightTransposed) return runTiles(stream, p.count, p.rows, p.columns, p.depth, left, ProductRight<true>{p.right, p.rightStep, batch}, results, p.scratch, p.scratchBytes);
    return runTiles(stream, p.count, p.rows, p.columns, p.depth, left, ProductRight<false>{p.right, p.rightStep, batch}, results, p.scratch, p.scratchBytes);
  };
  if (p.leftTransposed) return with(ProductLeft<true>{p.left, p.leftStep, batch});
  return with(ProductLeft<false>{p.left, p.leftStep, batch});
}
/// A batch whose items lie evenly.
inline Batch evenly(int64_t count, int64_t left, int64_t right, int64_t result) { return {Walk<3>(&count, 1, {&left, &right, &result})}; }

inline uint64_t productScratch(const Call& call) {
  const Tensor& out = call.tensors[2];
  const int64_t count = countOf(out.dims, out.rank - 2), rows = out.dims[out.rank - 2], columns = out.dims[out.rank - 1];
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
  p.scale = call.reals[0];
  p.scratch = call.scratch;
  p.scratchBytes = call.scratch_bytes;
  return runProduct(stream, p, {Walk<3>(out.dims, axes, {a.strides, b.strides, out.strides})});
}

}  // namespace ascribe::cuda
