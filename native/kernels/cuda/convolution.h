#pragma once
#include "kernels/cuda/tile.h"
#include "kernels/cuda/window.h"

// Convolutions as products whose right side is never written down: [channels, depth] x [depth, batch * plane], a group
// at a time, the depth running over channels and taps.
namespace ascribe::cuda {

/// Which channel and tap a step of the depth is.
struct Depth {
  FastDivision taps, lastTwo, last;
  __host__ explicit Depth(const Window& w) : taps(w.taps()), lastTwo(static_cast<int64_t>(w.kernel[1]) * w.kernel[2]), last(w.kernel[2]) {}
  __device__ int channelOf(int k, int& tap) const {
    const uint32_t channel = taps.quotient(static_cast<uint32_t>(k));
    tap = k - static_cast<int>(channel * taps.divisor);
    return static_cast<int>(channel);
  }
  __device__ void axes(int tap, int (&at)[3]) const {
    at[0] = static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(tap)));
    const int rest = tap - at[0] * static_cast<int>(lastTwo.divisor);
    at[1] = static_cast<int>(last.quotient(static_cast<uint32_t>(rest)));
    at[2] = rest - at[1] * static_cast<int>(last.divisor);
  }
};

/// Weights as they lie: [result channels of the group, depth].
struct WeightRows {
  static constexpr bool kAlongDepth = true;
  using Row = const float*;
  const float* data;
  int64_t depth, perGroup;
  __device__ Row row(int z, int m) const { return data + (z * perGroup + m) * depth; }
  __device__ float at(Row row, int k) const { return row[k]; }
};
/// The data under the window of each result.
template <bool Pointwise>
struct DataColumns {
  static constexpr bool kAlongDepth = false;
  struct Column {
    const float* plane;  // of the group's first channel
    int first[3];        // data place of tap 0
  };
  const float* data;
  Window w;
  Depth depth;
  FastDivision planes, lastTwo, last;
  __device__ Column column(int z, int n) const {
    const auto image = static_cast<int64_t>(planes.quotient(static_cast<uint32_t>(n)));
    const int o = n - static_cast<int>(image) * static_cast<int>(planes.divisor);
    Column c;
    c.plane = data + (image * w.inChannels + z * (w.inChannels / w.groups)) * w.inPlane();
    if (Pointwise) {
      c.plane += o;
      return c;
    }
    const int x = static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(o))), rest = o - x * static_cast<int>(lastTwo.divisor);
    const int y = static_cast<int>(last.quotient(static_cast<uint32_t>(rest)));
    c.first[0] = x * w.stride[0] - w.pad[0];
    c.first[1] = y * w.stride[1] - w.pad[1];
    c.first[2] = (rest - y * static_cast<int>(last.divisor)) * w.stride[2] - w.pad[2];
    return c;
  }
  __device__ float at(const Column& c, int k) const {
    if (Pointwise) return c.plane[k * w.inPlane()];
    int tap, t[3];
    const int channel = depth.channelOf(k, tap);
    depth.axes(tap, t);
    const int x = c.first[0] + t[0] * w.dilation[0], y = c.first[1] + t[1] * w.dilation[1], s = c.first[2] + t[2] * w.dilation[2];
    const bool inside = static_cast<unsigned>(x) < static_cast<unsigned>(w.in[0]) && static_cast<unsigned>(y) < static_cast<unsigned>(w.in[1]) && static_cast<unsigned>(s) < static_cast<unsigned>(w.in[2]);
    return inside ? c.plane[channel * w.inPlane() + (static_cast<int64_t>(x) * w.in[1] + y) * w.in[2] + s] : 0.0f;
  }
};
/// Bias, residual, activation; then into [batch, channels, plane].
struct MapResults {
  struct Column {
    int64_t at;
    int64_t channel;
  };
  float* data;
  const float *bias, *residual;
  int64_t channels, perGroup, plane;
  FastDivision planes;
  int activation;
  float alpha, beta;
  __device__ Column column(int z, int n) const {
    const auto image = static_cast<int64_t>(planes.quotient(static_cast<uint32_t>(n)));
    return {(image * channels + z * perGroup) * plane + n - image * static_cast<int64_t>(planes.divisor), z * perGroup};
  }
  __device__ float finished(int64_t at, int64_t channel, float value) const {
    if (bias) value += bias[channel];
    if (residual) value += residual[at];
    switch (activation) {
      case ASCRIBE_CUDA_WITH_RELU: return value <= 0 ? 0.0f : value;
      case ASCRIBE_CUDA_WITH_CLIP:
        if (value <= alpha) value = alpha;
        return value >= beta ? beta : value;
      case ASCRIBE_CUDA_WITH_LEAKY_RELU: return value > 0 ? value : value * alpha;
      default: return value;
    }
  }
  __device__ void write(const Column& c, int m, float value) const {
    const int64_t at = c.at + m * plane;
    data[at] = finished(at, c.channel + m, value);
  }
};

/// Weights for the adjoint: [data channels of the group, result channels and taps].
struct AdjointRows {
  static constexpr bool kAlongDepth = true;
  using Row = const float*;
  const float* data;
  int64_t taps, inPerGroup, outPerGroup;
  Depth depth;
  __device__ Row row(int z, int m) const { return data + (z * outPerGroup * inPerGroup + m) * taps; }
  __device__ float at(Row row, int k) const {
    int tap;
    const int channel = depth.channelOf(k, tap);
    return row[channel * inPerGroup * taps + tap];
  }
};
/// The gradients of the results that each element of the data takes part in.
template <bool Pointwise>
struct GradientColumns {
  static constexpr bool kAlongDepth = false;
  struct Column {
    const float* plane;
    int position[3];
  };
  const float* data;
  Window w;
  Depth depth;
  FastDivision planes, lastTwo, last;
  __device__ Column column(int z, int n) const {
    const auto image = static_cast<int64_t>(planes.quotient(static_cast<uint32_t>(n)));
    const int i = n - static_cast<int>(image) * static_cast<int>(planes.divisor);
    Column c;
    c.plane = data + (image * w.outChannels + z * (w.outChannels / w.groups)) * w.outPlane();
    if (Pointwise) {
      c.plane += i;
      return c;
    }
    c.position[0] = static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(i)));
    const int rest = i - c.position[0] * static_cast<int>(lastTwo.divisor);
    c.position[1] = static_cast<int>(last.quotient(static_cast<uint32_t>(rest)));
    c.position[2] = rest - c.position[1] * static_cast<int>(last.divisor);
    return c;
  }
  __device__ float at(const Column& c, int k) const {
    if (Pointwise) return c.plane[k * w.outPlane()];
    int tap, t[3], o[3];
    const int channel = depth.channelOf(k, tap);
    depth.axes(tap, t);
    for (int a = 0; a < 3; ++a) {
      o[a] = resultOf(c.position[a], t[a], w.pad[a], w.dilation[a], w.stride[a], w.out[a]);
      if (o[a] < 0) return 0.0f;
    }
    return c.plane[channel * w.outPlane() + (static_cast<int64_t>(o[0]) * w.out[1] + o[1]) * w.out[2] + o[2]];
  }
};

inline bool isDepthwise(const Window& w) { return w.groups > 1 && w.groups == w.inChannels && w.groups == w.outChannels; }

inline MapResults mapsOf(const Call& call, const Tensor& result, int64_t channels, int64_t groups, int64_t plane) {
  return {static_cast<float*>(result.data), static_cast<const float*>(call.tensors[2].data), nullptr, channels, channels / groups, plane, FastDivision(plane), 0, 0, 0};
}

/// x, w, bias?, residual?, y
inline int runConvolution(Stream& stream, const Call& call) {
  const Window w(call.integers);
  const auto *x = static_cast<const float*>(call.tensors[0].data), *weights = static_cast<const float*>(call.tensors[1].data);
  const int64_t outPlane = w.outPlane(), inPlane = w.inPlane(), inPerGroup = w.inChannels / w.groups;
  MapResults results = mapsOf(call, call.tensors[4], w.outChannels, w.groups, outPlane);
  results.residual = static_cast<const float*>(call.tensors[3].data);
  results.activation = call.code;
  results.alpha = call.reals[0];
  results.beta = call.reals[1];
  if (isDepthwise(w)) {
    return overElements(stream, w.batch * w.outChannels * outPlane, [=] __device__(int64_t i) {
      const int64_t plane = i / outPlane, channel = plane % w.outChannels;
      const float *from = x + plane * inPlane, *taps = weights + channel * w.taps();
      float sum = 0;
      overTaps(w, Place(i % outPlane, w.out), [&](int tap, int64_t at) { sum += taps[tap] * from[at]; });
      results.data[i] = results.finished(i, channel, sum);
    });
  }
  const int64_t depth = inPerGroup * w.taps(), columns = w.batch * outPlane;
  const WeightRows left{weights, depth, w.outChannels / w.groups};
  const FastDivision planes(outPlane), lastTwo(static_cast<int64_t>(w.out[1]) * w.out[2]), last(w.out[2]);
  if (w.pointwise()) return runTiles(stream, w.groups, w.outChannels / w.groups, columns, depth, left, DataColumns<true>{x, w, Depth(w), planes, lastTwo, last}, results);
  return runTiles(stream, w.groups, w.outChannels / w.groups, columns, depth, left, DataColumns<false>{x, w, Depth(w), planes, lastTwo, last}, results);
}

/// g, w, bias?, dx
inline int runConvolutionData(Stream& stream, const Call& call) {
  const Window w(call.integers);
  const auto *g = static_cast<const float*>(call.tensors[0].data), *weights = static_cast<const float*>(call.tensors[1].data);
  const int64_t outPlane = w.outPlane(), inPlane = w.inPlane(), inPerGroup = w.inChannels / w.groups, outPerGroup = w.outChannels / w.groups;
  const MapResults results = mapsOf(call, call.tensors[3], w.inChannels, w.groups, inPlane);
  if (isDepthwise(w)) {
    return overElements(stream, w.batch * w.inChannels * inPlane, [=] __device__(int64_t i) {
      const int64_t plane = i / inPlane, channel = plane % w.inChannels;
      const float *from = g + plane * outPlane, *taps = weights + channel * w.taps();
      float sum = 0;
      overResults(w, Place(i % inPlane, w.in), [&](int tap, int64_t at) { sum += taps[tap] * from[at]; });
      results.data[i] = results.finished(i, channel, sum);
    });
  }
  const AdjointRows left{weights, w.taps(), inPerGroup, outPerGroup, Depth(w)};
  const FastDivision planes(inPlane), lastTwo(static_cast<int64_t>(w.in[1]) * w.in[2]), last(w.in[2]);
  const int64_t depth = outPerGroup * w.taps(), columns = w.batch * inPlane;
  if (w.pointwise()) return runTiles(stream, w.groups, inPerGroup, columns, depth, left, GradientColumns<true>{g, w, Depth(w), planes, lastTwo, last}, results);
  return runTiles(stream, w.groups, inPerGroup, columns, depth, left, GradientColumns<false>{g, w, Depth(w), planes, lastTwo, last}, results);
}

}  // namespace ascribe::cuda
