#pragma once
#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/tile.h"

// What a product of matrices reads, and what becomes of its results.
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

/// Bias, residual, activation; then as ProductResults of scale 1.
struct FinishedResults {
  struct Column {
    int64_t at;
    int n;
  };
  float* data;
  int64_t step;
  const float *bias, *residual;
  int activation;
  Walk<1> items;
  bool vector;
  FinishedResults(float* to, int64_t stepOf, const float* biasOf, const float* residualOf, int activationOf, const Walk<1>& itemsOf)
      : data(to), step(stepOf), bias(biasOf), residual(residualOf), activation(activationOf), items(itemsOf),
        vector(isAligned(to) && isAligned(biasOf) && isAligned(residualOf) && stepOf % 4 == 0 && itemsOf.isEven(4)) {}
  __device__ Column column(int z, int n) const { return {Batch::at(items, z) + n, n}; }
  __device__ float activated(float value) const {
    switch (activation) {
      case ASCRIBE_CUDA_WITH_RELU: return value <= 0 ? 0.0f : value;
      case ASCRIBE_CUDA_WITH_GELU: return unaryOf(ASCRIBE_CUDA_GELU, value, 0, 0);
      case ASCRIBE_CUDA_WITH_GELU_TANH: return unaryOf(ASCRIBE_CUDA_GELU_TANH, value, 0, 0);
      case ASCRIBE_CUDA_WITH_SILU: return unaryOf(ASCRIBE_CUDA_SILU, value, 0, 0);
      default: return value;
    }
  }
  __device__ void write(const Column& c, int m, float value) const {
    const int64_t at = c.at + m * step;
    if (bias) value += bias[c.n];
    if (residual) value += residual[at];
    data[at] = activated(value);
  }
  __device__ void writeFour(const Column& c, int m, float4 values) const {
    const int64_t at = c.at + m * step;
    for (const float* more : {bias ? bias + c.n : nullptr, residual ? residual + at : nullptr}) {
      if (!more) continue;
      const float4 four = *reinterpret_cast<const float4*>(more);
      values = float4{values.x + four.x, values.y + four.y, values.z + four.z, values.w + four.w};
    }
    *reinterpret_cast<float4*>(data + at) = float4{activated(values.x), activated(values.y), activated(values.z), activated(values.w)};
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
  const float *bias = nullptr, *residual = nullptr;  // with scale 1 and nothing to accumulate to
  int activation = ASCRIBE_CUDA_NO_ACTIVATION;
  bool finishes() const { return bias != nullptr || residual != nullptr || activation != ASCRIBE_CUDA_NO_ACTIVATION; }
  void* scratch = nullptr;
  uint64_t scratchBytes = 0;
};

}  // namespace ascribe::cuda
