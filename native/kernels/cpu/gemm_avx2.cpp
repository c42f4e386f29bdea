#if defined(__x86_64__)
#include "kernels/cpu/gemm_body.h"

namespace ascribe::cpu {
extern const GemmKernels gemmAvx2;
const GemmKernels gemmAvx2 = makeGemmKernels(tile<MultiplyAdd>);
}  // namespace ascribe::cpu
#endif
