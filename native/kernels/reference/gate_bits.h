#pragma once
#include "kernels/kernel.h"

namespace ascribe::reference {

/// `gateBits` and `bitGateGrad`, which other ops have in them.
void gateBits(const KernelArguments& k, const Node& node);
void bitGateGrad(const KernelArguments& k, const Node& node);

}  // namespace ascribe::reference
