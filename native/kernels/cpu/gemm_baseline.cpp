#include "kernels/cpu/gemm_body.h"

namespace ascribe::cpu {
extern const GemmKernels gemmBaseline;
const GemmKernels gemmBaseline = makeGemmKernels();
}  // namespace ascribe::cpu
