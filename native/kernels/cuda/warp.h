#pragma once
#include "kernels/cuda/platform.h"

// What the threads of a warp tell each other, in segments of `width` (a power of two up to 32). All of them ask.
namespace ascribe::cuda {

#if defined(__CUDACC__)
/// The value of the thread `step` behind, or one's own at the segment's end.
__device__ __forceinline__ double fromBehind(double value, unsigned step, unsigned width) { return __shfl_down_sync(0xFFFFFFFFu, value, step, static_cast<int>(width)); }
/// The value of the segment's first thread.
__device__ __forceinline__ double fromFirst(double value, unsigned width) { return __shfl_sync(0xFFFFFFFFu, value, 0, static_cast<int>(width)); }
/// The value of the thread whose place differs in the bit `apart`.
__device__ __forceinline__ float fromBeside(float value, unsigned apart) { return __shfl_xor_sync(0xFFFFFFFFu, value, static_cast<int>(apart)); }
#else
inline double exchanged(double value, unsigned from, unsigned thread) {
  // Two, in turns, as in fragments.h.
  static thread_local double all[2][1024];
  static thread_local uint8_t turns[1024];
  double* held = all[turns[thread] ^= 1];
  held[thread] = value;
  __syncthreads();
  return held[from];
}
inline unsigned threadOfBlock() { return threadIdx.y * blockDim.x + threadIdx.x; }
inline double fromBehind(double value, unsigned step, unsigned width) {
  const unsigned thread = threadOfBlock();
  return exchanged(value, thread % width + step < width ? thread + step : thread, thread);
}
inline double fromFirst(double value, unsigned width) { return exchanged(value, threadOfBlock() / width * width, threadOfBlock()); }
inline float fromBeside(float value, unsigned apart) { return static_cast<float>(exchanged(static_cast<double>(value), threadOfBlock() ^ apart, threadOfBlock())); }
#endif

}  // namespace ascribe::cuda
