#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "graph/dtype.h"
#include "kernels/kernel.h"
#include "runtime/device.h"

namespace ascribe {

/// The kernel backends of a plan, in order of preference. Empty request: all that the device runs, fastest first; double
/// and dual plans run on the reference kernels alone. Throws BACKEND_UNAVAILABLE for a name that was asked for and is not
/// there.
/// Throws PRECISION_UNAVAILABLE where products of bf16 or int8 are asked for and cannot be had.
void requireProducts(DType products, const std::vector<std::string_view>& backends);

std::vector<std::string_view> resolveBackends(const std::vector<std::string>& requested, DType precision, const Device& device);

/// The kernel for one typed node; throws BACKEND_UNAVAILABLE where no backend takes it.
std::unique_ptr<Kernel> kernelFor(const Graph& graph, const Node& node, std::span<const std::string_view> backends);

}  // namespace ascribe
