#if defined(__x86_64__)
#include "kernels/cpu/rows_body.h"

namespace ascribe::cpu {
extern const RowKernels rowsAvx512;
const RowKernels rowsAvx512 = makeRowKernels();
}  // namespace ascribe::cpu
#endif
