#pragma once
#include <memory>

#include "kernels/cpu/gemm.h"
#include "kernels/kernel.h"

namespace ascribe::cpu {

/// Weights on the right of a product: where they lie, in their storage type, and packed where that pays.
struct ProductWeights {
  /// @param operand Index of the weights among the node's operands.
  /// @param shape Theirs; the last two axes are the matrix, depth x columns or transposed.
  ProductWeights(const NodeSignature& s, size_t operand, const Shape& shape, bool isTransposed, int64_t rows, const GemmKernels& kernels) {
    depth = isTransposed ? shape.at(-1) : shape.at(-2);
    columns = isTransposed ? shape.at(-2) : shape.at(-1);
    source = {nullptr, isTransposed ? depth : columns, isTransposed, s.inputs[operand].dtype};
    // A few rows read the matrix once, from where it lies: packing it would gain nothing. Rounded to bf16 it is half as
    // large, or not to be rounded again; blocks stay as small as they are.
    const bool isPacked = multipliesBf16(s.node) ? !isBlocked(source.dtype) : source.dtype == DType::F32 && rows > 4;
    const HostTensor* known = s.constants[operand];
    if (!isPacked || !known || !known->data() || shape.count(0, shape.rank() - 2) != 1) return;
    MatrixSource whole = source;
    whole.data = known->data();
    packed = packedOnce(kernels, Side::B, whole, columns, depth, known->identity());
  }
  ProductWeights() = default;
  /// As this run gives them.
  MatrixSource at(const TensorRef& operand) const { return {operand.data, source.stride, source.transposed, source.dtype}; }

  int64_t depth = 0, columns = 0;
  MatrixSource source;
  std::shared_ptr<const PackedMatrix> packed;
};

}  // namespace ascribe::cpu
