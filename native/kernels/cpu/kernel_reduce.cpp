#include <limits>
#include <vector>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/reduction.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

std::vector<char> droppedAxes(const Shape& x, const Node& node) {
  std::vector<char> dropped(static_cast<size_t>(x.rank()), 0);
  for (int64_t axis : node.attributes.integers("axes")) dropped[static_cast<size_t>(normaliseAxis(axis, x.rank()))] = 1;
  return dropped;
}
void sums(const KernelArguments& k, const Node& node, bool mean) {
  const Shape& shape = k.inputs[0].shape;
  const float* x = k.inputs[0].as<float>();
  float* y = k.outputs[0].as<float>();
  const RowKernels& rows = *kernels().rows;
  const std::vector<char> dropped = droppedAxes(shape, node);
  const int64_t results = k.outputs[0].count();
  const double divisor = mean && results ? static_cast<double>(shape.count() / results) : 1;
  Group v;
  if (!groupOf(shape, dropped, v)) {
    std::vector<double> totals(static_cast<size_t>(results), 0.0);
    overRows(shape, dropped, [&](int64_t from, int64_t to, int64_t step, int64_t n) {
      if (step) rows.addTo(totals.data() + to, x + from, n);
      else totals[static_cast<size_t>(to)] += rows.sum(x + from, n);
    });
    for (int64_t i = 0; i < results; ++i) y[i] = static_cast<float>(totals[static_cast<size_t>(i)] / divisor);
    return;
  }
  if (v.inner == 1) {
    parallelFor(v.outer, grainFor(v.size), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) y[o] = static_cast<float>(rows.sum(x + o * v.size, v.size) / divisor);
    });
    return;
  }
  const int64_t blocks = (v.inner + kColumns - 1) / kColumns;
  parallelFor(v.outer * blocks, grainFor(v.size * kColumns), [&](int64_t begin, int64_t end) {
    double total[kColumns];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t o = item / blocks, first = item % blocks * kColumns, n = std::min(kColumns, v.inner - first);
      rows.columnSums(x + o * v.size * v.inner + first, nullptr, v.size, v.inner, n, total);
      for (int64_t i = 0; i < n; ++i) y[o * v.inner + first + i] = static_cast<float>(total[i] / divisor);
    }
  });
}
void sum(const KernelArguments& k, const Node& node) { sums(k, node, false); }
void mean(const KernelArguments& k, const Node& node) { sums(k, node, true); }

/// NaN wins over everything, as it does in the reference.
template <bool Maximum>
float better(float held, float x) {
  return held != held ? held : x != x || (Maximum ? x > held : x < held) ? x : held;
}
template <bool Maximum>
void extremum(const KernelArguments& k, const Node& node) {
  const Shape& shape = k.inputs[0].shape;
  const float* x = k.inputs[0].as<float>();
  float* y = k.outputs[0].as<float>();
  const RowKernels& rows = *kernels().rows;
  const std::vector<char> dropped = droppedAxes(shape, node);
  Group v;
  if (groupOf(shape, dropped, v) && v.inner == 1) {
    parallelFor(v.outer, grainFor(v.size), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) y[o] = (Maximum ? rows.max : rows.min)(x + o * v.size, v.size);
    });
    return;
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::fill_n(y, k.outputs[0].count(), Maximum ? -kInfinity : kInfinity);
  overRows(shape, dropped, [&](int64_t from, int64_t to, int64_t step, int64_t n) {
    if (step)
      for (int64_t i = 0; i < n; ++i) y[to + i] = better<Maximum>(y[to + i], x[from + i]);
    else y[to] = better<Maximum>(y[to], (Maximum ? rows.max : rows.min)(x + from, n));
  });
}
/// What an empty reduction gives is left to the reference.
bool takesElements(const NodeSignature& s) { return takesF32(s) && s.inputs[0].shape.count() > 0; }

const RegisterKernelFunction registered[] = {
    {"sum", "cpu", sum, takesElements},
    {"mean", "cpu", mean, takesElements},
    {"reduceMax", "cpu", extremum<true>, takesElements},
    {"reduceMin", "cpu", extremum<false>, takesElements},
};

}  // namespace
}  // namespace ascribe::cpu
