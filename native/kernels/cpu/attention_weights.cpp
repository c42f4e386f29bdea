#include "kernels/cpu/attention_weights.h"

namespace ascribe::cpu {

#if defined(__x86_64__)
extern const WeightKernel weightsAvx512Bf16;
const WeightKernel* weightKernel(const IsaKernels& isa) { return isa.isa == Isa::Avx512Bf16 ? &weightsAvx512Bf16 : nullptr; }
#else
const WeightKernel* weightKernel(const IsaKernels&) { return nullptr; }
#endif

}  // namespace ascribe::cpu
