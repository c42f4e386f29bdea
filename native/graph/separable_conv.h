#pragma once
#include <optional>

#include "graph/graph.h"

namespace ascribe {

/// The nodes that a separableConv stands for: perhaps a fusedConv of 1 x 1 (x, w, bias?), then a depthwise one over what it gives
/// (that or x, w, bias?), and one of 1 x 1 over what that gives (that, w, bias?, residual?).
struct SeparableParts {
  std::optional<Node> widening;
  Node depthwise, pointwise;
};
SeparableParts separableParts(const Node& node);
/// What a part gives: lies as x does, with as many channels as its weights have rows, over the planes of `plane`.
ValueType betweenParts(const ValueType& x, const ValueType& weights, const ValueType& plane);

}  // namespace ascribe
