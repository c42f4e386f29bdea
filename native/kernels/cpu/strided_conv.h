#pragma once
#include <memory>

#include "kernels/kernel.h"

namespace ascribe::cpu {

/// A convolution at a stride of 2 over values in blocks as wide as this machine's vectors, with known weights, where blocks are so much
/// wider than its channels that a library which fills them up multiplies a quarter more than there is: `conv` or `fusedConv`. Null where
/// it does not fit. The values of an image depend neither on its batch mates nor on threads.
std::unique_ptr<Kernel> makeStridedConv(const NodeSignature& signature);

}  // namespace ascribe::cpu
