#pragma once
#include "kernels/cuda/index.h"

namespace ascribe::cuda {

/// A convolution or pooling, its spatial axes brought to three; read from a call's integers.
struct Window {
  int in[3], out[3], kernel[3], stride[3], dilation[3], pad[3], behind[3];
  int64_t batch, groups, inChannels, outChannels;
  bool countPadding;

  __host__ explicit Window(const int64_t* i) : batch(i[21]), groups(i[22]), inChannels(i[23]), outChannels(i[24]), countPadding(i[25] != 0) {
    for (int axis = 0; axis < 3; ++axis) {
      in[axis] = static_cast<int>(i[axis]);
      out[axis] = static_cast<int>(i[3 + axis]);
      kernel[axis] = static_cast<int>(i[6 + axis]);
      stride[axis] = static_cast<int>(i[9 + axis]);
      dilation[axis] = static_cast<int>(i[12 + axis]);
      pad[axis] = static_cast<int>(i[15 + axis]);
      behind[axis] = static_cast<int>(i[18 + axis]);
    }
  }
  __host__ __device__ int64_t inPlane() const { return static_cast<int64_t>(in[0]) * in[1] * in[2]; }
  __host__ __device__ int64_t outPlane() const { return static_cast<int64_t>(out[0]) * out[1] * out[2]; }
  __host__ __device__ int taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  __host__ bool pointwise() const {
    for (int a = 0; a < 3; ++a)
      if (kernel[a] != 1 || stride[a] != 1 || pad[a] != 0 || in[a] != out[a]) return false;
    return true;
  }
};

/// A place in a plane by its three axes.
struct Place {
  int at[3];
  Place() = default;
  __device__ Place(int64_t index, const int* size) {
    at[2] = static_cast<int>(index % size[2]);
    at[1] = static_cast<int>(index / size[2] % size[1]);
    at[0] = static_cast<int>(index / size[2] / size[1]);
  }
};

/// Elements of planes that lie one after the other: which plane, and where in it. Below 2^31 of them.
struct PlaneWalk {
  FastDivision plane, lastTwo, last;
  __host__ explicit PlaneWalk(const int (&size)[3]) : plane(static_cast<int64_t>(size[0]) * size[1] * size[2]), lastTwo(static_cast<int64_t>(size[1]) * size[2]), last(size[2]) {}
  __device__ int planeOf(int64_t i) const { return static_cast<int>(plane.quotient(static_cast<uint32_t>(i))); }
  __device__ Place placeIn(int here) const {
    Place out;
    out.at[0] = static_cast<int>(lastTwo.quotient(static_cast<uint32_t>(here)));
    const int rest = here - out.at[0] * static_cast<int>(lastTwo.divisor);
    out.at[1] = static_cast<int>(last.quotient(static_cast<uint32_t>(rest)));
    out.at[2] = rest - out.at[1] * static_cast<int>(last.divisor);
    return out;
  }
};

/// body(tap, source index in the data's plane) for each tap of result `o` inside the data.
template <class Body>
__device__ inline void overTaps(const Window& w, const Place& o, Body&& body) {
  int first[3];
  for (int a = 0; a < 3; ++a) first[a] = o.at[a] * w.stride[a] - w.pad[a];
  int tap = 0;
  for (int i = 0; i < w.kernel[0]; ++i)
    for (int j = 0; j < w.kernel[1]; ++j)
      for (int k = 0; k < w.kernel[2]; ++k, ++tap) {
        const int x = first[0] + i * w.dilation[0], y = first[1] + j * w.dilation[1], z = first[2] + k * w.dilation[2];
        if (x < 0 || y < 0 || z < 0 || x >= w.in[0] || y >= w.in[1] || z >= w.in[2]) continue;
        body(tap, (static_cast<int64_t>(x) * w.in[1] + y) * w.in[2] + z);
      }
}

/// The result along one axis that meets data `position` by this tap, or -1.
__device__ inline int resultOf(int position, int tap, int pad, int dilation, int stride, int out) {
  const int from = position + pad - tap * dilation;
  if (from < 0 || from % stride != 0) return -1;
  const int at = from / stride;
  return at < out ? at : -1;
}

/// body(tap, index in the result's plane) for each result that data `position` takes part in.
template <class Body>
__device__ inline void overResults(const Window& w, const Place& position, Body&& body) {
  int tap = 0;
  for (int i = 0; i < w.kernel[0]; ++i) {
    const int x = resultOf(position.at[0], i, w.pad[0], w.dilation[0], w.stride[0], w.out[0]);
    for (int j = 0; j < w.kernel[1]; ++j) {
      const int y = resultOf(position.at[1], j, w.pad[1], w.dilation[1], w.stride[1], w.out[1]);
      for (int k = 0; k < w.kernel[2]; ++k, ++tap) {
        const int z = resultOf(position.at[2], k, w.pad[2], w.dilation[2], w.stride[2], w.out[2]);
        if (x >= 0 && y >= 0 && z >= 0) body(tap, (static_cast<int64_t>(x) * w.out[1] + y) * w.out[2] + z);
      }
    }
  }
}

}  // namespace ascribe::cuda
