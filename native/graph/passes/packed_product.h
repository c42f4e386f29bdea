#pragma once
#include "graph/blocks.h"
#include "graph/graph.h"
#include "graph/op.h"
#include "kernels/kernel.h"

namespace ascribe::passes {

/// x w or x w^T: the rows of x as they lie.
inline bool isProduct(const Node* node) { return node && (node->op->name == "matMul" || node->op->name == "storedMatMul") && !node->attributes.integer("transposeA"); }

/// One matrix of weights on the right, which kernels pack once for all rows and runs.
inline bool hasPackedWeights(const Graph& graph, const Node& product) {
  const HostTensor* constant = graph.constant(product.inputs[1]);
  if (!constant || !constant->data() || graph.shape(product.inputs[1]).rank() != 2) return false;
  return multipliesBf16(product) ? !isBlocked(constant->dtype()) : constant->dtype() == DType::F32;
}

}  // namespace ascribe::passes
