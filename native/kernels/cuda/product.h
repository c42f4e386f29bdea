#pragma once
#include "kernels/cuda/rows.h"
#include "kernels/cuda/tile.h"

namespace ascribe::cuda {

/// Where item z of a batch of matrices begins, in elements.
struct Batch {
  Walk<1> left, right, result;
  __device__ static int64_t at(const Walk<1>& walk, int z) {
    int64_t offsets[1];
    walk.at(z, offsets);
    return offsets[0];
  }
};

/// One side of a product: its places row by row, [places, depth], or the depth, [depth, places].
template <bool AlongDepth>
struct MatrixSide {
  static constexpr bool kAlongDepth = AlongDepth;
  template <int Places, int Threads>
  using Fetch = EvenFetch<MatrixSide, Places, Threads>;
  const float* data;
  int64_t step;  // between rows as they lie
  Walk<1> items;
  bool vector;
  MatrixSide(const float* from, int64_t stepOf, const Walk<1>& itemsOf) : data(from), step(stepOf), items(itemsOf), vector(isAligned(from) && stepOf % 4 == 0 && itemsOf.isEven(4)) {}
  __device__ const float* at(int z, int place) const { return data + Batch::at(items, z) + place * (AlongDepth ? step : 1); }
};
struct ProductResults {
  using Column = float*;
  float* data;
  int64_t step;
  float scale;
  bool accumulate;
  Walk<1> items;
  bool vector;
  ProductResults(float* to, int64_t stepOf, float scaleOf, bool adds, const Walk<1>& itemsOf)
      : data(to), step(stepOf), scale(scaleOf), accumulate(adds), items(itemsOf), vector(isAligned(to) && stepOf % 4 == 0 && itemsOf.isEven(4)) {}
  __device__ Column column(int z, int n) const { return data + Batch::at(items, z) + n; }
  __device__ void write(Column column, int m, float value) const {
    float& to = column[m * step];
    to = accumulate ? to + scale * value : scale * value;
  }
  __device__ void writeFour(Column column, int m, float4 values) const {
    auto& to = *reinterpret_cast<float4*>(column + m * step);
    const float4 held = accumulate ? to : float4{0, 0, 0, 0};
    to = float4{held.x + scale * values.x, held.y + scale * values.y, held.z + scale * values.z, held.w + scale * values.w};
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
  const ProductResults results(p.result, p.resultStep, p.scale, p.accumulate, batch.result);
  const int rows = static_cast<int>(p.rows);
  const int64_t columns = p.columns, depth = p.depth, rightStep = p.rightStep, leftStep = p.leftTransposed ? 1 : p.leftStep, leftDepth = p.leftTransposed ? p.leftStep : 1;
  const float *left = p.left, *right = p.right;
  const Batch items = batch;
  const auto aligned = [](const float* data, int64_t step, const Walk<1>& walk) { return isAligned(data) && step % 4 == 0 && walk.isEven(4); };
  const bool fours = leftDepth == 1 && depth % 4 == 0 && aligned(left, leftStep, batch.left) && aligned(right, rightStep, batch.right);
  if (p.rightTransposed) {
    return overRows(stream, p.count * columns, depth, [=] __device__(int64_t row, bool valid, int64_t lane, int64_t lanes, double* shared) {
      const auto z = static_cast<int>(row / columns), n = static_cast<int>(row % columns);
      const float *from = right + (valid ? Batch::at(items.right, z) + n * rightStep : 0), *with = left + (valid ? Batch::at(items.left, z) : 0);
      float sums[kFewRows] = {};
      if (valid && fours) {
        const auto add = [&](int64_t k, const float4& value) {
#pragma unroll
          for (int m = 0; m < kFewRows; ++m) {
            if (m >= rows) continue;
            const float4 by = *reinterpret_cast<const float4*>(with + m * leftStep + k);
            sums[m] += value.x * by.x + value.y * by.y + value.z * by.z + value.w * by.w;
          }
        };
        constexpr int kAhead = 4;  // asked for at once: one at a time, a thread waits for memory with each
        const int64_t step = lanes * 4;
        int64_t k = lane * 4;
        for (; k + (kAhead - 1) * step < depth; k += kAhead * step) {
          float4 values[kAhead];
#pragma unroll
          for (int j = 0; j < kAhead; ++j) values[j] = *reinterpret_cast<const float4*>(from + k + j * step);
#pragma unroll
          for (int j = 0; j < kAhead; ++j) add(k + j * step, values[j]);
        }
        for (; k < depth; k += step) add(k, *reinterpret_cast<const float4*>(from + k));
      } else if (valid) {
        for (int64_t k = lane; k < depth; k += lanes) {
          const float value = from[k];
#pragma unroll
          for (int m = 0; m < kFewRows; ++m)
            if (m < rows) sums[m] += value * with[m * leftStep + k * leftDepth];
        }
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
  const Parts parts{static_cast<float*>(p.scratch), p.rows, columns, false};
  const bool whole = splits == 1;
  const int status = overElements(stream, p.count * splits * columns, [=] __device__(int64_t i) {
    const auto n = static_cast<int>(i % columns), block = static_cast<int>(i / columns), z = block / static_cast<int>(splits);
    const int64_t begin = block % splits * share, end = begin + share < depth ? begin + share : depth;
    const float *from = right + Batch::at(items.right, z) + n, *with = left + Batch::at(items.left, z);
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
  const ProductResults results(p.result, p.resultStep, p.scale, p.accumulate, batch.result);
  const auto with = [&](const auto& left) {
    if (p.rightTransposed) return runTiles(stream, p.count, p.rows, p.columns, p.depth, left, MatrixSide<true>(p.right, p.rightStep, batch.right), results, p.scratch, p.scratchBytes);
    return runTiles(stream, p.count, p.rows, p.columns, p.depth, left, MatrixSide<false>(p.right, p.rightStep, batch.right), results, p.scratch, p.scratchBytes);
  };
  if (p.leftTransposed) return with(MatrixSide<false>(p.left, p.leftStep, batch.left));
  return with(MatrixSide<true>(p.left, p.leftStep, batch.left));
}
/// A batch whose items lie evenly.
inline Walk<1> evenly(int64_t count, int64_t step) { return Walk<1>(&count, 1, {&step}); }
inline Batch evenly(int64_t count, int64_t left, int64_t right, int64_t result) { return {evenly(count, left), evenly(count, right), evenly(count, result)}; }

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
  return runProduct(stream, p, {Walk<1>(out.dims, axes, {a.strides}), Walk<1>(out.dims, axes, {b.strides}), Walk<1>(out.dims, axes, {out.strides})});
}

}  // namespace ascribe::cuda
