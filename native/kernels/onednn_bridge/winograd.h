#pragma once
#include <memory>

#include "kernels/kernel.h"
#include "kernels/backend_abi.h"

namespace ascribe::onednn_bridge {

/// A convolution of 3x3 at stride 1 by Winograd's algorithm, which needs a half to a quarter of the multiplications; null
/// where it does not fit or would not pay. `direct` describes the convolution (ASCRIBE_CONVOLUTION) over all images,
/// `weights` are its own, row-major. The values of an image depend neither on its batch mates nor on threads.
std::unique_ptr<Kernel> makeWinograd(std::string_view what, const AscribeOperation& direct, const void* weights, double flops);

/// The data gradient of such a convolution, which is one too: of turned weights.
std::unique_ptr<Kernel> makeWinogradGradient(const AscribeOperation& data, const void* weights, double flops);

}  // namespace ascribe::onednn_bridge
