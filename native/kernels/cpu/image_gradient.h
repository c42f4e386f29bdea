#pragma once
#include <memory>

#include "kernels/kernel.h"

namespace ascribe::cpu {

/// `convDataGradient` into an image of up to four channels, which is plain, from a gradient in blocks as wide as this machine's
/// vectors, with known weights. For the backend that works in blocks to choose (onednn).
bool takesImageGradient(const NodeSignature& signature);
std::unique_ptr<Kernel> makeImageGradient(const NodeSignature& signature);

}  // namespace ascribe::cpu
