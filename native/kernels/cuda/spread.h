#pragma once
#include "kernels/cuda/convolution_sides.h"

// The gradient of a few channels of data (a picture's), which would leave most rows of a tile empty. One product gives what
// each result sends to each of its taps, [channels and taps, results]; then each element of the data collects its own.
namespace ascribe::cuda {

constexpr int kFewChannels = 4;
/// Of the product held at a time: what the second level of the cache keeps, or else one image.
constexpr int64_t kSpreadBytes = int64_t{24} << 20, kMostSpreadBytes = int64_t{256} << 20;
inline int64_t spreadImages(const Window& w) {
  const int64_t each = w.inChannels * w.taps() * w.outPlane() * 4, fit = kSpreadBytes / (each < 1 ? 1 : each);
  return fit < 1 ? 1 : fit < w.batch ? fit : w.batch;
}
/// 0: not for these.
inline uint64_t spreadBytes(const Window& w) {
  if (w.groups != 1 || w.inChannels > kFewChannels || w.pointwise()) return 0;
  const int64_t bytes = w.inChannels * w.taps() * w.outPlane() * spreadImages(w) * 4;
  return bytes > kMostSpreadBytes ? 0 : static_cast<uint64_t>(bytes);
}

/// The taps by which an element meets results along one axis: each a stride further, and its result a dilation back.
struct Meeting {
  int tap, result;
  __device__ Meeting(const Window& w, const FastDivision& stride, int axis, int position) {
    const int from = position + w.pad[axis];
    result = from < 0 ? -1 : static_cast<int>(stride.quotient(static_cast<uint32_t>(from)));
    tap = from < 0 ? 0 : from - result * w.stride[axis];
  }
};

/// A stride and a dilation do not meet here.
inline int runSpread(Stream& stream, const Call& call, const Window& w, const float* g, const float* weights, const MapResults& results) {
  const int64_t channels = w.inChannels, taps = w.taps(), rows = channels * taps, outPlane = w.outPlane(), inPlane = w.inPlane(), each = spreadImages(w);
  auto* spread = static_cast<float*>(call.scratch);
  const FastDivision strides[3] = {FastDivision(w.stride[0]), FastDivision(w.stride[1]), FastDivision(w.stride[2])};
  const FastDivision sx = strides[0], sy = strides[1], sz = strides[2], perImage(channels);
  const PlaneWalk walk(w.in);
  for (int64_t image = 0; image < w.batch; image += each) {
    const int64_t images = w.batch - image < each ? w.batch - image : each, columns = images * outPlane;
    const float* from = g + image * w.outChannels * outPlane;
    const ProductResults to(spread, columns, 1, false, evenly(1, 0));
    if (const int status = runTiles(stream, 1, rows, columns, w.outChannels, MatrixSide<false>(weights, rows, evenly(1, 0)), PlaneSide(from, w.outChannels, 1, outPlane), to, nullptr, 0)) return status;
    const int status = overElements(stream, images * channels * inPlane, [=] __device__(int64_t i) {
      const int plane = walk.planeOf(i), item = static_cast<int>(perImage.quotient(static_cast<uint32_t>(plane)));
      const int channel = plane - item * static_cast<int>(perImage.divisor), here = static_cast<int>(i - plane * inPlane);
      const Place place = walk.placeIn(here);
      const Meeting a(w, sx, 0, place.at[0]), b(w, sy, 1, place.at[1]), c(w, sz, 2, place.at[2]);
      const float* mine = spread + channel * taps * columns + item * outPlane;
      float sum = 0;
      for (int p = a.tap, u = a.result; p < w.kernel[0]; p += w.stride[0], u -= w.dilation[0]) {
        if (static_cast<unsigned>(u) >= static_cast<unsigned>(w.out[0])) continue;
        for (int q = b.tap, v = b.result; q < w.kernel[1]; q += w.stride[1], v -= w.dilation[1]) {
          if (static_cast<unsigned>(v) >= static_cast<unsigned>(w.out[1])) continue;
          for (int r = c.tap, o = c.result; r < w.kernel[2]; r += w.stride[2], o -= w.dilation[2])
            if (static_cast<unsigned>(o) < static_cast<unsigned>(w.out[2])) sum += mine[static_cast<int64_t>((p * w.kernel[1] + q) * w.kernel[2] + r) * columns + (u * w.out[1] + v) * w.out[2] + o];
        }
      }
      const int64_t at = image * channels * inPlane + i;
      results.data[at] = results.finished(at, channel, sum);
    });
    if (status) return status;
  }
  return ASCRIBE_OK;
}

}  // namespace ascribe::cuda
