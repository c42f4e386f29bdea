#if defined(__x86_64__)
#include "kernels/cpu/gemm_body.h"

namespace ascribe::cpu {
extern const GemmKernels gemmAvx512;
const GemmKernels gemmAvx512 = makeGemmKernels(tile<MultiplyAdd>);
}  // namespace ascribe::cpu
#endif
