#include <vector>

#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

/// (q, k, positions, head weights?, mask?): see the op.
void attentionRows(const KernelArguments& k, const Node& node) {
  const TensorRef &q = k.inputs[0], &key = k.inputs[1], &positions = k.inputs[2];
  const int64_t items = q.shape[0], heads = q.shape[1], rows = q.shape[2], depth = q.shape[3], groups = key.shape[1], keys = key.shape[2];
  const double scale = node.attributes.real("scale");
  const bool causal = node.attributes.integer("causal") != 0, keepsRows = node.attributes.integer("keepRows") != 0;
  const int64_t window = node.attributes.integer("window");
  Strides maskStrides{};
  if (k.has(4)) {
    const Shape& mask = k.inputs[4].shape;
    const Strides own = rowMajor(mask);
    for (int axis = 0; axis < 4; ++axis) {
      const int aligned = axis - 4 + mask.rank();
      if (aligned >= 0 && mask[aligned] != 1) maskStrides[static_cast<size_t>(axis)] = own[static_cast<size_t>(aligned)];
    }
  }
  onFloating(q.dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    std::vector<W> total(static_cast<size_t>(items * (keepsRows ? rows : 1) * keys), W(0)), p(static_cast<size_t>(keys));
    for (int64_t n = 0; n < items; ++n)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t position = positions.dtype == DType::I64 ? positions.as<int64_t>()[r] : positions.as<int32_t>()[r];
          const auto sees = [&](int64_t j) { return !causal || (j <= position && (window == 0 || j > position - window)); };
          const T* query = q.as<T>() + ((n * heads + h) * rows + r) * depth;
          const T* own = key.as<T>() + (n * groups + h / (heads / groups)) * keys * depth;
          W largest(-std::numeric_limits<double>::infinity()), sum(0);
          for (int64_t j = 0; j < keys; ++j) {
            if (!sees(j)) continue;
            W score(0);
            for (int64_t d = 0; d < depth; ++d) score += W(query[d]) * W(own[j * depth + d]);
            score = score * scale;
            if (k.has(4)) score = score + W(k.inputs[4].as<T>()[n * maskStrides[0] + h * maskStrides[1] + r * maskStrides[2] + j * maskStrides[3]]);
            p[static_cast<size_t>(j)] = score;
            if (score > largest) largest = score;
          }
          for (int64_t j = 0; j < keys; ++j)
            if (sees(j)) sum += p[static_cast<size_t>(j)] = exp(p[static_cast<size_t>(j)] - largest);
          const W weight = k.has(3) ? W(k.inputs[3].as<T>()[h]) : W(1);
          W* to = total.data() + (keepsRows ? n * rows + r : n) * keys;
          for (int64_t j = 0; j < keys; ++j)
            if (sees(j)) to[j] += weight * p[static_cast<size_t>(j)] / sum;
        }
    for (size_t i = 0; i < total.size(); ++i) k.outputs[0].as<T>()[i] = narrow<T>(total[i]);
  });
}

const Registered kernel{"attentionRows", attentionRows, floating};

}  // namespace
}  // namespace ascribe::reference
