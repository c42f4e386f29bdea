#pragma once
#include <cmath>

#include "kernels/cuda/window.h"

namespace ascribe::cuda {

/// How many elements an average divides by at result `o`: of the data, or of the declared padding too.
__device__ inline int averaged(const Window& w, const Place& o) {
  int product = 1;
  for (int a = 0; a < 3; ++a) {
    int inside = 0;
    for (int t = 0; t < w.kernel[a]; ++t) {
      const int position = o.at[a] * w.stride[a] - w.pad[a] + t * w.dilation[a];
      inside += w.countPadding ? position < w.in[a] + w.behind[a] : position >= 0 && position < w.in[a];
    }
    product *= inside;
  }
  return product;
}

inline int runPool(Stream& stream, const Call& call) {
  const Window w(call.integers);
  const auto* x = static_cast<const float*>(call.tensors[0].data);
  auto* y = static_cast<float*>(call.tensors[1].data);
  auto* places = static_cast<int32_t*>(call.tensors[2].data);
  const int64_t outPlane = w.outPlane(), inPlane = w.inPlane();
  const bool maximum = call.code == ASCRIBE_CUDA_MAX_POOL;
  const PlaneWalk walk(w.out);
  return overElements(stream, w.batch * w.inChannels * outPlane, [=] __device__(int64_t i) {
    const int64_t index = walk.planeOf(i);
    const float* plane = x + index * inPlane;
    const Place o = walk.placeIn(static_cast<int>(i - index * outPlane));
    if (!maximum) {
      double sum = 0;
      overTaps(w, o, [&](int, int64_t from) { sum += static_cast<double>(plane[from]); });
      y[i] = static_cast<float>(sum / averaged(w, o));
      return;
    }
    int64_t best = -1;
    overTaps(w, o, [&](int, int64_t from) {
      const float here = plane[from];
      if (best < 0 || (plane[best] == plane[best] && (here > plane[best] || here != here))) best = from;
    });
    y[i] = best < 0 ? -INFINITY : plane[best];
    if (places) places[i] = static_cast<int32_t>(best);
  });
}

/// Results whose window may hold a place of the data along one axis, [first, last].
struct Windows {
  int first, last;
  __device__ Windows(const Window& w, const FastDivision& stride, int axis, int position) {
    const int behind = position + w.pad[axis], before = behind - (w.kernel[axis] - 1) * w.dilation[axis];
    last = behind < 0 ? -1 : static_cast<int>(stride.quotient(static_cast<uint32_t>(behind)));
    if (last >= w.out[axis]) last = w.out[axis] - 1;
    first = before <= 0 ? 0 : static_cast<int>(stride.quotient(static_cast<uint32_t>(before + w.stride[axis] - 1)));
  }
};
/// `position` is a tap of result `o` along an axis, and not between two.
__device__ inline bool isTap(const Window& w, int axis, int position, int o) {
  return w.dilation[axis] == 1 || (position + w.pad[axis] - o * w.stride[axis]) % w.dilation[axis] == 0;
}

/// Each element of the data collects what the results around it send back.
inline int runPoolGradient(Stream& stream, const Call& call) {
  const Window w(call.integers);
  const auto* g = static_cast<const float*>(call.tensors[0].data);
  const auto* places = static_cast<const int32_t*>(call.tensors[1].data);
  auto* out = static_cast<float*>(call.tensors[2].data);
  const int64_t outPlane = w.outPlane(), inPlane = w.inPlane(), planes = w.batch * w.inChannels, all = call.integers[30];
  const bool maximum = call.code == ASCRIBE_CUDA_MAX_POOL;
  const FastDivision strides[3] = {FastDivision(w.stride[0]), FastDivision(w.stride[1]), FastDivision(w.stride[2])};
  const FastDivision sx = strides[0], sy = strides[1], sz = strides[2], perSet(planes);
  const PlaneWalk walk(w.in);
  return overElements(stream, all * planes * inPlane, [=] __device__(int64_t i) {
    const int64_t plane = walk.planeOf(i), set = perSet.quotient(static_cast<uint32_t>(plane));
    const int here = static_cast<int>(i - plane * inPlane);
    const Place at = walk.placeIn(here);
    const int x = at.at[0], y = at.at[1], z = at.at[2];
    const float* gradient = g + plane * outPlane;
    const int32_t* mine = maximum ? places + (plane - set * planes) * outPlane : nullptr;
    const Windows a(w, sx, 0, x), b(w, sy, 1, y), c(w, sz, 2, z);
    double sum = 0;
    for (int p = a.first; p <= a.last; ++p)
      for (int q = b.first; q <= b.last; ++q)
        for (int r = c.first; r <= c.last; ++r) {
          const int o = (p * w.out[1] + q) * w.out[2] + r;
          if (maximum) {
            if (mine[o] == here) sum += static_cast<double>(gradient[o]);
          } else if (isTap(w, 0, x, p) && isTap(w, 1, y, q) && isTap(w, 2, z, r)) {
            sum += static_cast<double>(gradient[o]) / averaged(w, Place(o, w.out));
          }
        }
    out[i] = static_cast<float>(sum);
  });
}

}  // namespace ascribe::cuda
