#include "kernels/cpu/math_body.h"

namespace ascribe::cpu {
extern const MathKernels mathBaseline;
const MathKernels mathBaseline = makeMathKernels();
}  // namespace ascribe::cpu
