#pragma once
#include <memory>

#include "kernels/cpu/blocked_conv_kernels.h"
#include "kernels/kernel.h"

namespace ascribe::cpu {

/// A convolution of 1 x 1, one of 3 x 3 by Winograd's algorithm, or a depthwise one of 3 x 3 or 5 x 5, over values in blocks as wide
/// as this machine's vectors, with known weights: `conv` or `fusedConv`. Null where it does not fit. The values of an image depend neither on its batch mates nor on
/// threads. For a backend that works in blocks to choose (onednn): alone it would have nothing beside it that does.
std::unique_ptr<Kernel> makeBlockedConv(const NodeSignature& signature);
/// The same for `convDataGradient`, at a stride of 1; depthwise at one of 2 too.
std::unique_ptr<Kernel> makeBlockedConvGradient(const NodeSignature& signature);
/// A convolution that writes the bits of gates in (low, high) beside its results, its second output; and a gradient with a residual
/// and bits as its operands 3 and 4, either of which may be absent. `signature` is that of the node without: a `conv`, `fusedConv` or
/// `convDataGradient`, with the residual.
bool takesGatedConv(const NodeSignature& signature);
std::unique_ptr<Kernel> makeGatedConv(const NodeSignature& signature, float low, float high);
bool takesGatedConvGradient(const NodeSignature& signature);
/// `gateElements`: of how many results there are bits, those of all images of one cotangent.
std::unique_ptr<Kernel> makeGatedConvGradient(const NodeSignature& signature, int64_t gateElements);
/// What the epilogue of a `fusedConv` makes of a sum; nothing for a `conv`.
Finish finishOf(const NodeSignature& signature);

/// `separableConv` over such values: rows of the depthwise half are made, some at a time, where the half of 1 x 1 reads them.
std::unique_ptr<Kernel> makeSeparableConv(const NodeSignature& signature);
bool takesSeparableConv(const NodeSignature& signature);

}  // namespace ascribe::cpu
