#if defined(__aarch64__)
#define ASCRIBE_NEON 1
#include "kernels/cpu/rows_body.h"

namespace ascribe::cpu {
extern const RowKernels rowsNeon;
const RowKernels rowsNeon = makeRowKernels();
}  // namespace ascribe::cpu
#endif
