#pragma once
#include "kernels/cuda/depthwise.h"
#include "kernels/cuda/spread.h"

// How each convolution is run: as tiles, by phases, by patches, or an element at a time.
namespace ascribe::cuda {

/// Steps of the depth that lie inside one tap, and all of it: weights are packed by taps, then channels.
inline bool isWhole(int64_t channels) { return channels % kStageDepth == 0; }
inline int64_t depthOf(int64_t channels, int64_t taps) { return taps * (isWhole(channels) ? channels : runsOf<4>(channels)); }
inline uint64_t packedBytes(const Window& w) {
  return isDepthwise(w) || w.pointwise() ? 0 : static_cast<uint64_t>(w.outChannels * depthOf(w.inChannels / w.groups, w.taps())) * 4;
}
/// Packed weights are the last bytes of a call's scratch, aligned: what is left in front of them.
constexpr uint64_t kPackedAlignment = 16, kMostPackedBytes = uint64_t{1} << 33;
inline uint64_t inFrontOf(const Call& call, uint64_t packed) { return (call.scratch_bytes - packed) / kPackedAlignment * kPackedAlignment; }
inline float* behind(const Call& call, uint64_t bytes) { return reinterpret_cast<float*>(static_cast<char*>(call.scratch) + bytes); }

/// x, w, bias?, residual?, y
inline int runConvolution(Stream& stream, const Call& call) {
  const Window w(call.integers);
  const auto *x = static_cast<const float*>(call.tensors[0].data), *weights = static_cast<const float*>(call.tensors[1].data);
  const int64_t outPlane = w.outPlane(), inPlane = w.inPlane(), inPerGroup = w.inChannels / w.groups;
  MapResults results(static_cast<float*>(call.tensors[4].data), static_cast<const float*>(call.tensors[2].data), static_cast<const float*>(call.tensors[3].data), w.outChannels, w.groups, outPlane);
  results.activation = call.code;
  results.alpha = call.reals[0];
  results.beta = call.reals[1];
  if (isDepthwise(w)) return runDepthwise(stream, w, x, weights, results);
  const int64_t depth = w.pointwise() ? inPerGroup : depthOf(inPerGroup, w.taps()), outPerGroup = w.outChannels / w.groups;
  const auto with = [&](const float* rows, const auto& right, uint64_t bytes) {
    return runTiles(stream, w.groups, outPerGroup, w.batch * outPlane, depth, MatrixSide<true>(rows, depth, evenly(w.groups, outPerGroup * depth)), right, results, call.scratch, bytes);
  };
  if (w.pointwise()) return with(weights, PlaneSide(x, w.inChannels, w.groups, inPlane), call.scratch_bytes);
  const uint64_t bytes = packedBytes(w), rest = inFrontOf(call, bytes);
  if (bytes >= kMostPackedBytes) return fail(stream, "a convolution", "its weights are too large");
  float* packed = behind(call, rest);
  const int64_t taps = w.taps();
  const FastDivision perRow(depth), perTap(depth / taps);
  const int status = overElements(stream, static_cast<int64_t>(bytes / 4), [=] __device__(int64_t i) {
    const auto m = static_cast<int64_t>(perRow.quotient(static_cast<uint32_t>(i))), k = i - m * depth;
    const auto t = static_cast<int64_t>(perTap.quotient(static_cast<uint32_t>(k))), c = k - t * static_cast<int64_t>(perTap.divisor);
    packed[i] = c < inPerGroup ? weights[(m * inPerGroup + c) * taps + t] : 0.0f;
  });
  if (status) return status;
  const auto windowed = [&](auto right) {
    for (int a = 0; a < 3; ++a) {
      right.scale[a] = w.stride[a];
      right.shift[a] = -w.pad[a];
      right.step[a] = w.dilation[a];
    }
    return with(packed, right, rest);
  };
  if (isWhole(inPerGroup)) return windowed(WindowSide<kStageDepth>(x, w.inChannels, w.groups, w.in, w.out, w.kernel));
  return windowed(WindowSide<4>(x, w.inChannels, w.groups, w.in, w.out, w.kernel));
}
inline uint64_t convolutionScratch(const Call& call) {
  const Window w(call.integers);
  if (isDepthwise(w)) return 0;
  const int64_t rows = w.outChannels / w.groups, columns = w.batch * w.outPlane();
  const int64_t depth = w.pointwise() ? w.inChannels / w.groups : depthOf(w.inChannels / w.groups, w.taps());
  return Cut(w.groups, rows, columns, depth).scratchBytes(w.groups, rows, columns) + packedBytes(w) + kPackedAlignment;
}

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
  static constexpr bool vector = false;
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
  __device__ void writeFour(const Column&, int, float4) const {}
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
  const PatchResults results{dx, w, planes, lastTwo, last, FastDivision(w.taps()), FastDivision(static_cast<int64_t>(w.kernel[1]) * w.kernel[2]), FastDivision(w.kernel[2])};
  return runTiles(stream, 1, rows, columns, w.outChannels, MatrixSide<false>(weights, rows, evenly(1, 0)), PlaneSide(g, w.outChannels, 1, w.outPlane()), results, scratch, bytes);
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
/// Weights of a phase, for each channel of the data.
inline uint64_t adjointBytes(const Window& w, const Phase& phase) {
  const int64_t taps = static_cast<int64_t>(phase.taps[0]) * phase.taps[1] * phase.taps[2];
  return w.pointwise() ? 0 : static_cast<uint64_t>(w.inChannels * depthOf(w.outChannels / w.groups, taps)) * 4;
}
inline uint64_t convolutionDataScratch(const Call& call) {
  const Window w(call.integers);
  const int64_t rows = w.inChannels / w.groups;
  if (isPatches(w, call.tensors[2].rank > 0)) return Cut(1, w.inChannels * w.taps(), w.batch * w.outPlane(), w.outChannels).scratchBytes(1, w.inChannels * w.taps(), w.batch * w.outPlane());
  if (isPlainDepthwise(w) || isDirect(w)) return 0;
  if (const uint64_t bytes = spreadBytes(w)) return bytes;
  uint64_t most = 0;
  overPhases(w, [&](const Phase& phase) {
    const int64_t columns = w.batch * phase.count(), taps = static_cast<int64_t>(phase.taps[0]) * phase.taps[1] * phase.taps[2];
    const int64_t depth = w.pointwise() ? w.outChannels / w.groups : depthOf(w.outChannels / w.groups, taps);
    const uint64_t bytes = Cut(w.groups, rows, columns, depth).scratchBytes(w.groups, rows, columns) + adjointBytes(w, phase) + kPackedAlignment;
    if (bytes > most) most = bytes;
    return ASCRIBE_OK;
  });
  return most;
}

/// A phase with its weights packed.
inline int runPhase(Stream& stream, const Call& call, const Window& w, const Phase& phase, const float* g, const float* weights, const MapResults& results) {
  const int64_t inPerGroup = w.inChannels / w.groups, outPerGroup = w.outChannels / w.groups;
  const uint64_t bytes = adjointBytes(w, phase), rest = inFrontOf(call, bytes);
  if (bytes >= kMostPackedBytes) return fail(stream, "a convolution", "its weights are too large");
  float* packed = behind(call, rest);
  const int64_t last = phase.taps[2], lastTwo = phase.taps[1] * last, taps = phase.taps[0] * lastTwo;
  const int64_t depth = depthOf(outPerGroup, taps), perTap = taps == 0 ? 1 : depth / taps;
  if (const int status = overElements(stream, static_cast<int64_t>(bytes / 4), [=] __device__(int64_t i) {
        const int64_t channel = i / depth, at = i - channel * depth, group = channel / inPerGroup, t = at / perTap, m = at - t * perTap;
        const int64_t tap = ((phase.tap[0] + t / lastTwo * w.stride[0]) * w.kernel[1] + phase.tap[1] + t / last % phase.taps[1] * w.stride[1]) * w.kernel[2] + phase.tap[2] + t % last * w.stride[2];
        packed[i] = m < outPerGroup ? weights[((group * outPerGroup + m) * inPerGroup + channel - group * inPerGroup) * w.taps() + tap] : 0.0f;
      }))
    return status;
  const auto with = [&](auto right) {
    for (int a = 0; a < 3; ++a) {
      right.scale[a] = 1;
      right.shift[a] = phase.result[a];
      // A stride and a dilation never meet here: the next tap of a phase is one result back, or with stride 1 a dilation.
      right.step[a] = -w.dilation[a];
    }
    const MatrixSide<true> left(packed, depth, evenly(w.groups, inPerGroup * depth));
    return runTiles(stream, w.groups, inPerGroup, w.batch * phase.count(), depth, left, right, results.of(w, phase), call.scratch, rest);
  };
  if (isWhole(outPerGroup)) return with(WindowSide<kStageDepth>(g, w.outChannels, w.groups, w.out, phase.size, phase.taps));
  return with(WindowSide<4>(g, w.outChannels, w.groups, w.out, phase.size, phase.taps));
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
  const MapResults results(static_cast<float*>(call.tensors[3].data), static_cast<const float*>(call.tensors[2].data), nullptr, w.inChannels, w.groups, w.inPlane());
  if (isPatches(w, call.tensors[2].rank > 0)) return runPatches(stream, w, g, weights, results.data, call.scratch, call.scratch_bytes);
  if (isPlainDepthwise(w)) return runDepthwiseData(stream, w, g, weights, results);
  if (isDirect(w)) return runDirectData(stream, w, g, weights, results);
  if (spreadBytes(w) > 0) return runSpread(stream, call, w, g, weights, results);
  if (w.pointwise())
    return runTiles(stream, w.groups, inPerGroup, w.batch * w.inPlane(), outPerGroup, MatrixSide<false>(weights, inPerGroup, evenly(w.groups, outPerGroup * inPerGroup)),
                    PlaneSide(g, w.outChannels, w.groups, w.outPlane()), results, call.scratch, call.scratch_bytes);
  return overPhases(w, [&](const Phase& phase) { return runPhase(stream, call, w, phase, g, weights, results); });
}

}  // namespace ascribe::cuda
