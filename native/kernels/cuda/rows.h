#pragma once
#include <cmath>

#include "kernels/cuda/index.h"
#include "kernels/cuda/warp.h"

// Reductions, softmax and norms: a row of numbers becomes one or a row again. Sums are held in double and added in one
// fixed order, so that results are the same every time.
namespace ascribe::cuda {

constexpr int kRowThreads = 128;

/// Combines one value of each of blockDim.x threads (8, 32, or all of the block), for every row (threadIdx.y) of the block;
/// all threads get it.
template <class Combine>
__device__ inline double together(double value, double* shared, Combine combine) {
  const unsigned lanes = blockDim.x, width = lanes < 32 ? lanes : 32;
  for (unsigned step = width / 2; step > 0; step /= 2) value = combine(value, fromBehind(value, step, width));
  if (lanes <= 32) return fromFirst(value, width);
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  double result = shared[0];
  for (unsigned warp = 1; warp < lanes / 32; ++warp) result = combine(result, shared[warp]);
  __syncthreads();
  return result;
}
struct Add {
  __device__ double operator()(double a, double b) const { return a + b; }
};
/// NaN wins over everything.
struct Larger {
  __device__ double operator()(double a, double b) const { return a != a ? a : b != b || b > a ? b : a; }
};
struct Smaller {
  __device__ double operator()(double a, double b) const { return a != a ? a : b != b || b < a ? b : a; }
};

/// f(row, valid, lane, lanes, shared): the lanes of a row work together; rows behind the end take part in barriers alone.
template <class F>
__global__ void overRowsKernel(int64_t rows, F f) {
  __shared__ double shared[kRowThreads / 32];
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  f(row, row < rows, static_cast<int64_t>(threadIdx.x), static_cast<int64_t>(blockDim.x), shared);
}
template <class F>
int overRows(Stream& stream, int64_t rows, int64_t size, const F& f) {
  const unsigned lanes = size <= 64 ? 8 : size <= 256 ? 32 : kRowThreads, perBlock = kRowThreads / lanes;
  return launch<true>(stream, overRowsKernel<F>, dim3(static_cast<unsigned>((rows + perBlock - 1) / perBlock)), dim3(lanes, perBlock), rows, f);
}

/// Values of one row of a reduction, wherever they lie.
struct Reduced {
  const float* x;
  float* y;
  Walk<1> kept, dropped;
  int64_t count;
  int code;

  __device__ double start() const { return code == ASCRIBE_CUDA_MAXIMUM ? -INFINITY : code == ASCRIBE_CUDA_MINIMUM ? INFINITY : 0.0; }
  __device__ double add(double held, double value) const {
    return code == ASCRIBE_CUDA_MAXIMUM ? Larger{}(held, value) : code == ASCRIBE_CUDA_MINIMUM ? Smaller{}(held, value) : held + value;
  }
  /// Four at a time where the elements lie evenly: one at a time, a thread waits for memory with every element.
  __device__ double evenly(const float* from, int64_t stride, int64_t first, int64_t step) const {
    double held[4] = {start(), start(), start(), start()};
    int64_t i = first;
    for (; i + 3 * step < count; i += 4 * step) {
      float values[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) values[j] = from[(i + j * step) * stride];
#pragma unroll
      for (int j = 0; j < 4; ++j) held[j] = add(held[j], static_cast<double>(values[j]));
    }
    for (; i < count; i += step) held[0] = add(held[0], static_cast<double>(from[i * stride]));
    return add(add(held[0], held[1]), add(held[2], held[3]));
  }
  __device__ double part(int64_t row, int64_t first, int64_t step) const {
    int64_t base[1], at[1];
    kept.at(row, base);
    if (dropped.rank <= 1) return evenly(x + base[0], dropped.rank == 0 ? 0 : dropped.strides[0][0], first, step);
    double held = start();
    for (int64_t i = first; i < count; i += step) {
      dropped.at(i, at);
      held = add(held, static_cast<double>(x[base[0] + at[0]]));
    }
    return held;
  }
  __device__ void write(int64_t row, double value) const { y[row] = static_cast<float>(code == ASCRIBE_CUDA_MEAN ? value / static_cast<double>(count) : value); }
};
inline int reduceByRows(Stream& stream, int64_t rows, const Reduced& all) {
  return overRows(stream, rows, all.count, [=] __device__(int64_t row, bool valid, int64_t lane, int64_t lanes, double* shared) {
    const double part = valid ? all.part(row, lane, lanes) : 0;
    const double value = together(part, shared, [&](double a, double b) { return all.add(a, b); });
    if (valid && lane == 0) all.write(row, value);
  });
}
inline int reduceByThreads(Stream& stream, int64_t rows, const Reduced& all) {
  return overElements(stream, rows, [=] __device__(int64_t row) { all.write(row, all.part(row, 0, 1)); });
}
inline int runReduce(Stream& stream, const Call& call) {
  const Tensor& x = call.tensors[0];
  const int kept = static_cast<int>(call.integers[0]);
  const Reduced reduced{static_cast<const float*>(x.data), static_cast<float*>(call.tensors[1].data), Walk<1>(x.dims, kept, {x.strides}),
                        Walk<1>(x.dims + kept, x.rank - kept, {x.strides + kept}), countOf(x.dims + kept, x.rank - kept), call.code};
  const int64_t rows = countOf(x.dims, kept);
  // Neighbouring threads should read neighbouring elements: along the row where it lies together, else across rows.
  const bool lies = reduced.dropped.rank > 0 && reduced.dropped.strides[0][reduced.dropped.rank - 1] == 1;
  return (lies && reduced.count >= 8) || (rows < 8192 && reduced.count >= 64) ? reduceByRows(stream, rows, reduced) : reduceByThreads(stream, rows, reduced);
}

/// A row of softmax: its elements lie `inner` apart.
inline int runSoftmax(Stream& stream, const Call& call) {
  const auto* x = static_cast<const float*>(call.tensors[0].data);
  auto* y = static_cast<float*>(call.tensors[1].data);
  const int64_t size = call.integers[1], inner = call.integers[2];
  const bool logarithm = call.code != 0;
  return overRows(stream, call.integers[0] * inner, size, [=] __device__(int64_t row, bool valid, int64_t lane, int64_t lanes, double* shared) {
    const int64_t base = row / inner * size * inner + row % inner, mine = valid ? size : 0;
    double largest = -INFINITY, sum = 0;
    for (int64_t i = lane; i < mine; i += lanes) largest = Larger{}(largest, static_cast<double>(x[base + i * inner]));
    largest = together(largest, shared, Larger{});
    for (int64_t i = lane; i < mine; i += lanes) sum += static_cast<double>(expf(x[base + i * inner] - static_cast<float>(largest)));
    sum = together(sum, shared, Add{});
    const double shift = log(sum);
    for (int64_t i = lane; i < mine; i += lanes) {
      const float above = x[base + i * inner] - static_cast<float>(largest);
      y[base + i * inner] = static_cast<float>(logarithm ? static_cast<double>(above) - shift : static_cast<double>(expf(above)) / sum);
    }
  });
}
inline int runSoftmaxGradient(Stream& stream, const Call& call) {
  const auto *g = static_cast<const float*>(call.tensors[0].data), *y = static_cast<const float*>(call.tensors[1].data);
  auto* out = static_cast<float*>(call.tensors[2].data);
  const int64_t outer = call.integers[0], size = call.integers[1], inner = call.integers[2], rows = outer * inner;
  const bool logarithm = call.code != 0;
  return overRows(stream, call.integers[3] * rows, size, [=] __device__(int64_t row, bool valid, int64_t lane, int64_t lanes, double* shared) {
    const int64_t within = row % rows, from = within / inner * size * inner + within % inner, at = row / rows * rows * size + from;
    const int64_t mine = valid ? size : 0;
    double sum = 0;
    for (int64_t i = lane; i < mine; i += lanes) {
      const double here = static_cast<double>(g[at + i * inner]);
      sum += logarithm ? here : here * static_cast<double>(y[from + i * inner]);
    }
    sum = together(sum, shared, Add{});
    for (int64_t i = lane; i < mine; i += lanes) {
      const double here = static_cast<double>(g[at + i * inner]);
      const float value = y[from + i * inner];
      out[at + i * inner] = static_cast<float>(logarithm ? here - static_cast<double>(expf(value)) * sum : static_cast<double>(value) * (here - sum));
    }
  });
}

struct Moments {
  double mean, scale;
};
__device__ inline Moments momentsOf(const float* x, int64_t size, int64_t mine, bool centred, double epsilon, int64_t lane, int64_t lanes, double* shared) {
  double sum = 0, squares = 0;
  if (centred)
    for (int64_t i = lane; i < mine; i += lanes) sum += static_cast<double>(x[i]);
  const double mean = together(sum, shared, Add{}) / static_cast<double>(size);
  for (int64_t i = lane; i < mine; i += lanes) {
    const double away = static_cast<double>(x[i]) - mean;
    squares += away * away;
  }
  return {mean, 1 / sqrt(together(squares, shared, Add{}) / static_cast<double>(size) + epsilon)};
}
inline int runRowNorm(Stream& stream, const Call& call) {
  const auto *x = static_cast<const float*>(call.tensors[0].data), *gain = static_cast<const float*>(call.tensors[1].data);
  const auto* bias = static_cast<const float*>(call.tensors[2].data);
  auto* y = static_cast<float*>(call.tensors[3].data);
  const int64_t size = call.integers[1];
  const bool centred = call.code != 0;
  const double epsilon = static_cast<double>(call.reals[0]);
  return overRows(stream, call.integers[0], size, [=] __device__(int64_t row, bool valid, int64_t lane, int64_t lanes, double* shared) {
    const int64_t mine = valid ? size : 0;
    const float* from = x + row * size;
    const Moments m = momentsOf(from, size, mine, centred, epsilon, lane, lanes, shared);
    for (int64_t i = lane; i < mine; i += lanes) {
      double value = (static_cast<double>(from[i]) - m.mean) * m.scale;
      if (gain) value *= static_cast<double>(gain[i]);
      if (bias) value += static_cast<double>(bias[i]);
      y[row * size + i] = static_cast<float>(value);
    }
  });
}
/// With u = (x - mean) r: dx = r (g s - mean(g s) - u mean(g s u)); without the second term where nothing is centred.
inline int runRowNormGradient(Stream& stream, const Call& call) {
  const auto *g = static_cast<const float*>(call.tensors[0].data), *x = static_cast<const float*>(call.tensors[1].data);
  const auto* gain = static_cast<const float*>(call.tensors[2].data);
  auto* out = static_cast<float*>(call.tensors[3].data);
  const int64_t rows = call.integers[0], size = call.integers[1];
  const bool centred = call.code != 0;
  const double epsilon = static_cast<double>(call.reals[0]);
  return overRows(stream, rows * call.integers[2], size, [=] __device__(int64_t row, bool valid, int64_t lane, int64_t lanes, double* shared) {
    const int64_t mine = valid ? size : 0;
    const float *from = x + row % rows * size, *gradient = g + row * size;
    const Moments m = momentsOf(from, size, mine, centred, epsilon, lane, lanes, shared);
    const auto scaled = [&](int64_t i) { return static_cast<double>(gradient[i]) * (gain ? static_cast<double>(gain[i]) : 1.0); };
    double sum = 0, weighted = 0;
    for (int64_t i = lane; i < mine; i += lanes) {
      sum += scaled(i);
      weighted += scaled(i) * (static_cast<double>(from[i]) - m.mean) * m.scale;
    }
    sum = together(centred ? sum : 0.0, shared, Add{}) / static_cast<double>(size);
    weighted = together(weighted, shared, Add{}) / static_cast<double>(size);
    for (int64_t i = lane; i < mine; i += lanes)
      out[row * size + i] = static_cast<float>(m.scale * (scaled(i) - sum - (static_cast<double>(from[i]) - m.mean) * m.scale * weighted));
  });
}

inline int runBatchNorm(Stream& stream, const Call& call) {
  const auto* x = static_cast<const float*>(call.tensors[0].data);
  const float* factors[4];
  for (int i = 0; i < 4; ++i) factors[i] = static_cast<const float*>(call.tensors[1 + i].data);
  const float *scale = factors[0], *bias = factors[1], *mean = factors[2], *variance = factors[3];
  auto* y = static_cast<float*>(call.tensors[5].data);
  const int64_t channels = call.integers[1], plane = call.integers[2];
  const double epsilon = static_cast<double>(call.reals[0]);
  return overElements(stream, call.integers[0] * channels * plane, [=] __device__(int64_t i) {
    const int64_t c = i / plane % channels;
    const auto factor = static_cast<float>(static_cast<double>(scale[c]) / sqrt(static_cast<double>(variance[c]) + epsilon));
    y[i] = (x[i] - mean[c]) * factor + bias[c];
  });
}

}  // namespace ascribe::cuda
