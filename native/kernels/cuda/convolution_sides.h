#pragma once
#include "kernels/cuda/tile.h"
#include "kernels/cuda/window.h"

// Convolutions as products whose right side is never written down: [channels, depth] x [depth, batch * plane], a group
// at a time, the depth running over channels and taps.
namespace ascribe::cuda {

/// Which channel and tap a step of the depth is.
struct Depth {
  FastDivision taps, lastTwo, last;
  __host__ explicit Depth(const int* kernel) : taps(static_cast<int64_t>(kernel[0]) * kernel[1] * kernel[2]), lastTwo(static_cast<int64_t>(kernel[1]) * kernel[2]), last(kernel[2]) {}
  __device__ int channelOf(int k, int& tap) const {
    const uint32_t channel = taps.quotient(static_cast<uint32_t>(k));
    tap = k - static_cast<int>(channel * taps.divisor);
    return static_cast<int>(channel);
  }
  template <bool Flat>
  __device__ void axes(int tap, int (&at)[3]) const {
    at[0] = Flat ? 0 : static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(tap)));
    const int rest = Flat ? tap : tap - at[0] * static_cast<int>(lastTwo.divisor);
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
/// How a convolution's places are found: `Pointwise` needs none, `Flat` has no third spatial axis.
enum class Form { Pointwise, Flat, Deep };

/// The data under the window of each result.
template <Form F>
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
    if (F == Form::Pointwise) {
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
    if (F == Form::Pointwise) return c.plane[k * w.inPlane()];
    int tap, t[3];
    const int channel = depth.channelOf(k, tap);
    depth.axes<F == Form::Flat>(tap, t);
    const int y = c.first[1] + t[1] * w.dilation[1], z = c.first[2] + t[2] * w.dilation[2];
    bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(w.in[1]) && static_cast<unsigned>(z) < static_cast<unsigned>(w.in[2]);
    int row = channel;
    if (F == Form::Deep) {
      const int x = c.first[0] + t[0] * w.dilation[0];
      inside = inside && static_cast<unsigned>(x) < static_cast<unsigned>(w.in[0]);
      row = channel * w.in[0] + x;
    }
    return inside ? c.plane[(row * w.in[1] + y) * w.in[2] + z] : 0.0f;
  }
  using Stage = NoStage;
  __device__ Stage stage(const Column&, int) const { return {}; }
  __device__ float at(const Column& c, Stage, int k) const { return at(c, k); }
};
/// The same for both directions with the depth running over taps first and channels within: as long as a stage lies inside
/// one tap (kStageChannels divides the channels), its place is found once and each step is a plane further.
constexpr int kStageChannels = 16;
struct TapColumns {
  static constexpr bool kAlongDepth = false;
  struct Column {
    const float* plane;
    int first[3];
  };
  struct Stage {
    int from, offset;  // -1: outside
  };
  const float* data;
  int64_t perImage, perGroup;     // elements
  int size[3], scale[3], shift[3], step[3];  // the plane read; place of a column's tap 0: at * scale + shift; of the next: + step
  int plane;
  FastDivision planes, lastTwo, last, channels, tapsLastTwo, tapsLast;
  __device__ Column column(int z, int n) const {
    const auto image = static_cast<int64_t>(planes.quotient(static_cast<uint32_t>(n)));
    const int o = n - static_cast<int>(image) * static_cast<int>(planes.divisor);
    const int x = static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(o))), rest = o - x * static_cast<int>(lastTwo.divisor);
    const int y = static_cast<int>(last.quotient(static_cast<uint32_t>(rest))), c = rest - y * static_cast<int>(last.divisor);
    return {data + image * perImage + z * perGroup, {x * scale[0] + shift[0], y * scale[1] + shift[1], c * scale[2] + shift[2]}};
  }
  __device__ Stage stage(const Column& c, int from) const {
    const int tap = static_cast<int>(channels.quotient(static_cast<uint32_t>(from))), channel = from - tap * static_cast<int>(channels.divisor);
    const int a = static_cast<int>(tapsLastTwo.quotient(static_cast<uint32_t>(tap))), rest = tap - a * static_cast<int>(tapsLastTwo.divisor);
    const int b = static_cast<int>(tapsLast.quotient(static_cast<uint32_t>(rest)));
    const int x = c.first[0] + a * step[0], y = c.first[1] + b * step[1], z = c.first[2] + (rest - b * static_cast<int>(tapsLast.divisor)) * step[2];
    const bool inside = static_cast<unsigned>(x) < static_cast<unsigned>(size[0]) && static_cast<unsigned>(y) < static_cast<unsigned>(size[1]) && static_cast<unsigned>(z) < static_cast<unsigned>(size[2]);
    return {from, inside ? channel * plane + (x * size[1] + y) * size[2] + z : -1};
  }
  __device__ float at(const Column& c, const Stage& stage, int k) const { return stage.offset < 0 ? 0.0f : c.plane[stage.offset + (k - stage.from) * plane]; }
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

/// With a stride of s, each s-th element of the data along an axis takes part by the same taps: a phase. Within one, a
/// place and a tap give a result without a division, and no tap is tried in vain.
struct Phase {
  int first[3];  // the phase's first element of the data
  int size[3];   // its elements along each axis
  int tap[3];    // its first tap; the next is a stride further
  int taps[3];   // how many there are
  int result[3]; // the result that its first element meets by its first tap
  int64_t count() const { return static_cast<int64_t>(size[0]) * size[1] * size[2]; }

  Phase(const Window& w, const int (&at)[3]) {
    for (int a = 0; a < 3; ++a) {
      first[a] = at[a];
      size[a] = at[a] < w.in[a] ? (w.in[a] - at[a] + w.stride[a] - 1) / w.stride[a] : 0;
      // Padding may be negative.
      tap[a] = ((at[a] + w.pad[a]) % w.stride[a] + w.stride[a]) % w.stride[a];
      taps[a] = tap[a] < w.kernel[a] ? (w.kernel[a] - tap[a] + w.stride[a] - 1) / w.stride[a] : 0;
      result[a] = (at[a] + w.pad[a] - tap[a]) / w.stride[a];
    }
  }
};

/// Weights for the adjoint: [data channels of the group, result channels and taps].
struct AdjointRows {
  static constexpr bool kAlongDepth = true;
  using Row = const float*;
  const float* data;
  Window w;
  Phase phase;
  Depth depth;
  __device__ int64_t inPerGroup() const { return w.inChannels / w.groups; }
  __device__ Row row(int z, int m) const { return data + (z * (w.outChannels / w.groups) * inPerGroup() + m) * w.taps(); }
  __device__ float at(Row row, int k) const {
    int index, t[3];
    const int channel = depth.channelOf(k, index);
    depth.axes<false>(index, t);
    for (int a = 0; a < 3; ++a) t[a] = phase.tap[a] + t[a] * w.stride[a];
    return row[channel * inPerGroup() * w.taps() + (t[0] * w.kernel[1] + t[1]) * w.kernel[2] + t[2]];
  }
};
/// The gradients of the results that each element of the phase takes part in.
template <Form F>
struct GradientColumns {
  static constexpr bool kAlongDepth = false;
  struct Column {
    const float* plane;
    int result[3];  // by the first tap
  };
  const float* data;
  Window w;
  Phase phase;
  Depth depth;
  FastDivision planes, lastTwo, last;
  __device__ Column column(int z, int n) const {
    const auto image = static_cast<int64_t>(planes.quotient(static_cast<uint32_t>(n)));
    const int i = n - static_cast<int>(image) * static_cast<int>(planes.divisor);
    Column c;
    c.plane = data + (image * w.outChannels + z * (w.outChannels / w.groups)) * w.outPlane();
    if (F == Form::Pointwise) {
      c.plane += i;
      return c;
    }
    const int x = static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(i))), rest = i - x * static_cast<int>(lastTwo.divisor);
    const int y = static_cast<int>(last.quotient(static_cast<uint32_t>(rest)));
    c.result[0] = phase.result[0] + x;
    c.result[1] = phase.result[1] + y;
    c.result[2] = phase.result[2] + rest - y * static_cast<int>(last.divisor);
    return c;
  }
  __device__ float at(const Column& c, int k) const {
    if (F == Form::Pointwise) return c.plane[k * w.outPlane()];
    int tap, t[3];
    const int channel = depth.channelOf(k, tap);
    depth.axes<F == Form::Flat>(tap, t);
    // A stride and a dilation never meet here, so that a step of taps is one result, or with stride 1 a dilation.
    const int y = c.result[1] - t[1] * w.dilation[1], z = c.result[2] - t[2] * w.dilation[2];
    bool inside = static_cast<unsigned>(y) < static_cast<unsigned>(w.out[1]) && static_cast<unsigned>(z) < static_cast<unsigned>(w.out[2]);
    int row = channel;
    if (F == Form::Deep) {
      const int x = c.result[0] - t[0] * w.dilation[0];
      inside = inside && static_cast<unsigned>(x) < static_cast<unsigned>(w.out[0]);
      row = channel * w.out[0] + x;
    }
    return inside ? c.plane[(row * w.out[1] + y) * w.out[2] + z] : 0.0f;
  }
  using Stage = NoStage;
  __device__ Stage stage(const Column&, int) const { return {}; }
  __device__ float at(const Column& c, Stage, int k) const { return at(c, k); }
};
/// Results of one phase, each a stride from the next.
struct PhaseResults {
  using Column = MapResults::Column;
  MapResults maps;
  Window w;
  Phase phase;
  FastDivision planes, lastTwo, last;
  __device__ Column column(int z, int n) const {
    const auto image = static_cast<int64_t>(planes.quotient(static_cast<uint32_t>(n)));
    const int i = n - static_cast<int>(image) * static_cast<int>(planes.divisor);
    const int x = static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(i))), rest = i - x * static_cast<int>(lastTwo.divisor);
    const int y = static_cast<int>(last.quotient(static_cast<uint32_t>(rest))), c = rest - y * static_cast<int>(last.divisor);
    const int64_t place = (static_cast<int64_t>(phase.first[0] + x * w.stride[0]) * w.in[1] + phase.first[1] + y * w.stride[1]) * w.in[2] + phase.first[2] + c * w.stride[2];
    return {(image * maps.channels + z * maps.perGroup) * maps.plane + place, z * maps.perGroup};
  }
  __device__ void write(const Column& c, int m, float value) const { maps.write(c, m, value); }
};

}  // namespace ascribe::cuda
