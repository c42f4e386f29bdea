#pragma once
#include "kernels/cuda/convolution_sides.h"

// The gradient in a convolution's weights: for every image a product of [channels of the result, places] by [places,
// channels of the data and taps], summed up over the images in their order.
namespace ascribe::cuda {

/// What each place of the result reads of the data by one channel and tap: places are the depth.
struct TapSide {
  static constexpr bool kAlongDepth = false;
  static constexpr int kRun = 4;
  template <int Places, int Threads>
  using Fetch = FoundFetch<TapSide, Places, Threads>;
  struct Column {
    const float* plane;
    int first[3];  // what place 0 reads
  };
  struct Stage {
    int first;
  };
  const float* data;
  int64_t perGroup;
  int size[3], stride[3], dilation[3], pad[3], plane, places;
  FastDivision taps, tapsLastTwo, tapsLast, lastTwo, last;
  TapSide(const float* from, const Window& w)
      : data(from), perGroup(w.inChannels / w.groups * w.inPlane()), plane(static_cast<int>(w.inPlane())), places(static_cast<int>(w.outPlane())), taps(w.taps()), tapsLastTwo(static_cast<int64_t>(w.kernel[1]) * w.kernel[2]),
        tapsLast(w.kernel[2]), lastTwo(static_cast<int64_t>(w.out[1]) * w.out[2]), last(w.out[2]) {
    for (int a = 0; a < 3; ++a) size[a] = w.in[a], stride[a] = w.stride[a], dilation[a] = w.dilation[a], pad[a] = w.pad[a];
  }
  __device__ Column column(int z, int n) const {
    const int channel = static_cast<int>(taps.quotient(static_cast<uint32_t>(n))), tap = n - channel * static_cast<int>(taps.divisor);
    const int a = static_cast<int>(tapsLastTwo.quotient(static_cast<uint32_t>(tap))), rest = tap - a * static_cast<int>(tapsLastTwo.divisor);
    const int b = static_cast<int>(tapsLast.quotient(static_cast<uint32_t>(rest))), c = rest - b * static_cast<int>(tapsLast.divisor);
    return {data + z * perGroup + static_cast<int64_t>(channel) * plane, {a * dilation[0] - pad[0], b * dilation[1] - pad[1], c * dilation[2] - pad[2]}};
  }
  __device__ Stage stage(const Column&, int from) const { return {from}; }
  __device__ const float* at(const Column& c, const Stage& stage, int step) const {
    const int o = stage.first + step;
    if (o >= places) return nullptr;
    const int x = static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(o))), rest = o - x * static_cast<int>(lastTwo.divisor);
    const int y = static_cast<int>(last.quotient(static_cast<uint32_t>(rest))), z = rest - y * static_cast<int>(last.divisor);
    const int i = c.first[0] + x * stride[0], j = c.first[1] + y * stride[1], k = c.first[2] + z * stride[2];
    const bool inside = static_cast<unsigned>(i) < static_cast<unsigned>(size[0]) && static_cast<unsigned>(j) < static_cast<unsigned>(size[1]) && static_cast<unsigned>(k) < static_cast<unsigned>(size[2]);
    return inside ? c.plane + (static_cast<int64_t>(i) * size[1] + j) * size[2] + k : nullptr;
  }
};

inline uint64_t convolutionWeightsScratch(const Call& call) {
  const Window w(call.integers);
  const int64_t rows = w.outChannels / w.groups, columns = w.inChannels / w.groups * w.taps();
  return Cut(w.groups, rows, columns, w.outPlane()).scratchBytes(w.groups, rows, columns);
}
/// x, g, dw
inline int runConvolutionWeights(Stream& stream, const Call& call) {
  const Window w(call.integers);
  const int64_t cotangents = call.integers[26], rows = w.outChannels / w.groups, columns = w.inChannels / w.groups * w.taps(), places = w.outPlane(), weights = w.outChannels * columns;
  const bool perExample = call.integers[27] != 0;
  const auto *x = static_cast<const float*>(call.tensors[0].data), *g = static_cast<const float*>(call.tensors[1].data);
  auto* dw = static_cast<float*>(call.tensors[2].data);
  for (int64_t c = 0; c < cotangents; ++c)
    for (int64_t n = 0; n < w.batch; ++n) {
      const int64_t image = c * w.batch + n;
      const MatrixSide<true> left(g + image * w.outChannels * places, places, evenly(w.groups, rows * places));
      const TapSide right(x + n * w.inChannels * w.inPlane(), w);
      const ProductResults results(dw + (perExample ? image : c) * weights, columns, 1, !perExample && n > 0, evenly(w.groups, rows * columns));
      if (const int status = runTiles(stream, w.groups, rows, columns, places, left, right, results, call.scratch, call.scratch_bytes)) return status;
    }
  return ASCRIBE_OK;
}

}  // namespace ascribe::cuda
