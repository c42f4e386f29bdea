#include <limits>
#include <vector>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/strides.h"

namespace ascribe::cpu {
namespace {

/// A reduction over neighbouring axes: [outer, reduced, inner].
struct Group {
  int64_t outer = 1, size = 1, inner = 1;
};
std::vector<char> droppedAxes(const Shape& x, const Node& node) {
  std::vector<char> dropped(static_cast<size_t>(x.rank()), 0);
  for (int64_t axis : node.attributes.integers("axes")) dropped[static_cast<size_t>(normaliseAxis(axis, x.rank()))] = 1;
  return dropped;
}
/// False where the axes do not lie together.
bool groupOf(const Shape& x, const std::vector<char>& dropped, Group& out) {
  int stage = 0;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (x[axis] == 1) continue;
    const bool isDropped = dropped[static_cast<size_t>(axis)];
    if (stage == 0 && isDropped) stage = 1;
    if (stage == 1 && !isDropped) stage = 2;
    if (stage == 2 && isDropped) return false;
    (stage == 0 ? out.outer : stage == 1 ? out.size : out.inner) *= x[axis];
  }
  return true;
}

/// body(row of x, first element of y that it meets, 1 or 0: the step in y along the row, elements) for every row along
/// the last axis, in order.
template <class Body>
void overRows(const Shape& x, const std::vector<char>& dropped, Body&& body) {
  Strides strides{};
  int64_t step = 1;
  for (int axis = x.rank(); axis-- > 0;) {
    if (dropped[static_cast<size_t>(axis)]) continue;
    strides[static_cast<size_t>(axis)] = step;
    step *= x[axis];
  }
  const int last = x.rank() - 1;
  const int64_t n = last < 0 ? 1 : x[last], rows = n ? x.count() / n : 0;
  std::array<int64_t, Shape::kMaxRank> at{};
  int64_t offset = 0;
  for (int64_t row = 0; row < rows; ++row) {
    body(row * n, offset, last < 0 || dropped[static_cast<size_t>(last)] ? 0 : 1, n);
    for (int axis = last; axis-- > 0;) {
      const auto a = static_cast<size_t>(axis);
      offset += strides[a];
      if (++at[a] < x[axis]) break;
      offset -= strides[a] * x[axis];
      at[a] = 0;
    }
  }
}

/// How many columns are summed together where the reduced axis is not the last: their sums in double stay in cache.
constexpr int64_t kColumns = 256;
int64_t grainFor(int64_t elements) { return std::max<int64_t>(1, kElementGrain / std::max<int64_t>(elements, 1)); }

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
      std::fill_n(total, n, 0.0);
      for (int64_t s = 0; s < v.size; ++s) rows.addTo(total, x + (o * v.size + s) * v.inner + first, n);
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
