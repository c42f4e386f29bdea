#include <vector>

#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

AxisView rowsOf(const Shape& shape, const Node& node) { return shape.rank() ? aroundAxis(shape, node.attributes.integer("axis")) : AxisView{}; }

template <bool Logarithm>
void softmax(const KernelArguments& k, const Node& node) {
  const AxisView v = rowsOf(k.inputs[0].shape, node);
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const T* x = k.inputs[0].as<T>();
    T* y = k.outputs[0].as<T>();
    for (int64_t o = 0; o < v.outer; ++o)
      for (int64_t i = 0; i < v.inner; ++i) {
        const auto index = [&](int64_t s) { return (o * v.size + s) * v.inner + i; };
        W largest(-std::numeric_limits<double>::infinity()), sum(0);
        for (int64_t s = 0; s < v.size; ++s)
          if (W(x[index(s)]) > largest || isnan(x[index(s)])) largest = W(x[index(s)]);
        for (int64_t s = 0; s < v.size; ++s) sum += exp(W(x[index(s)]) - largest);
        for (int64_t s = 0; s < v.size; ++s) {
          const W shifted = W(x[index(s)]) - largest;
          y[index(s)] = narrow<T>(Logarithm ? shifted - log(sum) : exp(shifted) / sum);
        }
      }
  });
}

/// (g [K, ...y], y): y (g - <g, y>), or g - softmax <g, 1> for the logarithm
template <bool Logarithm>
void softmaxGrad(const KernelArguments& k, const Node& node) {
  const TensorRef &g = k.inputs[0], &y = k.inputs[1];
  const AxisView v = rowsOf(y.shape, node);
  const int64_t count = y.count();
  onFloating(g.dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    for (int64_t q = 0; q < g.shape[0]; ++q)
      for (int64_t o = 0; o < v.outer; ++o)
        for (int64_t i = 0; i < v.inner; ++i) {
          const auto index = [&](int64_t s) { return (o * v.size + s) * v.inner + i; };
          W inner(0);
          for (int64_t s = 0; s < v.size; ++s) inner += Logarithm ? W(g.as<T>()[q * count + index(s)]) : W(g.as<T>()[q * count + index(s)]) * W(y.as<T>()[index(s)]);
          for (int64_t s = 0; s < v.size; ++s) {
            const W here(g.as<T>()[q * count + index(s)]), value(y.as<T>()[index(s)]);
            k.outputs[0].as<T>()[q * count + index(s)] = narrow<T>(Logarithm ? here - exp(value) * inner : value * (here - inner));
          }
        }
  });
}

/// Probabilities of one query row against all keys.
template <class T>
void probabilities(const KernelArguments& k, const Node& node, size_t first, int64_t head, int64_t row, int64_t maskOffset, std::vector<Wide<T>>& p) {
  using W = Wide<T>;
  const TensorRef &q = k.inputs[first], &key = k.inputs[first + 1];
  const int64_t queries = q.shape.at(-2), keys = key.shape.at(-2), depth = q.shape.at(-1);
  const bool causal = node.attributes.integer("causal") != 0;
  W largest(-std::numeric_limits<double>::infinity()), sum(0);
  for (int64_t j = 0; j < keys; ++j) {
    W score(0);
    for (int64_t d = 0; d < depth; ++d) score += W(q.as<T>()[(head * queries + row) * depth + d]) * W(key.as<T>()[(head * keys + j) * depth + d]);
    score = score * node.attributes.real("scale");
    if (k.has(first + 3)) score = score + W(k.inputs[first + 3].as<T>()[maskOffset + (k.inputs[first + 3].shape.at(-1) == 1 ? 0 : j)]);
    // A causal row sees the keys up to its own, the sequences aligned at their ends.
    if (causal && j - keys > row - queries) score = W(-std::numeric_limits<double>::infinity());
    p[static_cast<size_t>(j)] = score;
    if (score > largest) largest = score;
  }
  for (W& value : p) sum += value = exp(value - largest);
  for (W& value : p) value = value / sum;
}
/// body(head, query row, offset of the mask's row) over all leading axes.
template <class Body>
void walkRows(const KernelArguments& k, size_t first, Body&& body) {
  const Shape& q = k.inputs[first].shape;
  Shape rows(q.dims().first(static_cast<size_t>(q.rank() - 1)));
  Strides strides{};
  if (k.has(first + 3)) {
    const Shape& mask = k.inputs[first + 3].shape;
    const Strides own = rowMajor(mask);
    for (int axis = 0; axis < rows.rank(); ++axis) {
      const int aligned = axis - q.rank() + mask.rank();
      if (aligned >= 0 && mask[aligned] != 1) strides[static_cast<size_t>(axis)] = own[static_cast<size_t>(aligned)];
    }
  }
  walk<1>(rows, {strides}, [&](int64_t i, const auto& at) { body(i / q.at(-2), i % q.at(-2), at[0]); });
}
template <bool Observed>
void attention(const KernelArguments& k, const Node& node) {
  const TensorRef& v = k.inputs[2];
  const int64_t keys = v.shape.at(-2), width = v.shape.at(-1), queries = k.inputs[0].shape.at(-2);
  onFloating(v.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<Wide<T>> p(static_cast<size_t>(keys)), looks(Observed ? static_cast<size_t>(k.outputs[1].count()) : 0, Wide<T>(0));
    walkRows(k, 0, [&](int64_t head, int64_t row, int64_t maskOffset) {
      probabilities<T>(k, node, 0, head, row, maskOffset, p);
      if constexpr (Observed) {
        const int64_t rows = k.inputs[4].shape[0], at = head * queries + row;
        const Wide<T> weight(k.inputs[4].as<T>()[at % rows]);
        for (int64_t j = 0; j < keys; ++j) looks[static_cast<size_t>(at / rows * keys + j)] += weight * p[static_cast<size_t>(j)];
      }
      for (int64_t e = 0; e < width; ++e) {
        Wide<T> sum(0);
        for (int64_t j = 0; j < keys; ++j) sum += p[static_cast<size_t>(j)] * Wide<T>(v.as<T>()[(head * keys + j) * width + e]);
        k.outputs[0].as<T>()[(head * queries + row) * width + e] = narrow<T>(sum);
      }
    });
    for (size_t i = 0; i < looks.size(); ++i) k.outputs[1].as<T>()[i] = narrow<T>(looks[i]);
  });
}
/// (g [K, ...y], q, k, v, mask?): with s = p (g vᵀ - <p, g vᵀ>): dq = scale s k, dk = scale sᵀ q, dv = pᵀ g
void attentionGrad(const KernelArguments& k, const Node& node) {
  const TensorRef &g = k.inputs[0], &q = k.inputs[1], &key = k.inputs[2], &v = k.inputs[3];
  const int64_t heads = q.shape.count(0, q.shape.rank() - 2), queries = q.shape.at(-2), keys = key.shape.at(-2), depth = q.shape.at(-1), width = v.shape.at(-1);
  const double scale = node.attributes.real("scale");
  onFloating(g.dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    std::vector<W> p(static_cast<size_t>(keys)), s(p.size());
    for (int64_t c = 0; c < g.shape[0]; ++c) {
      std::vector<W> dq(static_cast<size_t>(q.count()), W(0)), dk(static_cast<size_t>(key.count()), W(0)), dv(static_cast<size_t>(v.count()), W(0));
      walkRows(k, 1, [&](int64_t head, int64_t row, int64_t maskOffset) {
        probabilities<T>(k, node, 1, head, row, maskOffset, p);
        const int64_t out = (c * heads + head) * queries + row;
        W inner(0);
        for (int64_t j = 0; j < keys; ++j) {
          W sum(0);
          for (int64_t e = 0; e < width; ++e) {
            const W gradient(g.as<T>()[out * width + e]);
            sum += gradient * W(v.as<T>()[(head * keys + j) * width + e]);
            dv[static_cast<size_t>((head * keys + j) * width + e)] += p[static_cast<size_t>(j)] * gradient;
          }
          s[static_cast<size_t>(j)] = sum;
          inner += p[static_cast<size_t>(j)] * sum;
        }
        for (int64_t j = 0; j < keys; ++j) {
          const W weight = p[static_cast<size_t>(j)] * (s[static_cast<size_t>(j)] - inner) * scale;
          for (int64_t d = 0; d < depth; ++d) {
            dq[static_cast<size_t>((head * queries + row) * depth + d)] += weight * W(key.as<T>()[(head * keys + j) * depth + d]);
            dk[static_cast<size_t>((head * keys + j) * depth + d)] += weight * W(q.as<T>()[(head * queries + row) * depth + d]);
          }
        }
      });
      const auto store = [&](const std::vector<W>& sums, const TensorRef& to) {
        for (size_t i = 0; i < sums.size(); ++i) to.as<T>()[static_cast<size_t>(c) * sums.size() + i] = narrow<T>(sums[i]);
      };
      store(dq, k.outputs[0]);
      store(dk, k.outputs[1]);
      store(dv, k.outputs[2]);
    }
  });
}

const Registered kernels[] = {
    {"softmax", softmax<false>, floating},         {"logSoftmax", softmax<true>, floating},
    {"softmaxGrad", softmaxGrad<false>, floating}, {"logSoftmaxGrad", softmaxGrad<true>, floating},
    {"attention", attention<false>, floating},     {"attentionGrad", attentionGrad, floating},
    {"observedAttention", attention<true>, floating},
};

}  // namespace
}  // namespace ascribe::reference
