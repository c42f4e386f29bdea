#pragma once
#include "graph/host_tensor.h"

namespace ascribe {

/// Element by element into another dtype; floating to floating, or any to floating.
HostTensor convert(const HostTensor& tensor, DType to);
/// The same over raw memory. `count` elements; source and destination do not overlap. Unaligned sources are fine.
void convertElements(const void* source, DType from, void* destination, DType to, int64_t count);

}  // namespace ascribe
