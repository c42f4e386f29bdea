#pragma once
#include "kernels/cuda/rows.h"
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
  using Stage = NoStage;
  __device__ Stage stage(Column, int) const { return {}; }
  __device__ float at(Column column, Stage, int k) const { return Transposed ? column[k] : column[k * step]; }
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
/// Few rows read the right side once, at the speed of memory: there is nothing to gain from tiles.
constexpr int kFewRows = 4;
inline int runFewRows(Stream& stream, const Product& p, const Batch& batch) {
  const ProductResults results{p.result, p.resultStep, p.scale, p.accumulate, batch};
  const int rows = static_cast<int>(p.rows);
  const int64_t columns = p.columns, depth = p.depth, rightStep = p.rightStep, leftStep = p.leftTransposed ? 1 : p.leftStep, leftDepth = p.leftTransposed ? p.leftStep : 1;
  const float *left = p.left, *right = p.right;
  if (p.rightTransposed) {
    return overRows(stream, p.count * columns, depth, [=] __device__(int64_t row, bool valid, int64_t lane, int64_t lanes, double* shared) {
      const auto z = static_cast<int>(row / columns), n = static_cast<int>(row % columns);
      const float *from = right + (valid ? batch.at(z, 1) + n * rightStep : 0), *with = left + (valid ? batch.at(z, 0) : 0);
      float sums[kFewRows] = {};
      if (valid)
        for (int64_t k = lane; k < depth; k += lanes) {
          const float value = from[k];
#pragma unroll
          for (int m = 0; m < kFewRows; ++m)
            if (m < rows) sums[m] += value * with[m * leftStep + k * leftDepth];
        }
      for (int m = 0; m < rows; ++m) {
        const double sum = together(static_cast<double>(sums[m]), shared, Add{});
        if (valid && lane == 0) results.write(results.column(z, n), m, static_cast<float>(sum));
      }
    });
  }
  // A thread a column and share of the depth; shares are joined in order.
  constexpr int64_t kThreads = 64 * 1024, kShortest = 64;
  int64_t splits = kThreads / (p.count * columns < 1 ? 1 : p.count * columns);
  if (splits > depth / kShortest) splits = depth / kShortest;
  if (splits > static_cast<int64_t>(p.scratchBytes / 4) / (p.count * p.rows * columns < 1 ? 1 : p.count * p.rows * columns)) splits = static_cast<int64_t>(p.scratchBytes / 4) / (p.count * p.rows * columns);
  if (splits < 1) splits = 1;
  const int64_t share = (depth + splits - 1) / splits;
  const Parts parts{static_cast<float*>(p.scratch), p.rows, columns};
  const bool whole = splits == 1;
  const int status = overElements(stream, p.count * splits * columns, [=] __device__(int64_t i) {
    const auto n = static_cast<int>(i % columns), block = static_cast<int>(i / columns), z = block / static_cast<int>(splits);
    const int64_t begin = block % splits * share, end = begin + share < depth ? begin + share : depth;
    const float *from = right + batch.at(z, 1) + n, *with = left + batch.at(z, 0);
    float sums[kFewRows] = {};
#pragma unroll 8
    for (int64_t k = begin; k < end; ++k) {
      const float value = from[k * rightStep];
#pragma unroll
      for (int m = 0; m < kFewRows; ++m)
        if (m < rows) sums[m] += value * with[m * leftStep + k * leftDepth];
    }
    for (int m = 0; m < rows; ++m)
      if (whole) results.write(results.column(z, n), m, sums[m]);
      else parts.write(parts.column(block, n), m, sums[m]);
  });
  return status || whole ? status : joinParts(stream, p.count, p.rows, columns, splits, parts.data, results);
}

inline int runProduct(Stream& stream, const Product& p, const Batch& batch) {
  if (p.count * p.rows * p.columns == 0) return ASCRIBE_OK;
  // The grid's third side ends at 65535.
  if (p.count > 65535) return fail(stream, "a product", "more than 65535 matrices");
  if (p.rows <= kFewRows) return runFewRows(stream, p, batch);
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
  if (rows <= kFewRows) return static_cast<uint64_t>(rows) * 64 * 1024 * 4;
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
