#pragma once
#include "graph/graph.h"

namespace ascribe {

/// The two nodes that a separableConv stands for: a depthwise fusedConv (x, w, bias?), and a fusedConv of 1 x 1 over what it gives
/// (that, w, bias?, residual?).
struct SeparableHalves {
  Node depthwise, pointwise;
};
SeparableHalves separableHalves(const Node& node);
/// What lies between them, by the types of x, of the depthwise weights and of the result.
ValueType betweenHalves(const ValueType& x, const ValueType& weights, const ValueType& y);

}  // namespace ascribe
