#pragma once
#include "kernels/cuda/platform.h"

// Copies into shared memory that a block does not wait for (PTX ISA, cp.async): what they take the place of never lies in
// registers. A copy belongs to the group that is closed after it, and groups arrive in order.
namespace ascribe::cuda {

#if defined(__CUDACC__)
/// The first `bytes` (0 to 16) of four aligned floats, and zeros behind them.
__device__ __forceinline__ void copyFour(float* to, const float* from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(static_cast<uint32_t>(__cvta_generic_to_shared(to))), "l"(from), "r"(bytes));
}
/// One float, or zero where it is not inside.
__device__ __forceinline__ void copyOne(float* to, const float* from, bool inside) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(static_cast<uint32_t>(__cvta_generic_to_shared(to))), "l"(from), "r"(inside ? 4 : 0));
}
__device__ __forceinline__ void closeCopies() { asm volatile("cp.async.commit_group;"); }
/// Returns once all groups of this thread but the last `Open` have arrived.
template <int Open>
__device__ __forceinline__ void awaitCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Open) : "memory");
}
#else
inline void copyFour(float* to, const float* from, int bytes) {
  std::memset(to, 0, 16);
  if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
}
inline void copyOne(float* to, const float* from, bool inside) { *to = inside ? *from : 0.0f; }
inline void closeCopies() {}
template <int Open>
void awaitCopies() {}
#endif

}  // namespace ascribe::cuda
