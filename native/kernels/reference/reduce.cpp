#include <algorithm>
#include <numeric>
#include <vector>

#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

/// Offsets into a reduced tensor while the full one (its axes after `leading`) is walked.
Strides reducedStrides(const Shape& full, const std::vector<int64_t>& axes, int leading = 0) {
  std::array<bool, Shape::kMaxRank> dropped{};
  for (int64_t axis : axes) dropped[static_cast<size_t>(axis + leading)] = true;
  Strides out{};
  int64_t step = 1;
  for (int axis = full.rank(); axis-- > 0;) {
    if (dropped[static_cast<size_t>(axis)]) continue;
    out[static_cast<size_t>(axis)] = step;
    step *= full[axis];
  }
  return out;
}

/// `combine(accumulator, x)` from `initial`, in the wide type; `finish(accumulator, group size)`.
template <class T, class Combine, class Finish>
void fold(const KernelArguments& k, const std::vector<int64_t>& axes, Wide<T> initial, Combine&& combine, Finish&& finish) {
  const TensorRef &x = k.inputs[0], &y = k.outputs[0];
  std::vector<Wide<T>> sums(static_cast<size_t>(y.count()), initial);
  walk<1>(x.shape, {reducedStrides(x.shape, axes)}, [&](int64_t i, const auto& at) {
    auto& sum = sums[static_cast<size_t>(at[0])];
    sum = combine(sum, Wide<T>(x.as<T>()[i]));
  });
  const int64_t group = y.count() ? x.count() / y.count() : 0;
  for (int64_t i = 0; i < y.count(); ++i) y.as<T>()[i] = narrow<T>(finish(sums[static_cast<size_t>(i)], group));
}

void sum(const KernelArguments& k, const Node& node) {
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    fold<T>(k, node.attributes.integers("axes"), Wide<T>(0), plus<Wide<T>>, [](auto s, int64_t) { return s; });
  });
}
void mean(const KernelArguments& k, const Node& node) {
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    fold<T>(k, node.attributes.integers("axes"), Wide<T>(0), plus<Wide<T>>, [](auto s, int64_t n) {
      if constexpr (isFloat<T>) return s / Wide<T>(static_cast<double>(n));
      else return n ? s / n : s;
    });
  });
}
void product(const KernelArguments& k, const Node& node) {
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    fold<T>(k, node.attributes.integers("axes"), Wide<T>(1), times<Wide<T>>, [](auto s, int64_t) { return s; });
  });
}

template <class W>
bool beats(W candidate, W best, bool largest) {
  if constexpr (!std::is_integral_v<W>)
    if (isnan(candidate) || isnan(best)) return !isnan(best);
  return largest ? candidate > best : candidate < best;
}
template <bool Largest>
void extremum(const KernelArguments& k, const Node& node) {
  const auto body = [&](auto zero) {
    using T = decltype(zero);
    Wide<T> initial{};
    if constexpr (isFloat<T>) initial = Wide<T>(Largest ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity());
    else initial = Largest ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
    fold<T>(k, node.attributes.integers("axes"), initial, [](auto best, auto x) { return beats(x, best, Largest) ? x : best; }, [](auto s, int64_t) { return s; });
  };
  if (k.inputs[0].dtype == DType::Bool) body(uint8_t{});
  else onNumeric(k.inputs[0].dtype, body);
}
bool ordered(const NodeSignature& s) { return numeric(s) || boolean(s); }

/// Among equals the earlier first.
void topK(const KernelArguments& k, const Node& node) {
  const AxisView v = aroundAxis(k.inputs[0].shape, node.attributes.integer("axis"));
  const bool largest = node.attributes.integer("largest") != 0;
  const int64_t count = k.outputs[0].shape[static_cast<int>(node.attributes.integer("axis"))];
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<int64_t> order(static_cast<size_t>(v.size));
    for (int64_t o = 0; o < v.outer; ++o)
      for (int64_t i = 0; i < v.inner; ++i) {
        const T* x = k.inputs[0].as<T>() + o * v.size * v.inner + i;
        std::iota(order.begin(), order.end(), int64_t{0});
        std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return beats(x[a * v.inner], x[b * v.inner], largest); });
        for (int64_t s = 0; s < count; ++s) {
          const int64_t to = (o * count + s) * v.inner + i;
          k.outputs[0].as<T>()[to] = x[order[static_cast<size_t>(s)] * v.inner];
          k.outputs[1].as<int64_t>()[to] = order[static_cast<size_t>(s)];
        }
      }
  });
}

template <bool Largest>
void argument(const KernelArguments& k, const Node& node) {
  const AxisView v = aroundAxis(k.inputs[0].shape, node.attributes.integer("axis"));
  const bool last = node.attributes.integer("selectLast") != 0;
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = k.inputs[0].as<T>();
    int64_t* y = k.outputs[0].as<int64_t>();
    for (int64_t o = 0; o < v.outer; ++o)
      for (int64_t i = 0; i < v.inner; ++i) {
        int64_t best = 0;
        for (int64_t s = 1; s < v.size; ++s) {
          const T candidate = x[(o * v.size + s) * v.inner + i], held = x[(o * v.size + best) * v.inner + i];
          if (beats(candidate, held, Largest) || (last && candidate == held)) best = s;
        }
        y[o * v.inner + i] = best;
      }
  });
}

/// (g [K, ...reduced], x, y): the first element of a group that equals its extremum takes the whole gradient.
void extremumGrad(const KernelArguments& k, const Node& node) {
  const TensorRef &g = k.inputs[0], &x = k.inputs[1], &y = k.inputs[2], &out = k.outputs[0];
  const int64_t cotangents = g.shape[0], groups = y.count(), count = x.count();
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<char> taken(static_cast<size_t>(groups), 0);
    walk<1>(x.shape, {reducedStrides(x.shape, node.attributes.integers("axes"))}, [&](int64_t i, const auto& at) {
      const T value = x.as<T>()[i], extreme = y.as<T>()[at[0]];
      const bool mine = !taken[static_cast<size_t>(at[0])] && (value == extreme || (isnan(value) && isnan(extreme)));
      if (mine) taken[static_cast<size_t>(at[0])] = 1;
      for (int64_t c = 0; c < cotangents; ++c) out.as<T>()[c * count + i] = mine ? g.as<T>()[c * groups + at[0]] : T(0);
    });
  });
}

/// Sums axes away that broadcasting made, the first `leading` kept.
void sumTo(const KernelArguments& k, const Node& node) {
  const TensorRef &x = k.inputs[0], &y = k.outputs[0];
  const int leading = static_cast<int>(node.attributes.integer("leading"));
  onNumeric(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<Wide<T>> sums(static_cast<size_t>(y.count()), Wide<T>(0));
    walk<1>(x.shape, {broadcastStrides(y.shape, x.shape, leading)}, [&](int64_t i, const auto& at) {
      auto& sum = sums[static_cast<size_t>(at[0])];
      sum = plus(sum, Wide<T>(x.as<T>()[i]));
    });
    for (int64_t i = 0; i < y.count(); ++i) y.as<T>()[i] = narrow<T>(sums[static_cast<size_t>(i)]);
  });
}

/// The sums of g * x that sumTo makes.
void scaleGrad(const KernelArguments& k, const Node& node) {
  const TensorRef &g = k.inputs[0], &x = k.inputs[1], &y = k.outputs[0];
  const int leading = static_cast<int>(node.attributes.integer("leading"));
  onNumeric(g.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<Wide<T>> sums(static_cast<size_t>(y.count()), Wide<T>(0));
    walk<1>(g.shape, {broadcastStrides(y.shape, g.shape, leading)}, [&](int64_t i, const auto& at) {
      auto& sum = sums[static_cast<size_t>(at[0])];
      sum = plus(sum, Wide<T>(times(g.as<T>()[i], x.as<T>()[i])));
    });
    for (int64_t i = 0; i < y.count(); ++i) y.as<T>()[i] = narrow<T>(sums[static_cast<size_t>(i)]);
  });
}

template <bool product>
void cumulative(const KernelArguments& k, const Node& node) {
  const AxisView v = aroundAxis(k.inputs[0].shape, node.attributes.integer("axis"));
  const bool exclusive = node.attributes.integer("exclusive") != 0, reverse = node.attributes.integer("reverse") != 0;
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t o = 0; o < v.outer; ++o)
      for (int64_t i = 0; i < v.inner; ++i) {
        Wide<T> total(product ? 1 : 0);
        for (int64_t s = 0; s < v.size; ++s) {
          const int64_t at = (o * v.size + (reverse ? v.size - 1 - s : s)) * v.inner + i;
          const Wide<T> x(k.inputs[0].as<T>()[at]), before = total;
          total = product ? times(total, x) : plus(total, x);
          k.outputs[0].as<T>()[at] = narrow<T>(exclusive ? before : total);
        }
      }
  });
}

const Registered kernels[] = {
    {"sum", sum, numeric},
    {"mean", mean, numeric},
    {"prod", product, numeric},
    {"reduceMax", extremum<true>, ordered},
    {"reduceMin", extremum<false>, ordered},
    {"topK", topK, numeric},
    {"argMax", argument<true>, numeric},
    {"argMin", argument<false>, numeric},
    {"extremumGrad", extremumGrad, floating},
    {"sumTo", sumTo, numeric},
    {"scaleGrad", scaleGrad, numeric},
    {"cumSum", cumulative<false>, numeric},
    {"cumProd", cumulative<true>, numeric},
};

}  // namespace
}  // namespace ascribe::reference
