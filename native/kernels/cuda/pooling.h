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
  return overElements(stream, w.batch * w.inChannels * outPlane, [=] __device__(int64_t i) {
    const float* plane = x + i / outPlane * inPlane;
    const Place o(i % outPlane, w.out);
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

/// Each element of the data collects what the results around it send back.
inline int runPoolGradient(Stream& stream, const Call& call) {
  const Window w(call.integers);
  const auto* g = static_cast<const float*>(call.tensors[0].data);
  const auto* places = static_cast<const int32_t*>(call.tensors[1].data);
  auto* out = static_cast<float*>(call.tensors[2].data);
  const int64_t outPlane = w.outPlane(), inPlane = w.inPlane(), planes = w.batch * w.inChannels, all = call.integers[30];
  const bool maximum = call.code == ASCRIBE_CUDA_MAX_POOL;
  return overElements(stream, all * planes * inPlane, [=] __device__(int64_t i) {
    const int64_t plane = i / inPlane, here = i % inPlane;
    const float* gradient = g + plane * outPlane;
    double sum = 0;
    overResults(w, Place(here, w.in), [&](int, int64_t o) {
      if (!maximum) sum += static_cast<double>(gradient[o]) / averaged(w, Place(o, w.out));
      else if (places[plane % planes * outPlane + o] == here) sum += static_cast<double>(gradient[o]);
    });
    out[i] = static_cast<float>(sum);
  });
}

}  // namespace ascribe::cuda
