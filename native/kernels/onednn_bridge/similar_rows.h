#pragma once
#include <memory>

#include "kernels/backend_abi.h"
#include "kernels/kernel.h"

namespace ascribe::onednn_bridge {

/// A convolution from planes over copies of one example: of each but the first, the sums are those of the copy before, brought up
/// to date where numbers differ, as long as few do. Null where no pass has marked the node so (mark-similar-rows), or it does not fit. `direct`
/// describes the convolution (ASCRIBE_CONVOLUTION) over all images.
///
/// Sums differ in their last bits by what the copies before were: results across batch sizes agree within rounding, not to the bit.
std::unique_ptr<Kernel> makeSimilarRows(const NodeSignature& signature, const AscribeOperation& direct, const HostTensor* weights, double flops);

}  // namespace ascribe::onednn_bridge
