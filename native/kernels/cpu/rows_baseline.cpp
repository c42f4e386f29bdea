#include "kernels/cpu/rows_body.h"

namespace ascribe::cpu {
extern const RowKernels rowsBaseline;
const RowKernels rowsBaseline = makeRowKernels();
}  // namespace ascribe::cpu
