#include "graph/layout.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/reduction.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

Shape stored(const TensorRef& x) { return storedShape({x.dtype, x.shape, x.layout, x.channelAxis}); }

/// What lies in memory: the array, and for each of its axes whether it is summed.
struct Sides {
  Shape x;
  std::vector<char> dropped;
};

/// Result and array have their `leading` axes in front and their last ones together; blocks of channels are kept whole.
Sides sidesOf(const TensorRef& x, const TensorRef& y, int leading) {
  Sides out{stored(x), {}};
  Shape kept = stored(y);
  if (const int block = blockOf(x.layout); block && y.layout == Layout::Plain) {
    kept[x.channelAxis] /= block;
    kept.push(block);
  }
  const int missing = out.x.rank() - kept.rank();
  for (int axis = 0; axis < out.x.rank(); ++axis) {
    const bool isMissing = axis >= leading && axis < leading + missing;
    out.dropped.push_back(isMissing || (kept[axis < leading ? axis : axis - missing] == 1 && out.x[axis] != 1));
  }
  return out;
}

/// y = sum of x, times the factor of the same elements unless it is null. Products are rounded before they are summed in
/// double, as if they had been written down.
void sumInto(const KernelArguments& k, const float* factor, int leading) {
  const Sides sides = sidesOf(k.inputs[0], k.outputs[0], leading);
  const float* x = k.inputs[0].as<float>();
  float* y = k.outputs[0].as<float>();
  const int64_t results = stored(k.outputs[0]).count();
  const RowKernels& rows = *kernels().rows;
  const auto row = [&](int64_t from, int64_t n) { return factor ? rows.dot(x + from, factor + from, n) : rows.sum(x + from, n); };
  Group v;
  if (!groupOf(sides.x, sides.dropped, v)) {
    std::vector<double> totals(static_cast<size_t>(results), 0.0);
    std::vector<double> columns;
    overRows(sides.x, sides.dropped, [&](int64_t from, int64_t to, int64_t step, int64_t n) {
      if (!step) {
        totals[static_cast<size_t>(to)] += row(from, n);
      } else if (!factor) {
        rows.addTo(totals.data() + to, x + from, n);
      } else {
        columns.resize(static_cast<size_t>(n));
        rows.columnSums(x + from, factor + from, 1, n, n, columns.data());
        for (int64_t i = 0; i < n; ++i) totals[static_cast<size_t>(to + i)] += columns[static_cast<size_t>(i)];
      }
    });
    for (int64_t i = 0; i < results; ++i) y[i] = static_cast<float>(totals[static_cast<size_t>(i)]);
    return;
  }
  if (v.inner == 1) {
    parallelFor(v.outer, grainFor(v.size), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) y[o] = static_cast<float>(row(o * v.size, v.size));
    });
    return;
  }
  const int64_t blocks = (v.inner + kColumns - 1) / kColumns;
  parallelFor(v.outer * blocks, grainFor(v.size * std::min(v.inner, kColumns)), [&](int64_t begin, int64_t end) {
    double total[kColumns];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t o = item / blocks, first = item % blocks * kColumns, n = std::min(kColumns, v.inner - first), from = o * v.size * v.inner + first;
      rows.columnSums(x + from, factor ? factor + from : nullptr, v.size, v.inner, n, total);
      for (int64_t i = 0; i < n; ++i) y[o * v.inner + first + i] = static_cast<float>(total[i]);
    }
  });
}

void sumTo(const KernelArguments& k, const Node& node) { sumInto(k, nullptr, static_cast<int>(node.attributes.integer("leading"))); }
void scaleGrad(const KernelArguments& k, const Node& node) {
  sumInto(k, k.inputs[1].as<float>(), static_cast<int>(node.attributes.integer("leading")));
}

/// Plain, or whole blocks of channels summed over everything behind them: there results lie as if they were plain. Or blocks
/// summed over axes before the channels, which stay blocks.
bool liesWell(const ValueType& x, const ValueType& y) {
  if (y.layout != Layout::Plain) {
    bool alike = sameLayout(x, y) && x.shape.rank() == y.shape.rank();
    for (int axis = x.channelAxis; alike && axis < x.shape.rank(); ++axis) alike = x.shape[axis] == y.shape[axis];
    return alike;
  }
  if (x.layout == Layout::Plain) return true;
  const int block = blockOf(x.layout), c = x.channelAxis;
  return block > 0 && y.shape.rank() == x.shape.rank() && y.shape[c] == x.shape[c] && x.shape[c] % block == 0 && y.shape.count(c + 1, y.shape.rank()) == 1;
}
bool takesSumTo(const NodeSignature& s) { return takesF32(s) && liesWell(s.inputs[0], s.outputs[0]); }
bool takesScaleGrad(const NodeSignature& s) {
  const ValueType &g = s.inputs[0], &x = s.inputs[1];
  // An axis of the cotangent in front of one of them moves nothing.
  const bool alike = g.layout == x.layout && (g.layout == Layout::Plain || g.channelAxis - g.shape.rank() == x.channelAxis - x.shape.rank());
  return takesF32(s) && alike && liesWell(g, s.outputs[0]);
}

const RegisterKernel registered[] = {
    RegisterKernel({.op = "sumTo", .backend = "cpu", .make = nullptr, .anyLayout = true, .function = sumTo, .accepts = takesSumTo}),
    RegisterKernel({.op = "scaleGrad", .backend = "cpu", .make = nullptr, .anyLayout = true, .function = scaleGrad, .accepts = takesScaleGrad}),
};

}  // namespace
}  // namespace ascribe::cpu
