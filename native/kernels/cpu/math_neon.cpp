#if defined(__aarch64__)
#define ASCRIBE_NEON 1
#include "kernels/cpu/math_body.h"

namespace ascribe::cpu {
extern const MathKernels mathNeon;
const MathKernels mathNeon = makeMathKernels();
}  // namespace ascribe::cpu
#endif
