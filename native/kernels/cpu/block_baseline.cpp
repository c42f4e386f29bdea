#include "kernels/cpu/block_portable.h"

namespace ascribe::cpu {
extern const BlockKernels blocksBaseline;
const BlockKernels blocksBaseline = makeBlockKernels<PortableLanes, 4, 4>("baseline");
}  // namespace ascribe::cpu
