#pragma once
#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace ascribe::reference {

/// One output position along one axis as a weighted sum of input positions. Resizing is linear and separable, so
/// these weights are all there is to it, forwards and backwards.
struct Contribution {
  std::vector<int64_t> from;
  std::vector<double> weight;
};

/// All contributions of every axis of `x` resized to `y`, by a resize's attributes or those of its gradient. Empty where a
/// position reads outside of a cropped picture.
std::vector<std::vector<Contribution>> contributions(const Node& node, const Shape& x, const Shape& y);

}  // namespace ascribe::reference
