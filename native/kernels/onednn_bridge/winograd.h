#pragma once
#include <memory>

#include "kernels/backend_abi.h"
#include "kernels/kernel.h"

namespace ascribe::onednn_bridge {

/// Large: tiles of 4x4 results alone, on planes that hold many of them, where they are faster than our own smaller ones.
enum class Tiles { Any, Large };

/// A convolution of 3x3 at stride 1 by Winograd's algorithm, which needs a half to a quarter of the multiplications; null
/// where it does not fit or would not pay, or the weights are not known. `direct` describes the convolution
/// (ASCRIBE_CONVOLUTION) over all images. The values of an image depend neither on its batch mates nor on threads.
std::unique_ptr<Kernel> makeWinograd(std::string_view what, const AscribeOperation& direct, const HostTensor* weights, double flops, Tiles tiles);

/// The data gradient of such a convolution, which is one too: of turned weights.
std::unique_ptr<Kernel> makeWinogradGradient(const AscribeOperation& data, const HostTensor* weights, double flops, Tiles tiles);

/// Whether the first of them, or the second, would give a kernel.
bool takesWinograd(const AscribeOperation& direct, double flops, Tiles tiles);
bool takesWinogradGradient(const AscribeOperation& data, double flops, Tiles tiles);

}  // namespace ascribe::onednn_bridge
