#pragma once
#include <string_view>

#include "graph/graph.h"

namespace ascribe {

/// Channels per block; 0 for layouts without blocks.
int blockOf(Layout layout);
std::string_view nameOf(Layout layout);
/// Throws MODEL_INVALID for a name that is none.
Layout layoutFromName(std::string_view name);

/// The value as the row-major array that lies in memory: [N…, C, spatial…] in blocks of b is
/// [N…, ceil(C/b), spatial…, b].
Shape storedShape(const ValueType& type);
/// Channels fill the last block only in part; what lies beyond them is zero.
bool hasPaddedChannels(const ValueType& type);
/// Equal bytes at equal shapes.
bool sameLayout(const ValueType& a, const ValueType& b);

}  // namespace ascribe
