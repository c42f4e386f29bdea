#pragma once
#include "kernels/cuda/convolution_sides.h"

// How each convolution is run: as tiles, by phases, by patches, or an element at a time.
namespace ascribe::cuda {

inline bool isFlat(const Window& w) { return w.kernel[0] == 1 && w.in[0] == 1 && w.out[0] == 1 && w.stride[0] == 1 && w.pad[0] == 0; }
inline bool isDepthwise(const Window& w) { return w.groups > 1 && w.groups == w.inChannels && w.groups == w.outChannels; }

inline MapResults mapsOf(const Call& call, const Tensor& result, int64_t channels, int64_t groups, int64_t plane) {
  return {static_cast<float*>(result.data), static_cast<const float*>(call.tensors[2].data), nullptr, channels, channels / groups, plane, FastDivision(plane), 0, 0, 0};
}

/// Weights in the order of taps, then channels: worth their writing where many places read them.
inline uint64_t packedBytes(const Window& w) {
  const int64_t inPerGroup = w.inChannels / w.groups;
  if (isDepthwise(w) || w.pointwise() || w.taps() == 1 || inPerGroup % kStageChannels != 0 || w.batch * w.outPlane() < 512) return 0;
  return static_cast<uint64_t>(w.outChannels * inPerGroup * w.taps()) * 4;
}
/// The last bytes of a call's scratch.
inline float* behind(const Call& call, uint64_t bytes) { return reinterpret_cast<float*>(static_cast<char*>(call.scratch) + (call.scratch_bytes - bytes)); }

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
  const auto with = [&](const auto& right) { return runTiles(stream, w.groups, w.outChannels / w.groups, columns, depth, left, right, results, call.scratch, call.scratch_bytes); };
  if (w.pointwise()) return with(DataColumns<Form::Pointwise>{x, w, Depth(w.kernel), planes, lastTwo, last});
  if (const uint64_t bytes = packedBytes(w)) {
    float* packed = behind(call, bytes);
    const int64_t taps = w.taps();
    if (const int status = overElements(stream, static_cast<int64_t>(bytes / 4), [=] __device__(int64_t i) {
          const int64_t c = i % inPerGroup, t = i / inPerGroup % taps, m = i / inPerGroup / taps;
          packed[i] = weights[(m * inPerGroup + c) * taps + t];
        }))
      return status;
    TapColumns right{x, w.inChannels * inPlane, inPerGroup * inPlane};
    for (int a = 0; a < 3; ++a) {
      right.size[a] = w.in[a];
      right.scale[a] = w.stride[a];
      right.shift[a] = -w.pad[a];
      right.step[a] = w.dilation[a];
    }
    right.plane = static_cast<int>(inPlane);
    right.planes = planes, right.lastTwo = lastTwo, right.last = last;
    right.channels = FastDivision(inPerGroup), right.tapsLastTwo = FastDivision(static_cast<int64_t>(w.kernel[1]) * w.kernel[2]), right.tapsLast = FastDivision(w.kernel[2]);
    return runTiles(stream, w.groups, w.outChannels / w.groups, columns, depth, WeightRows{packed, depth, w.outChannels / w.groups}, right, results, call.scratch, call.scratch_bytes - bytes);
  }
  if (isFlat(w)) return with(DataColumns<Form::Flat>{x, w, Depth(w.kernel), planes, lastTwo, last});
  return with(DataColumns<Form::Deep>{x, w, Depth(w.kernel), planes, lastTwo, last});
}
inline uint64_t convolutionScratch(const Call& call) {
  const Window w(call.integers);
  if (isDepthwise(w)) return 0;
  const int64_t rows = w.outChannels / w.groups, columns = w.batch * w.outPlane();
  return Cut(w.groups, rows, columns, w.inChannels / w.groups * w.taps()).scratchBytes(w.groups, rows, columns) + packedBytes(w);
}

/// A few channels of data (a picture's) would leave most rows of a tile empty: a thread takes one place and all of them.
constexpr int kFewChannels = 4;
inline int runFewChannels(Stream& stream, const Window& w, const Phase& phase, const float* g, const float* weights, const MapResults& results) {
  const int64_t count = phase.count(), inPlane = w.inPlane(), outPlane = w.outPlane();
  const int channels = static_cast<int>(w.inChannels), maps = static_cast<int>(w.outChannels), taps = w.taps();
  return overElements(stream, w.batch * count, [=] __device__(int64_t i) {
    const int64_t image = i / count;
    const Place at(i % count, phase.size);
    float sums[kFewChannels] = {};
    const float* plane = g + image * maps * outPlane;
    for (int m = 0; m < maps; ++m, plane += outPlane)
      for (int a = 0; a < phase.taps[0]; ++a) {
        const int x = phase.result[0] + at.at[0] - a * w.dilation[0];
        if (static_cast<unsigned>(x) >= static_cast<unsigned>(w.out[0])) continue;
        for (int b = 0; b < phase.taps[1]; ++b) {
          const int y = phase.result[1] + at.at[1] - b * w.dilation[1];
          if (static_cast<unsigned>(y) >= static_cast<unsigned>(w.out[1])) continue;
          const int row = (x * w.out[1] + y) * w.out[2];
          const float* tap = weights + static_cast<int64_t>(m) * channels * taps + ((phase.tap[0] + a * w.stride[0]) * w.kernel[1] + phase.tap[1] + b * w.stride[1]) * w.kernel[2] + phase.tap[2];
          for (int c = 0; c < phase.taps[2]; ++c, tap += w.stride[2]) {
            const int z = phase.result[2] + at.at[2] - c * w.dilation[2];
            if (static_cast<unsigned>(z) >= static_cast<unsigned>(w.out[2])) continue;
            const float gradient = plane[row + z];
#pragma unroll
            for (int k = 0; k < kFewChannels; ++k)
              if (k < channels) sums[k] += gradient * tap[k * taps];
          }
        }
      }
    const int64_t place = (static_cast<int64_t>(phase.first[0] + at.at[0] * w.stride[0]) * w.in[1] + phase.first[1] + at.at[1] * w.stride[1]) * w.in[2] + phase.first[2] + at.at[2] * w.stride[2];
#pragma unroll
    for (int k = 0; k < kFewChannels; ++k)
      if (k < channels) results.write({image * channels * inPlane + place, 0}, k, sums[k]);
  });
}

/// Weights of a pointwise convolution as they lie, a row for each channel of the data.
struct PointwiseAdjointRows {
  static constexpr bool kAlongDepth = false;
  using Row = const float*;
  const float* data;
  int64_t inPerGroup, perGroup;  // channels, elements
  __device__ Row row(int z, int m) const { return data + z * perGroup + m; }
  __device__ float at(Row row, int k) const { return row[k * inPerGroup]; }
};

/// Windows that do not overlap (the patches of a transformer, a 1x1 with a stride): each result sends back to elements of
/// its own, so that one product gives them all, [channels and taps, results].
struct PatchResults {
  struct Column {
    int64_t image;
    int first[3];
  };
  float* data;
  Window w;
  FastDivision planes, lastTwo, last, taps, tapsLastTwo, tapsLast;
  __device__ Column column(int, int n) const {
    const auto image = static_cast<int64_t>(planes.quotient(static_cast<uint32_t>(n)));
    const int o = n - static_cast<int>(image) * static_cast<int>(planes.divisor);
    const int x = static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(o))), rest = o - x * static_cast<int>(lastTwo.divisor);
    const int y = static_cast<int>(last.quotient(static_cast<uint32_t>(rest))), z = rest - y * static_cast<int>(last.divisor);
    return {image, {x * w.stride[0] - w.pad[0], y * w.stride[1] - w.pad[1], z * w.stride[2] - w.pad[2]}};
  }
  __device__ void write(const Column& c, int m, float value) const {
    const int channel = static_cast<int>(taps.quotient(static_cast<uint32_t>(m))), tap = m - channel * static_cast<int>(taps.divisor);
    const int a = static_cast<int>(tapsLastTwo.quotient(static_cast<uint32_t>(tap))), rest = tap - a * static_cast<int>(tapsLastTwo.divisor);
    const int b = static_cast<int>(tapsLast.quotient(static_cast<uint32_t>(rest)));
    const int x = c.first[0] + a, y = c.first[1] + b, z = c.first[2] + rest - b * static_cast<int>(tapsLast.divisor);
    if (x < 0 || y < 0 || z < 0 || x >= w.in[0] || y >= w.in[1] || z >= w.in[2]) return;
    data[(c.image * w.inChannels + channel) * w.inPlane() + (static_cast<int64_t>(x) * w.in[1] + y) * w.in[2] + z] = value;
  }
};
inline bool isPatches(const Window& w, bool biased) {
  bool apart = w.groups == 1 && !biased, strided = false;
  for (int a = 0; a < 3; ++a) {
    apart = apart && w.kernel[a] <= w.stride[a] && w.dilation[a] == 1;
    strided = strided || w.stride[a] > 1;
  }
  return apart && strided;
}
inline int runPatches(Stream& stream, const Window& w, const float* g, const float* weights, float* dx, void* scratch, uint64_t bytes) {
  const int64_t rows = w.inChannels * w.taps(), columns = w.batch * w.outPlane();
  // What no window covers gets nothing.
  if (const int status = overElements(stream, w.batch * w.inChannels * w.inPlane(), [=] __device__(int64_t i) { dx[i] = 0; })) return status;
  const FastDivision planes(w.outPlane()), lastTwo(static_cast<int64_t>(w.out[1]) * w.out[2]), last(w.out[2]);
  const int whole[3] = {0, 0, 0};
  const GradientColumns<Form::Pointwise> right{g, w, Phase(w, whole), Depth(w.kernel), planes, lastTwo, last};
  const PatchResults results{dx, w, planes, lastTwo, last, FastDivision(w.taps()), FastDivision(static_cast<int64_t>(w.kernel[1]) * w.kernel[2]), FastDivision(w.kernel[2])};
  return runTiles(stream, 1, rows, columns, w.outChannels, PointwiseAdjointRows{weights, rows, 0}, right, results, scratch, bytes);
}

template <class F>
int overPhases(const Window& w, F&& f) {
  int at[3];
  for (at[0] = 0; at[0] < w.stride[0]; ++at[0])
    for (at[1] = 0; at[1] < w.stride[1]; ++at[1])
      for (at[2] = 0; at[2] < w.stride[2]; ++at[2]) {
        const Phase phase(w, at);
        if (phase.count() == 0) continue;
        if (const int status = f(phase)) return status;
      }
  return ASCRIBE_OK;
}
/// A stride beside a dilation: taps of a phase are no even steps. So many phases that each would be a few elements, too.
inline bool isDirect(const Window& w) {
  int phases = 1;
  bool mixed = false;
  for (int a = 0; a < 3; ++a) {
    mixed = mixed || (w.stride[a] > 1 && w.dilation[a] > 1);
    phases *= w.stride[a] < 64 ? w.stride[a] : 64;
  }
  return isDepthwise(w) || mixed || phases > 64;
}
/// Weights of a phase, for each channel of the data in the order of taps, then channels of the result.
inline uint64_t adjointBytes(const Window& w, const Phase& phase) {
  const int64_t outPerGroup = w.outChannels / w.groups, taps = static_cast<int64_t>(phase.taps[0]) * phase.taps[1] * phase.taps[2];
  return w.pointwise() || taps == 0 || outPerGroup % kStageChannels != 0 ? 0 : static_cast<uint64_t>(w.inChannels * outPerGroup * taps) * 4;
}
inline uint64_t convolutionDataScratch(const Call& call) {
  const Window w(call.integers);
  const int64_t rows = w.inChannels / w.groups;
  if (isPatches(w, call.tensors[2].rank > 0)) return Cut(1, w.inChannels * w.taps(), w.batch * w.outPlane(), w.outChannels).scratchBytes(1, w.inChannels * w.taps(), w.batch * w.outPlane());
  if (isDirect(w) || (w.groups == 1 && rows <= kFewChannels)) return 0;
  uint64_t most = 0;
  overPhases(w, [&](const Phase& phase) {
    const int64_t columns = w.batch * phase.count(), depth = w.outChannels / w.groups * phase.taps[0] * phase.taps[1] * phase.taps[2];
    const uint64_t bytes = Cut(w.groups, rows, columns, depth).scratchBytes(w.groups, rows, columns) + adjointBytes(w, phase);
    if (bytes > most) most = bytes;
    return ASCRIBE_OK;
  });
  return most;
}

/// A phase with its weights packed.
inline int runPackedPhase(Stream& stream, const Call& call, const Window& w, const Phase& phase, const float* g, const float* weights, uint64_t bytes) {
  const int64_t inPerGroup = w.inChannels / w.groups, outPerGroup = w.outChannels / w.groups;
  float* packed = behind(call, bytes);
  const int64_t last = phase.taps[2], lastTwo = phase.taps[1] * last, taps = phase.taps[0] * lastTwo;
  if (const int status = overElements(stream, static_cast<int64_t>(bytes / 4), [=] __device__(int64_t i) {
        const int64_t m = i % outPerGroup, t = i / outPerGroup % taps, channel = i / outPerGroup / taps, group = channel / inPerGroup;
        const int64_t tap = ((phase.tap[0] + t / lastTwo * w.stride[0]) * w.kernel[1] + phase.tap[1] + t / last % phase.taps[1] * w.stride[1]) * w.kernel[2] + phase.tap[2] + t % last * w.stride[2];
        packed[i] = weights[((group * outPerGroup + m) * inPerGroup + channel - group * inPerGroup) * w.taps() + tap];
      }))
    return status;
  TapColumns right{g, w.outChannels * w.outPlane(), outPerGroup * w.outPlane()};
  for (int a = 0; a < 3; ++a) {
    right.size[a] = w.out[a];
    right.scale[a] = 1;
    right.shift[a] = phase.result[a];
    // A stride and a dilation never meet here: the next tap of a phase is one result back, or with stride 1 a dilation.
    right.step[a] = -w.dilation[a];
  }
  right.plane = static_cast<int>(w.outPlane());
  right.planes = FastDivision(phase.count()), right.lastTwo = FastDivision(static_cast<int64_t>(phase.size[1]) * phase.size[2]), right.last = FastDivision(phase.size[2]);
  right.channels = FastDivision(outPerGroup), right.tapsLastTwo = FastDivision(lastTwo), right.tapsLast = FastDivision(last);
  const PhaseResults to{mapsOf(call, call.tensors[3], w.inChannels, w.groups, w.inPlane()), w, phase, right.planes, right.lastTwo, right.last};
  return runTiles(stream, w.groups, inPerGroup, w.batch * phase.count(), outPerGroup * taps, WeightRows{packed, outPerGroup * taps, inPerGroup}, right, to, call.scratch, call.scratch_bytes - bytes);
}

/// Each element of the data by itself.
inline int runDirectData(Stream& stream, const Window& w, const float* g, const float* weights, const MapResults& results) {
  const int64_t outPlane = w.outPlane(), inPlane = w.inPlane(), inPerGroup = w.inChannels / w.groups, outPerGroup = w.outChannels / w.groups;
  return overElements(stream, w.batch * w.inChannels * inPlane, [=] __device__(int64_t i) {
    const int64_t plane = i / inPlane, channel = plane % w.inChannels, group = channel / inPerGroup;
    const Place at(i % inPlane, w.in);
    float sum = 0;
    for (int64_t m = group * outPerGroup; m < (group + 1) * outPerGroup; ++m) {
      const float *from = g + (plane / w.inChannels * w.outChannels + m) * outPlane, *taps = weights + (m * inPerGroup + channel - group * inPerGroup) * w.taps();
      overResults(w, at, [&](int tap, int64_t o) { sum += taps[tap] * from[o]; });
    }
    results.data[i] = results.finished(i, channel, sum);
  });
}

/// g, w, bias?, dx
inline int runConvolutionData(Stream& stream, const Call& call) {
  const Window w(call.integers);
  const auto *g = static_cast<const float*>(call.tensors[0].data), *weights = static_cast<const float*>(call.tensors[1].data);
  const int64_t inPerGroup = w.inChannels / w.groups, outPerGroup = w.outChannels / w.groups;
  const MapResults results = mapsOf(call, call.tensors[3], w.inChannels, w.groups, w.inPlane());
  if (isPatches(w, call.tensors[2].rank > 0)) return runPatches(stream, w, g, weights, results.data, call.scratch, call.scratch_bytes);
  if (isDirect(w)) return runDirectData(stream, w, g, weights, results);
  return overPhases(w, [&](const Phase& phase) {
    if (w.groups == 1 && inPerGroup <= kFewChannels) return runFewChannels(stream, w, phase, g, weights, results);
    if (const uint64_t bytes = adjointBytes(w, phase)) return runPackedPhase(stream, call, w, phase, g, weights, bytes);
    const Depth depth(phase.taps);
    const FastDivision planes(phase.count()), lastTwo(static_cast<int64_t>(phase.size[1]) * phase.size[2]), last(phase.size[2]);
    const AdjointRows left{weights, w, phase, depth};
    const PhaseResults to{results, w, phase, planes, lastTwo, last};
    const int64_t columns = w.batch * phase.count(), steps = outPerGroup * phase.taps[0] * phase.taps[1] * phase.taps[2];
    const auto with = [&](const auto& right) { return runTiles(stream, w.groups, inPerGroup, columns, steps, left, right, to, call.scratch, call.scratch_bytes); };
    if (w.pointwise()) {
      const GradientColumns<Form::Pointwise> right{g, w, phase, depth, planes, lastTwo, last};
      return runTiles(stream, w.groups, inPerGroup, columns, steps, PointwiseAdjointRows{weights, inPerGroup, outPerGroup * inPerGroup}, right, results, call.scratch, call.scratch_bytes);
    }
    if (isFlat(w)) return with(GradientColumns<Form::Flat>{g, w, phase, depth, planes, lastTwo, last});
    return with(GradientColumns<Form::Deep>{g, w, phase, depth, planes, lastTwo, last});
  });
}

}  // namespace ascribe::cuda
