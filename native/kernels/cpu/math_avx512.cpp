#if defined(__x86_64__)
#include "kernels/cpu/math_body.h"

namespace ascribe::cpu {
extern const MathKernels mathAvx512;
const MathKernels mathAvx512 = makeMathKernels();
}  // namespace ascribe::cpu
#endif
