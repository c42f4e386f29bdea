#include "kernels/cpu/gemm_body.h"

namespace ascribe::cpu {
extern const GemmKernels gemmBaseline;
const GemmKernels gemmBaseline = makeGemmKernels(tile<MultiplyAdd>);
}  // namespace ascribe::cpu
