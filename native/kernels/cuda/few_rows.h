#pragma once
#include <type_traits>

#include "kernels/cuda/matrix_sides.h"
#include "kernels/cuda/rows.h"

// Products of few rows read the right side once, at the speed of memory: there is nothing to gain from tiles, and all from
// many wide loads that nobody waits for.
namespace ascribe::cuda {

constexpr int kFewRows = 8;

struct FewRows {
  const float *left, *right;
  Walk<1> leftItems, rightItems;
  int64_t leftStep, leftDepth, rightStep;  // between rows, and steps of the depth, of the left side; between rows of the right one as it lies
  int64_t columns, depth, splits, share;   // of the depth, which is shared out
  int rows;
  FewRows(const Product& p, const Batch& batch)
      : left(p.left), right(p.right), leftItems(batch.left), rightItems(batch.right), leftStep(p.leftTransposed ? 1 : p.leftStep), leftDepth(p.leftTransposed ? p.leftStep : 1), rightStep(p.rightStep),
        columns(p.columns), depth(p.depth), splits(1), share(p.depth), rows(static_cast<int>(p.rows)) {}
  __device__ const float* row(int z, int m) const { return left + Batch::at(leftItems, z) + (m < rows ? m : rows - 1) * leftStep; }
};

__device__ inline float dotOf(const float4& a, const float4& b, float sum) { return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, sum)))); }

/// A block for some columns, which lie along the depth: each of its threads takes every so-manieth four of all of them.
template <int Rows, int Columns, class Results>
__global__ void __launch_bounds__(256) alongDepthKernel(FewRows f, Results results) {
  constexpr int kMostWarps = 8;
  __shared__ double parts[kMostWarps][Rows * Columns];
  const int z = static_cast<int>(blockIdx.y);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * Columns;
  const float *from[Columns], *with[Rows];
  float sums[Rows][Columns] = {};
#pragma unroll
  for (int c = 0; c < Columns; ++c) from[c] = f.right + Batch::at(f.rightItems, z) + (first + c < f.columns ? first + c : f.columns - 1) * f.rightStep;
#pragma unroll
  for (int m = 0; m < Rows; ++m) with[m] = f.row(z, m);
#pragma unroll 2
  for (int64_t k = static_cast<int64_t>(threadIdx.x) * 4; k < f.depth; k += static_cast<int64_t>(blockDim.x) * 4) {
    float4 values[Columns];
#pragma unroll
    for (int c = 0; c < Columns; ++c) values[c] = *reinterpret_cast<const float4*>(from[c] + k);
#pragma unroll
    for (int m = 0; m < Rows; ++m) {
      const float4 by = *reinterpret_cast<const float4*>(with[m] + k);
#pragma unroll
      for (int c = 0; c < Columns; ++c) sums[m][c] = dotOf(values[c], by, sums[m][c]);
    }
  }
  const int warp = static_cast<int>(threadIdx.x) / 32, warps = static_cast<int>(blockDim.x) / 32;
#pragma unroll
  for (int i = 0; i < Rows * Columns; ++i) {
    double sum = static_cast<double>(sums[i / Columns][i % Columns]);
    for (unsigned step = 16; step > 0; step /= 2) sum += fromBehind(sum, step, 32);
    if (threadIdx.x % 32 == 0) parts[warp][i] = sum;
  }
  __syncthreads();
  const int i = static_cast<int>(threadIdx.x), m = i / Columns;
  const int64_t n = first + i % Columns;
  if (i >= Rows * Columns || m >= f.rows || n >= f.columns) return;
  double sum = 0;
  for (int w = 0; w < warps; ++w) sum += parts[w][i];
  results.write(results.column(z, static_cast<int>(n)), m, static_cast<float>(sum));
}
template <int Rows, class Results>
int runAlongDepth(Stream& stream, const FewRows& f, int64_t count, const Results& results) {
  constexpr int64_t kEnough = 264;  // blocks: two on each multiprocessor
  unsigned threads = 32;
  while (threads < 256 && static_cast<int64_t>(threads) * 16 < f.depth) threads *= 2;
  const auto with = [&](auto kernel, int64_t columns) {
    return launch<true>(stream, kernel, dim3(static_cast<unsigned>((f.columns + columns - 1) / columns), static_cast<unsigned>(count)), dim3(threads), f, results);
  };
  // Threads write one result each.
  if (count * f.columns >= 4 * kEnough) return with(alongDepthKernel<Rows, 4, Results>, 4);
  if (count * f.columns >= 2 * kEnough) return with(alongDepthKernel<Rows, 2, Results>, 2);
  return with(alongDepthKernel<Rows, 1, Results>, 1);
}

/// Columns that lie beside each other: a warp takes four for each thread, and eight of them share a block's part of the depth.
constexpr int kSlices = 8, kBlockColumns = 128;
template <int Rows, class Results>
__global__ void __launch_bounds__(32 * kSlices) acrossDepthKernel(FewRows f, Results results, Parts parts) {
  __shared__ float4 held[kSlices][32];
  const int block = static_cast<int>(blockIdx.y), z = block / static_cast<int>(f.splits), split = block - z * static_cast<int>(f.splits);
  const int64_t n = (static_cast<int64_t>(blockIdx.x) * 32 + threadIdx.x) * 4, begin = split * f.share, end = begin + f.share < f.depth ? begin + f.share : f.depth;
  const bool inside = n < f.columns;
  const float* from = f.right + Batch::at(f.rightItems, z) + (inside ? n : 0);
  const float* with[Rows];
  float4 sums[Rows] = {};
#pragma unroll
  for (int m = 0; m < Rows; ++m) with[m] = f.row(z, m);
#pragma unroll 8
  for (int64_t k = begin + threadIdx.y; k < end; k += kSlices) {
    const float4 value = *reinterpret_cast<const float4*>(from + k * f.rightStep);
#pragma unroll
    for (int m = 0; m < Rows; ++m) {
      const float by = with[m][k * f.leftDepth];
      sums[m] = float4{fmaf(value.x, by, sums[m].x), fmaf(value.y, by, sums[m].y), fmaf(value.z, by, sums[m].z), fmaf(value.w, by, sums[m].w)};
    }
  }
  for (int m = 0; m < f.rows; ++m) {
    held[threadIdx.y][threadIdx.x] = sums[m];
    __syncthreads();
    // A column for each thread of the first four slices.
    const int lane = static_cast<int>(threadIdx.y) * 32 + static_cast<int>(threadIdx.x);
    const int64_t column = static_cast<int64_t>(blockIdx.x) * kBlockColumns + lane;
    if (lane < kBlockColumns && column < f.columns) {
      float sum = 0;
      for (int slice = 0; slice < kSlices; ++slice) sum += reinterpret_cast<const float*>(&held[slice][lane / 4])[lane % 4];
      if (f.splits == 1) results.write(results.column(z, static_cast<int>(column)), m, sum);
      else parts.write(parts.column(block, static_cast<int>(column)), m, sum);
    }
    __syncthreads();
  }
}
/// The depth in so many parts: enough that the device has loads to wait for, as long as each thread has some.
inline int64_t acrossSplits(int64_t count, int64_t columns, int64_t depth) {
  constexpr int64_t kEnough = 1056, kShortest = 8 * kSlices, kMost = 64;
  const int64_t blocks = count * ((columns + kBlockColumns - 1) / kBlockColumns), wanted = kEnough / (blocks < 1 ? 1 : blocks), most = depth / kShortest;
  const int64_t splits = wanted < most ? wanted : most;
  return splits < 1 ? 1 : splits > kMost ? kMost : splits;
}
template <int Rows, class Results>
int runAcrossDepth(Stream& stream, FewRows f, int64_t count, const Results& results, void* scratch, uint64_t bytes) {
  f.splits = acrossSplits(count, f.columns, f.depth);
  if (static_cast<uint64_t>(f.splits * count * f.rows * f.columns) * 4 > bytes || count * f.splits > 65535) f.splits = 1;
  f.share = (f.depth + f.splits - 1) / f.splits;
  const Parts parts{static_cast<float*>(scratch), f.rows, f.columns, false};
  const int status = launch<true>(stream, acrossDepthKernel<Rows, Results>, dim3(static_cast<unsigned>((f.columns + kBlockColumns - 1) / kBlockColumns), static_cast<unsigned>(count * f.splits)),
                                  dim3(32, kSlices), f, results, parts);
  return status || f.splits == 1 ? status : joinParts(stream, count, f.rows, f.columns, f.splits, parts.data, results);
}

/// What lies unevenly, and rows so short that a warp would be too much for one.
constexpr int64_t kShortDepth = 128, kScalarThreads = 64 * 1024;
template <class Results>
int runScalarRows(Stream& stream, FewRows f, int64_t count, bool alongDepth, const Results& results, void* scratch, uint64_t bytes) {
  const int64_t columns = f.columns;
  if (alongDepth) {
    const auto even = [](const float* data, int64_t step, const Walk<1>& walk) { return isAligned(data) && step % 4 == 0 && walk.isEven(4); };
    const bool fours = f.leftDepth == 1 && f.depth % 4 == 0 && even(f.left, f.leftStep, f.leftItems) && even(f.right, f.rightStep, f.rightItems);
    return overRows(stream, count * columns, f.depth, [=] __device__(int64_t row, bool valid, int64_t lane, int64_t lanes, double* shared) {
      const auto z = static_cast<int>(row / columns), n = static_cast<int>(row % columns);
      const float *from = f.right + (valid ? Batch::at(f.rightItems, z) + n * f.rightStep : 0), *with = f.left + (valid ? Batch::at(f.leftItems, z) : 0);
      float sums[kFewRows] = {};
      if (valid && fours) {
        for (int64_t k = lane * 4; k < f.depth; k += lanes * 4) {
          const float4 value = *reinterpret_cast<const float4*>(from + k);
#pragma unroll
          for (int m = 0; m < kFewRows; ++m)
            if (m < f.rows) sums[m] = dotOf(value, *reinterpret_cast<const float4*>(with + m * f.leftStep + k), sums[m]);
        }
      } else if (valid) {
        for (int64_t k = lane; k < f.depth; k += lanes) {
          const float value = from[k];
#pragma unroll
          for (int m = 0; m < kFewRows; ++m)
            if (m < f.rows) sums[m] = fmaf(value, with[m * f.leftStep + k * f.leftDepth], sums[m]);
        }
      }
#pragma unroll
      for (int m = 0; m < kFewRows; ++m) {
        if (m >= f.rows) break;
        const double sum = together(static_cast<double>(sums[m]), shared, Add{});
        if (valid && lane == 0) results.write(results.column(z, n), m, static_cast<float>(sum));
      }
    });
  }
  // A thread a column and share of the depth; shares are joined in order.
  constexpr int64_t kShortest = 64;
  const int64_t all = count * columns < 1 ? 1 : count * columns, room = static_cast<int64_t>(bytes / 4) / (all * f.rows);
  f.splits = kScalarThreads / all;
  if (f.splits > f.depth / kShortest) f.splits = f.depth / kShortest;
  if (f.splits > room) f.splits = room;
  if (f.splits < 1) f.splits = 1;
  f.share = (f.depth + f.splits - 1) / f.splits;
  const Parts parts{static_cast<float*>(scratch), f.rows, columns, false};
  const int status = overElements(stream, all * f.splits, [=] __device__(int64_t i) {
    const auto n = static_cast<int>(i % columns), block = static_cast<int>(i / columns), z = block / static_cast<int>(f.splits);
    const int64_t begin = block % f.splits * f.share, end = begin + f.share < f.depth ? begin + f.share : f.depth;
    const float *from = f.right + Batch::at(f.rightItems, z) + n, *with = f.left + Batch::at(f.leftItems, z);
    float sums[kFewRows] = {};
#pragma unroll 4
    for (int64_t k = begin; k < end; ++k) {
      const float value = from[k * f.rightStep];
#pragma unroll
      for (int m = 0; m < kFewRows; ++m)
        if (m < f.rows) sums[m] = fmaf(value, with[m * f.leftStep + k * f.leftDepth], sums[m]);
    }
#pragma unroll
    for (int m = 0; m < kFewRows; ++m) {
      if (m >= f.rows) break;
      if (f.splits == 1) results.write(results.column(z, n), m, sums[m]);
      else parts.write(parts.column(block, n), m, sums[m]);
    }
  });
  return status || f.splits == 1 ? status : joinParts(stream, count, f.rows, columns, f.splits, parts.data, results);
}

template <class Results>
int runFewRows(Stream& stream, const Product& p, const Batch& batch, const Results& results) {
  const FewRows f(p, batch);
  const bool rightEven = isAligned(p.right) && p.rightStep % 4 == 0 && batch.right.isEven(4);
  const bool leftEven = f.leftDepth == 1 && isAligned(p.left) && f.leftStep % 4 == 0 && batch.left.isEven(4);
  const bool fours = rightEven && (p.rightTransposed ? leftEven && p.depth % 4 == 0 && p.depth > kShortDepth : p.columns % 4 == 0 && p.columns >= kBlockColumns / 2);
  if (!fours) return runScalarRows(stream, f, p.count, p.rightTransposed, results, p.scratch, p.scratchBytes);
  const auto with = [&](auto rows) {
    if (p.rightTransposed) return runAlongDepth<decltype(rows)::value>(stream, f, p.count, results);
    return runAcrossDepth<decltype(rows)::value>(stream, f, p.count, results, p.scratch, p.scratchBytes);
  };
  if (p.rows == 1) return with(std::integral_constant<int, 1>{});
  if (p.rows == 2) return with(std::integral_constant<int, 2>{});
  if (p.rows <= 4) return with(std::integral_constant<int, 4>{});
  return with(std::integral_constant<int, kFewRows>{});
}
inline uint64_t fewRowsScratch(int64_t count, int64_t rows, int64_t columns, int64_t depth) {
  const int64_t across = acrossSplits(count, columns, depth), scalar = kScalarThreads * rows, parts = across == 1 ? 0 : across * count * rows * columns;
  return static_cast<uint64_t>(scalar > parts ? scalar : parts) * 4;
}

}  // namespace ascribe::cuda
