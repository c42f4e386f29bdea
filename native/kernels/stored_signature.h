#pragma once
#include <optional>
#include <vector>

#include "kernels/kernel.h"

namespace ascribe {

/// A node over blocked values, described as a node over the plain arrays that lie in memory: [N, C, H, W] in blocks
/// of 16 is [N, C/16, H, W, 16] to it. So every kernel of an elementwise op, and those that only move whole blocks,
/// serve the blocked layouts without knowing them.
struct StoredSignature {
  Node node;
  std::vector<ValueType> inputs, outputs;
  std::vector<const HostTensor*> constants;

  NodeSignature signature() const { return {node, inputs, outputs, constants}; }
};

/// Empty where the op or an operand cannot be seen that way: operands of other layouts, plain operands with channels
/// unless these lie as in the blocks, channels that are cut or joined inside a block. The caller minds that what the
/// op makes of the zeros behind the last channel is zero again (keepsZero).
std::optional<StoredSignature> storedSignature(const NodeSignature& signature);

/// An operand of this type can be read by a node whose result lies like `result`.
bool readableBeside(const ValueType& operand, const ValueType& result);

/// The op gives 0 where its operands of `result`'s layout are 0, whatever the others hold (but NaN and infinity).
bool keepsZero(const NodeSignature& signature);

/// Runs a kernel made for storedSignature() of the node.
std::unique_ptr<Kernel> makeStoredKernel(std::unique_ptr<Kernel> kernel, const StoredSignature& stored);

}  // namespace ascribe
