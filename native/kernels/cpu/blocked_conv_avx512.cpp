#if defined(__x86_64__)
#include "kernels/cpu/blocked_conv_body.h"
#include "kernels/cpu/similar_rows_body.h"
#include "kernels/cpu/strided_conv_body.h"

namespace ascribe::cpu {
extern const BlockedConvKernels blockedConvAvx512;
const BlockedConvKernels blockedConvAvx512 = makeBlockedConvKernels();
extern const SimilarRowsKernels similarRowsAvx512;
const SimilarRowsKernels similarRowsAvx512 = makeSimilarRowsKernels();
extern const StridedConvKernels stridedConvAvx512;
const StridedConvKernels stridedConvAvx512 = makeStridedConvKernels();
}  // namespace ascribe::cpu
#endif
