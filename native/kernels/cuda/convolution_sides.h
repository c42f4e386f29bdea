#pragma once
#include "kernels/cuda/product.h"
#include "kernels/cuda/window.h"

// Convolutions as products whose right side is never written down: [channels, depth] x [depth, batch * plane], a group
// at a time, the depth running over channels and taps.
namespace ascribe::cuda {

/// Planes as they lie: what a pointwise convolution reads.
struct PlaneSide {
  static constexpr bool kAlongDepth = false;
  template <int Places, int Threads>
  using Fetch = EvenFetch<PlaneSide, Places, Threads>;
  const float* data;
  int64_t perImage, perGroup, step;  // elements; of one plane
  FastDivision planes;
  bool vector;
  PlaneSide(const float* from, int64_t channels, int64_t groups, int64_t plane)
      : data(from), perImage(channels * plane), perGroup(channels / groups * plane), step(plane), planes(plane), vector(isAligned(from) && plane % 4 == 0) {}
  __device__ const float* at(int z, int n) const {
    const auto image = static_cast<int64_t>(planes.quotient(static_cast<uint32_t>(n)));
    return data + image * perImage + z * perGroup + n - image * static_cast<int64_t>(planes.divisor);
  }
};

/// Channels of a tap, whole runs of steps of the depth.
template <int Run>
int64_t runsOf(int64_t channels) {
  return (channels + Run - 1) / Run * Run;
}

/// What lies under the window of each place, for both directions. The depth runs over taps first and channels within, in
/// runs that lie inside one tap: its place is found once a run, and each step is a plane further. Where the channels of a
/// tap are no whole runs, zeros fill them up.
template <int Run>
struct WindowSide {
  static constexpr bool kAlongDepth = false;
  static constexpr int kRun = Run;
  template <int Places, int Threads>
  using Fetch = FoundFetch<WindowSide, Places, Threads>;
  struct Column {
    const float* plane;  // of the group's first channel
    int first[3];        // place of tap 0
  };
  struct Stage {
    int offset, left;  // of the run's first element; how many there are
  };
  const float* data;
  int64_t perImage, perGroup;                // elements
  int size[3], scale[3], shift[3], step[3];  // the plane read; place of a column's tap 0: at * scale + shift; of the next: + step
  int plane;
  int channels;  // of a group
  FastDivision planes, lastTwo, last, inner, tapsLastTwo, tapsLast;
  /// `places` and `taps`: how many along each axis.
  WindowSide(const float* from, int64_t allChannels, int64_t groups, const int (&sizeOf)[3], const int (&places)[3], const int (&taps)[3])
      : data(from), plane(sizeOf[0] * sizeOf[1] * sizeOf[2]), channels(static_cast<int>(allChannels / groups)), planes(static_cast<int64_t>(places[0]) * places[1] * places[2]), lastTwo(static_cast<int64_t>(places[1]) * places[2]), last(places[2]),
        inner(runsOf<Run>(channels)), tapsLastTwo(static_cast<int64_t>(taps[1]) * taps[2]), tapsLast(taps[2]) {
    perImage = allChannels * plane;
    perGroup = allChannels / groups * plane;
    for (int a = 0; a < 3; ++a) size[a] = sizeOf[a];
  }
  __device__ Column column(int z, int n) const {
    const auto image = static_cast<int64_t>(planes.quotient(static_cast<uint32_t>(n)));
    const int o = n - static_cast<int>(image) * static_cast<int>(planes.divisor);
    const int x = static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(o))), rest = o - x * static_cast<int>(lastTwo.divisor);
    const int y = static_cast<int>(last.quotient(static_cast<uint32_t>(rest))), c = rest - y * static_cast<int>(last.divisor);
    return {data + image * perImage + z * perGroup, {x * scale[0] + shift[0], y * scale[1] + shift[1], c * scale[2] + shift[2]}};
  }
  /// In the plane, or -1.
  __device__ int placeOf(const Column& c, int tap) const {
    const int a = static_cast<int>(tapsLastTwo.quotient(static_cast<uint32_t>(tap))), rest = tap - a * static_cast<int>(tapsLastTwo.divisor);
    const int b = static_cast<int>(tapsLast.quotient(static_cast<uint32_t>(rest)));
    const int x = c.first[0] + a * step[0], y = c.first[1] + b * step[1], z = c.first[2] + (rest - b * static_cast<int>(tapsLast.divisor)) * step[2];
    const bool inside = static_cast<unsigned>(x) < static_cast<unsigned>(size[0]) && static_cast<unsigned>(y) < static_cast<unsigned>(size[1]) && static_cast<unsigned>(z) < static_cast<unsigned>(size[2]);
    return inside ? (x * size[1] + y) * size[2] + z : -1;
  }
  __device__ Stage stage(const Column& c, int from) const {
    const int tap = static_cast<int>(inner.quotient(static_cast<uint32_t>(from))), channel = from - tap * static_cast<int>(inner.divisor), place = placeOf(c, tap);
    return {channel * plane + place, place < 0 ? 0 : channels - channel};
  }
  __device__ const float* at(const Column& c, const Stage& stage, int step) const { return step < stage.left ? c.plane + stage.offset + step * plane : nullptr; }
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
  int activation = ASCRIBE_CUDA_NO_ACTIVATION;
  float alpha = 0, beta = 0;
  bool vector;
  /// Of a phase: its places are a stride apart.
  bool apart = false;
  FastDivision lastTwo, last;
  int first[3], stride[3], size[3];

  MapResults(float* to, const float* biasOf, const float* residualOf, int64_t channelsOf, int64_t groups, int64_t planeOf)
      : data(to), bias(biasOf), residual(residualOf), channels(channelsOf), perGroup(channelsOf / groups), plane(planeOf), planes(planeOf),
        vector(planeOf % 4 == 0 && isAligned(to) && isAligned(residualOf)) {}
  /// The same results where they are those of one phase.
  MapResults of(const Window& w, const Phase& phase) const {
    MapResults out = *this;
    if (phase.count() == plane) return out;
    out.planes = FastDivision(phase.count());
    out.lastTwo = FastDivision(static_cast<int64_t>(phase.size[1]) * phase.size[2]);
    out.last = FastDivision(phase.size[2]);
    out.vector = false;
    out.apart = true;
    for (int a = 0; a < 3; ++a) out.first[a] = phase.first[a], out.stride[a] = w.stride[a], out.size[a] = w.in[a];
    return out;
  }
  __device__ Column column(int z, int n) const {
    const auto image = static_cast<int64_t>(planes.quotient(static_cast<uint32_t>(n)));
    int place = n - static_cast<int>(image) * static_cast<int>(planes.divisor);
    if (apart) {
      const int x = static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(place))), rest = place - x * static_cast<int>(lastTwo.divisor);
      const int y = static_cast<int>(last.quotient(static_cast<uint32_t>(rest))), c = rest - y * static_cast<int>(last.divisor);
      place = ((first[0] + x * stride[0]) * size[1] + first[1] + y * stride[1]) * size[2] + first[2] + c * stride[2];
    }
    return {(image * channels + z * perGroup) * plane + place, z * perGroup};
  }
  __device__ float activated(float value) const {
    switch (activation) {
      case ASCRIBE_CUDA_WITH_RELU: return value <= 0 ? 0.0f : value;
      case ASCRIBE_CUDA_WITH_CLIP:
        if (value <= alpha) value = alpha;
        return value >= beta ? beta : value;
      case ASCRIBE_CUDA_WITH_LEAKY_RELU: return value > 0 ? value : value * alpha;
      default: return value;
    }
  }
  __device__ float finished(int64_t at, int64_t channel, float value) const {
    if (bias) value += bias[channel];
    if (residual) value += residual[at];
    return activated(value);
  }
  __device__ void write(const Column& c, int m, float value) const {
    const int64_t at = c.at + m * plane;
    data[at] = finished(at, c.channel + m, value);
  }
  __device__ void writeFour(const Column& c, int m, float4 values) const {
    const int64_t at = c.at + m * plane;
    const float shift = bias ? bias[c.channel + m] : 0.0f;
    float4 out{values.x + shift, values.y + shift, values.z + shift, values.w + shift};
    if (residual) {
      const float4 more = *reinterpret_cast<const float4*>(residual + at);
      out = float4{out.x + more.x, out.y + more.y, out.z + more.z, out.w + more.w};
    }
    *reinterpret_cast<float4*>(data + at) = float4{activated(out.x), activated(out.y), activated(out.z), activated(out.w)};
  }
};

}  // namespace ascribe::cuda
