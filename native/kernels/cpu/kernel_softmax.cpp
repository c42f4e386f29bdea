#include <cmath>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

/// A tensor seen as [outer, size, inner] around the axis, which is counted from the end.
struct Around {
  int64_t outer = 1, size = 1, inner = 1;
};
Around around(const Shape& shape, const Node& node) {
  if (shape.rank() == 0) return {};
  const int axis = normaliseAxis(node.attributes.integer("axis"), shape.rank());
  return {shape.count(0, axis), shape[axis], shape.count(axis + 1, shape.rank())};
}

/// Rows that are worth a thread of their own.
int64_t rowGrain(int64_t elements) { return std::max<int64_t>(1, 4096 / std::max<int64_t>(elements, 1)); }
/// Neighbouring columns that one call takes: enough for whole vectors, few enough to stay in the first cache.
constexpr int64_t kColumns = 64;

template <bool Logarithm>
void softmax(const KernelArguments& k, const Node& node) {
  const Around v = around(k.inputs[0].shape, node);
  const float* x = k.inputs[0].as<float>();
  float* y = k.outputs[0].as<float>();
  const RowKernels& rows = *kernels().rows;
  if (k.outputs[0].count() == 0) return;
  if (v.inner == 1) {
    parallelFor(v.outer, rowGrain(v.size), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) (Logarithm ? rows.logSoftmax : rows.softmax)(x + o * v.size, y + o * v.size, v.size);
    });
    return;
  }
  const int64_t blocks = (v.inner + kColumns - 1) / kColumns;
  parallelFor(v.outer * blocks, rowGrain(v.size * kColumns), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item % blocks * kColumns, at = item / blocks * v.size * v.inner + first;
      rows.softmaxColumns(x + at, y + at, v.size, v.inner, std::min(kColumns, v.inner - first), Logarithm);
    }
  });
}

/// g [K, ...y], y
template <bool Logarithm>
void softmaxGrad(const KernelArguments& k, const Node& node) {
  const Shape& shape = k.inputs[1].shape;
  const Around v = around(shape, node);
  const float *g = k.inputs[0].as<float>(), *y = k.inputs[1].as<float>();
  float* out = k.outputs[0].as<float>();
  const RowKernels& rows = *kernels().rows;
  const int64_t count = shape.count(), cotangents = k.inputs[0].shape[0];
  if (k.outputs[0].count() == 0) return;
  if (v.inner == 1) {
    parallelFor(cotangents * v.outer, rowGrain(v.size), [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) {
        const int64_t from = item % v.outer * v.size, at = item / v.outer * count + from;
        rows.softmaxGrad(g + at, y + from, out + at, v.size, Logarithm);
      }
    });
    return;
  }
  const int64_t blocks = (v.inner + kColumns - 1) / kColumns, perCotangent = v.outer * blocks;
  parallelFor(cotangents * perCotangent, rowGrain(v.size * kColumns), [&](int64_t begin, int64_t end) {
    double total[kColumns];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item % blocks * kColumns, n = std::min(kColumns, v.inner - first);
      const int64_t from = item % perCotangent / blocks * v.size * v.inner + first, at = item / perCotangent * count + from;
      std::fill_n(total, n, 0.0);
      for (int64_t s = 0; s < v.size; ++s)
        for (int64_t i = 0; i < n; ++i) {
          const double gradient = static_cast<double>(g[at + s * v.inner + i]);
          total[i] += Logarithm ? gradient : gradient * static_cast<double>(y[from + s * v.inner + i]);
        }
      for (int64_t s = 0; s < v.size; ++s)
        for (int64_t i = 0; i < n; ++i) {
          const double gradient = static_cast<double>(g[at + s * v.inner + i]), value = static_cast<double>(y[from + s * v.inner + i]);
          out[at + s * v.inner + i] = static_cast<float>(Logarithm ? gradient - std::exp(value) * total[i] : value * (gradient - total[i]));
        }
    }
  });
}

const RegisterKernelFunction registered[] = {
    {"softmax", "cpu", softmax<false>, takesF32},
    {"logSoftmax", "cpu", softmax<true>, takesF32},
    {"softmaxGrad", "cpu", softmaxGrad<false>, takesF32},
    {"logSoftmaxGrad", "cpu", softmaxGrad<true>, takesF32},
};

}  // namespace
}  // namespace ascribe::cpu
