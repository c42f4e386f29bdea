// CUDA as nvcc compiles it, or its emulation; what both offer goes by one name from here on.
#pragma once
#if defined(__CUDACC__)
#include <cuda_runtime.h>
#else
#include "kernels/cuda/emulation/cuda.h"
#endif

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "kernels/cuda_abi.h"

/// What a kernel found that no caller could know before it ran. In memory that host and device share; the first to
/// write wins, and which one that is among several does not matter.
struct AscribeCudaFault {
  int32_t kind;  // 0: none, 1: an index outside its axis, 2: a position with no room behind it
  int64_t value, bound, size;
};
inline void explainFault(const AscribeCudaFault& fault, char* message, size_t bytes) {
  const auto value = static_cast<long long>(fault.value), bound = static_cast<long long>(fault.bound);
  if (fault.kind == 1) std::snprintf(message, bytes, "index %lld is outside an axis of size %lld", value, bound);
  else std::snprintf(message, bytes, "position %lld leaves no room for %lld in a state of %lld", value, static_cast<long long>(fault.size), bound);
}

/// Where a stream was is where another may come to lie: recordings know theirs by its number.
inline uint64_t nextIdentity() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

struct AscribeCudaStream {
#if defined(__CUDACC__)
  cudaStream_t handle = nullptr;
  AscribeCudaFault* deviceFault = nullptr;
  char* staging = nullptr;  // pinned, for downloads
  size_t stagingUsed = 0;
  char* sending = nullptr;  // pinned, for uploads
  size_t sendingUsed = 0;
  long long downloads = 0;  // on their way; decremented by the driver's thread
#else
  AscribeCudaFault* deviceFault = nullptr;
  AscribeCudaRecording* recording = nullptr;  // what calls go into instead of being done
#endif
  uint64_t identity = nextIdentity();
  int device = 0;
  AscribeCudaFault* fault = nullptr;
  int status = ASCRIBE_OK;
  char message[256] = "";
};

namespace ascribe::cuda {

using Stream = AscribeCudaStream;
using Call = AscribeCudaCall;
using Tensor = AscribeCudaTensor;

inline int fail(Stream& stream, const char* what, const char* why) {
  if (stream.status == ASCRIBE_OK) {
    std::snprintf(stream.message, sizeof stream.message, "%s: %s", what, why);
    stream.status = ASCRIBE_FAILED;
  }
  return ASCRIBE_FAILED;
}

/// `kTogether`: the kernel's threads wait for each other.
template <bool kTogether = false, class... Parameters, class... Arguments>
int launch(Stream& stream, void (*kernel)(Parameters...), dim3 grid, dim3 block, const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return ASCRIBE_OK;
#if defined(__CUDACC__)
  kernel<<<grid, block, 0, stream.handle>>>(arguments...);
  const cudaError_t error = cudaPeekAtLastError();
  if (error != cudaSuccess) return fail(stream, "a kernel did not start", cudaGetErrorString(error));
#else
  (void)stream;
  emulation::runGrid(grid, block, kTogether, [&] { kernel(arguments...); });
#endif
  return ASCRIBE_OK;
}

constexpr int kBlock = 256;

template <class F>
__global__ void overElementsKernel(int64_t count, F f) {
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += static_cast<int64_t>(gridDim.x) * blockDim.x) f(i);
}
/// f(i) for every i in [0, count), one thread each.
template <class F>
int overElements(Stream& stream, int64_t count, const F& f) {
  if (count <= 0) return ASCRIBE_OK;
  const int64_t blocks = (count + kBlock - 1) / kBlock;
  return launch(stream, overElementsKernel<F>, dim3(static_cast<unsigned>(blocks < (int64_t{1} << 30) ? blocks : int64_t{1} << 30)), dim3(kBlock), count, f);
}

}  // namespace ascribe::cuda
