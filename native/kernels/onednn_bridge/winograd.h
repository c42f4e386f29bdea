#pragma once
#include <memory>

#include "kernels/backend_abi.h"
#include "kernels/kernel.h"

namespace ascribe::onednn_bridge {

/// A convolution of 3x3 at stride 1 by Winograd's algorithm, which needs a half to a quarter of the multiplications; null
/// where it does not fit or would not pay, or the weights are not known. `direct` describes the convolution
/// (ASCRIBE_CONVOLUTION) over all images. The values of an image depend neither on its batch mates nor on threads.
std::unique_ptr<Kernel> makeWinograd(std::string_view what, const AscribeOperation& direct, const HostTensor* weights, double flops);

/// The data gradient of such a convolution, which is one too: of turned weights.
std::unique_ptr<Kernel> makeWinogradGradient(const AscribeOperation& data, const HostTensor* weights, double flops);

}  // namespace ascribe::onednn_bridge
