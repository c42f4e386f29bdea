#pragma once
#include "kernels/cuda/platform.h"

namespace ascribe::cuda {

/// n / d by a multiplication: a division costs as much as twenty of the operations that it serves. n below 2^31.
struct FastDivision {
  uint32_t divisor = 1, multiplier = 0, shift = 0;
  FastDivision() = default;
  __host__ explicit FastDivision(int64_t d) : divisor(static_cast<uint32_t>(d < 1 ? 1 : d)) {
    while (shift < 32 && (uint64_t{1} << shift) < divisor) ++shift;
    multiplier = static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - divisor)) / divisor + 1);
  }
  __host__ __device__ uint32_t quotient(uint32_t n) const {
#if defined(__CUDACC__) && !defined(__CUDA_ARCH__)
    return n / divisor;
#else
    return (__umulhi(n, multiplier) + n) >> shift;
#endif
  }
};

inline bool isAligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }
inline int64_t countOf(const int64_t* dims, int rank) {
  int64_t count = 1;
  for (int i = 0; i < rank; ++i) count *= dims[i];
  return count;
}
inline int64_t countOf(const Tensor& tensor) { return countOf(tensor.dims, tensor.rank); }

/// The offsets of N operands at a place of a shape that they are walked along together. Axes along which all of them run
/// on evenly are merged, so that equal shapes, scalars, rows and columns cost one or two divisions.
template <int N>
struct Walk {
  int rank = 0;
  int64_t dims[ASCRIBE_CUDA_MAX_RANK];
  int64_t strides[N][ASCRIBE_CUDA_MAX_RANK];
  FastDivision divisions[ASCRIBE_CUDA_MAX_RANK];
  bool wide = false;

  __host__ Walk(const int64_t* shape, int rankOf, const int64_t* const (&each)[N]) {
    for (int axis = 0; axis < rankOf; ++axis) {
      if (shape[axis] == 1) continue;
      bool merges = rank > 0;
      for (int n = 0; n < N && merges; ++n) merges = strides[n][rank - 1] == each[n][axis] * shape[axis];
      if (!merges) dims[rank++] = 1;
      dims[rank - 1] *= shape[axis];
      for (int n = 0; n < N; ++n) strides[n][rank - 1] = each[n][axis];
    }
    wide = countOf(dims, rank) >= int64_t{1} << 31;
    for (int axis = 0; axis < rank; ++axis) divisions[axis] = FastDivision(wide ? 1 : dims[axis]);
  }
  /// Four neighbours at a time: where the last axis allows it, in all operands that run along it, the walk counts fours from
  /// here on. Offsets stay those of elements.
  __host__ bool takeFours() {
    if (rank == 0 || dims[rank - 1] % 4 != 0) return false;
    for (int n = 0; n < N; ++n) {
      if (strides[n][rank - 1] == 0) continue;
      if (strides[n][rank - 1] != 1) return false;
      for (int axis = 0; axis + 1 < rank; ++axis)
        if (strides[n][axis] % 4 != 0) return false;
    }
    dims[rank - 1] /= 4;
    for (int n = 0; n < N; ++n) strides[n][rank - 1] *= 4;
    wide = countOf(dims, rank) >= int64_t{1} << 31;
    for (int axis = 0; axis < rank; ++axis) divisions[axis] = FastDivision(wide ? 1 : dims[axis]);
    return true;
  }
  /// Operand n runs along the last axis; else it is one element for all of it.
  __host__ bool runs(int n) const { return strides[n][rank - 1] != 0; }
  /// All steps are multiples of n elements.
  __host__ bool isEven(int64_t n) const {
    for (int axis = 0; axis < rank; ++axis)
      for (int i = 0; i < N; ++i)
        if (strides[i][axis] % n != 0) return false;
    return true;
  }
  __device__ void at(int64_t index, int64_t (&offsets)[N]) const {
    for (int n = 0; n < N; ++n) offsets[n] = 0;
    if (wide) {
      for (int axis = rank; axis-- > 0;) {
        const int64_t rest = index / dims[axis], here = index - rest * dims[axis];
        for (int n = 0; n < N; ++n) offsets[n] += here * strides[n][axis];
        index = rest;
      }
      return;
    }
    auto left = static_cast<uint32_t>(index);
    for (int axis = rank; axis-- > 0;) {
      const uint32_t rest = axis == 0 ? 0 : divisions[axis].quotient(left), here = left - rest * static_cast<uint32_t>(dims[axis]);
      for (int n = 0; n < N; ++n) offsets[n] += static_cast<int64_t>(here) * strides[n][axis];
      left = rest;
    }
  }
};

}  // namespace ascribe::cuda
