#if defined(__x86_64__)
#include "kernels/cpu/blocked_conv_body.h"

namespace ascribe::cpu {
extern const BlockedConvKernels blockedConvAvx512;
const BlockedConvKernels blockedConvAvx512 = makeBlockedConvKernels();
}  // namespace ascribe::cpu
#endif
