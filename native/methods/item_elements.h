#pragma once
#include <cstdint>

#include "graph/shape.h"

namespace ascribe {

/// Elements below which another thread costs more than it brings.
inline constexpr int64_t kItemGrain = 1 << 14;

/// Of one item of a batch.
inline int64_t itemElements(const Shape& batched) { return batched.count(1, batched.rank()); }

}  // namespace ascribe
