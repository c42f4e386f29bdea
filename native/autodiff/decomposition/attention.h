#pragma once
#include <vector>

#include "graph/builder.h"

namespace ascribe {

/// attention(q, k, v, mask?) as products and a softmax.
std::vector<ValueId> decomposeAttention(Builder& b, const Node& node);

}  // namespace ascribe
