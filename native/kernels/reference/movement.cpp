#include <algorithm>
#include <cstring>
#include <vector>

#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

void copy(const KernelArguments& k, const Node&) {
  const TensorRef& y = k.outputs[0];
  if (y.count()) std::memmove(y.data, k.inputs[0].data, static_cast<size_t>(y.count()) * sizeOf(y.dtype));
}

void transpose(const KernelArguments& k, const Node& node) {
  const auto& permutation = node.attributes.integers("permutation");
  const Strides own = rowMajor(k.inputs[0].shape);
  Strides strides{};
  for (size_t i = 0; i < permutation.size(); ++i) strides[i] = own[static_cast<size_t>(permutation[i])];
  onSize(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    walk<1>(k.outputs[0].shape, {strides}, [&](int64_t i, const auto& at) { k.outputs[0].as<T>()[i] = k.inputs[0].as<T>()[at[0]]; });
  });
}

template <bool Like>
void expand(const KernelArguments& k, const Node& node) {
  const int leading = Like ? static_cast<int>(node.attributes.integer("leading")) : 0;
  onSize(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const Shape& out = k.outputs[0].shape;
    walk<1>(out, {broadcastStrides(k.inputs[0].shape, out, leading)}, [&](int64_t i, const auto& at) { k.outputs[0].as<T>()[i] = k.inputs[0].as<T>()[at[0]]; });
  });
}

void concat(const KernelArguments& k, const Node& node) {
  const AxisView v = aroundAxis(k.outputs[0].shape, node.attributes.integer("axis"));
  const size_t element = sizeOf(k.outputs[0].dtype);
  std::byte* y = k.outputs[0].as<std::byte>();
  int64_t before = 0;
  for (const TensorRef& x : k.inputs) {
    const int64_t rows = x.shape[normaliseAxis(node.attributes.integer("axis"), x.shape.rank())] * v.inner;
    if (rows)
      for (int64_t o = 0; o < v.outer; ++o)
        std::memcpy(y + static_cast<size_t>(o * v.size * v.inner + before) * element, x.as<std::byte>() + static_cast<size_t>(o * rows) * element,
                    static_cast<size_t>(rows) * element);
    before += rows;
  }
}

struct SliceView {
  Strides strides{};
  int64_t offset = 0;
};
/// Where the elements of a slice lie in the whole; `leading` axes in front are taken as they are.
SliceView sliceView(const Shape& whole, const Node& node, int leading) {
  const auto &begin = node.attributes.integers("begin"), &step = node.attributes.integers("step");
  const Strides own = rowMajor(whole);
  SliceView out;
  for (int axis = 0; axis < whole.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis), s = static_cast<size_t>(axis - leading);
    out.strides[a] = axis < leading ? own[a] : own[a] * step[s];
    if (axis >= leading) out.offset += own[a] * begin[s];
  }
  return out;
}
void slice(const KernelArguments& k, const Node& node) {
  const SliceView view = sliceView(k.inputs[0].shape, node, 0);
  onSize(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    walk<1>(k.outputs[0].shape, {view.strides}, [&](int64_t i, const auto& at) { k.outputs[0].as<T>()[i] = k.inputs[0].as<T>()[view.offset + at[0]]; });
  });
}
void sliceGrad(const KernelArguments& k, const Node& node) {
  const SliceView view = sliceView(k.outputs[0].shape, node, 1);
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(k.outputs[0].as<T>(), k.outputs[0].count(), T(0));
    walk<1>(k.inputs[0].shape, {view.strides}, [&](int64_t i, const auto& at) { k.outputs[0].as<T>()[view.offset + at[0]] = k.inputs[0].as<T>()[i]; });
  });
}

/// The source index of a padded position, or -1 where the constant stands.
int64_t padSource(int64_t position, int64_t before, int64_t size, const std::string& mode) {
  int64_t i = position - before;
  if (i >= 0 && i < size) return i;
  if (mode == "constant" || size == 0) return -1;
  if (mode == "edge") return std::clamp<int64_t>(i, 0, size - 1);
  if (mode == "wrap") return ((i % size) + size) % size;
  if (size == 1) return 0;
  const int64_t period = 2 * (size - 1);
  i = ((i % period) + period) % period;
  return i < size ? i : period - i;
}
/// Calls body(padded index, source index or -1) over a padded shape.
template <class Body>
void walkPadded(const Shape& source, const Shape& padded, int leading, const Node& node, Body&& body) {
  const auto& before = node.attributes.integers("before");
  const std::string& mode = node.attributes.text("mode");
  const Strides own = rowMajor(source);
  std::array<int64_t, Shape::kMaxRank> at{};
  for (int64_t i = 0, n = padded.count(); i < n; ++i) {
    int64_t offset = 0;
    for (int axis = 0; axis < padded.rank() && offset >= 0; ++axis) {
      const auto a = static_cast<size_t>(axis);
      const int64_t from = axis < leading ? at[a] : padSource(at[a], before[static_cast<size_t>(axis - leading)], source[axis], mode);
      offset = from < 0 ? -1 : offset + from * own[a];
    }
    body(i, offset);
    for (int axis = padded.rank(); axis-- > 0;) {
      if (++at[static_cast<size_t>(axis)] < padded[axis]) break;
      at[static_cast<size_t>(axis)] = 0;
    }
  }
}
void pad(const KernelArguments& k, const Node& node) {
  onSize(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const T fill = k.has(2) ? k.inputs[2].as<T>()[0] : T{};
    walkPadded(k.inputs[0].shape, k.outputs[0].shape, 0, node, [&](int64_t i, int64_t from) { k.outputs[0].as<T>()[i] = from < 0 ? fill : k.inputs[0].as<T>()[from]; });
  });
}
void padGrad(const KernelArguments& k, const Node& node) {
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<Wide<T>> sums(static_cast<size_t>(k.outputs[0].count()), Wide<T>(0));
    walkPadded(k.outputs[0].shape, k.inputs[0].shape, 1, node, [&](int64_t i, int64_t to) {
      if (to >= 0) sums[static_cast<size_t>(to)] += Wide<T>(k.inputs[0].as<T>()[i]);
    });
    for (size_t i = 0; i < sums.size(); ++i) k.outputs[0].as<T>()[i] = narrow<T>(sums[i]);
  });
}

/// Calls body(tiled index, source index); `leading` axes in front are not tiled.
template <class Body>
void walkTiled(const Shape& source, const Shape& tiled, Body&& body) {
  const Strides own = rowMajor(source);
  std::array<int64_t, Shape::kMaxRank> at{};
  for (int64_t i = 0, n = tiled.count(); i < n; ++i) {
    int64_t offset = 0;
    for (int axis = 0; axis < tiled.rank(); ++axis) offset += at[static_cast<size_t>(axis)] % source[axis] * own[static_cast<size_t>(axis)];
    body(i, offset);
    for (int axis = tiled.rank(); axis-- > 0;) {
      if (++at[static_cast<size_t>(axis)] < tiled[axis]) break;
      at[static_cast<size_t>(axis)] = 0;
    }
  }
}
void tile(const KernelArguments& k, const Node&) {
  onSize(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    walkTiled(k.inputs[0].shape, k.outputs[0].shape, [&](int64_t i, int64_t from) { k.outputs[0].as<T>()[i] = k.inputs[0].as<T>()[from]; });
  });
}
void tileGrad(const KernelArguments& k, const Node&) {
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<Wide<T>> sums(static_cast<size_t>(k.outputs[0].count()), Wide<T>(0));
    walkTiled(k.outputs[0].shape, k.inputs[0].shape, [&](int64_t i, int64_t to) { sums[static_cast<size_t>(to)] += Wide<T>(k.inputs[0].as<T>()[i]); });
    for (size_t i = 0; i < sums.size(); ++i) k.outputs[0].as<T>()[i] = narrow<T>(sums[i]);
  });
}

void shapeOf(const KernelArguments& k, const Node& node) {
  const Shape& x = k.inputs[0].shape;
  int64_t start = node.attributes.integer("start");
  if (start < 0) start += x.rank();
  start = std::clamp<int64_t>(start, 0, x.rank());
  for (int64_t i = 0; i < k.outputs[0].count(); ++i) k.outputs[0].as<int64_t>()[i] = x[static_cast<int>(start + i)];
}
void sizeOfTensor(const KernelArguments& k, const Node&) { *k.outputs[0].as<int64_t>() = k.inputs[0].shape.count(); }

void range(const KernelArguments& k, const Node&) {
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    const Wide<T> start(*k.inputs[0].as<T>()), delta(*k.inputs[2].as<T>());
    for (int64_t i = 0; i < k.outputs[0].count(); ++i) k.outputs[0].as<T>()[i] = narrow<T>(plus(start, times(Wide<T>(isFloat<T> ? static_cast<double>(i) : i), delta)));
  });
}
void constantOfShape(const KernelArguments& k, const Node& node) {
  const double value = node.attributes.real("value");
  const auto fill = [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(k.outputs[0].as<T>(), k.outputs[0].count(), saturated<T>(value));
  };
  if (k.outputs[0].dtype == DType::Bool) std::fill_n(k.outputs[0].as<uint8_t>(), k.outputs[0].count(), static_cast<uint8_t>(value != 0));
  else onNumeric(k.outputs[0].dtype, fill);
}
bool fillable(const NodeSignature& s) { return s.outputs[0].dtype == DType::Bool || numericType(s.outputs[0].dtype); }

void oneHot(const KernelArguments& k, const Node& node) {
  const AxisView v = aroundAxis(k.outputs[0].shape, node.attributes.integer("axis"));
  onNumeric(k.inputs[0].dtype, [&](auto index) {
    using I = decltype(index);
    onSize(k.inputs[2].dtype, [&](auto zero) {
      using T = decltype(zero);
      const T off = k.inputs[2].as<T>()[0], on = k.inputs[2].as<T>()[1];
      for (int64_t o = 0; o < v.outer; ++o)
        for (int64_t i = 0; i < v.inner; ++i) {
          int64_t hot = saturated<int64_t>(static_cast<double>(k.inputs[0].as<I>()[o * v.inner + i]));
          if (hot < 0) hot += v.size;
          for (int64_t s = 0; s < v.size; ++s) k.outputs[0].as<T>()[(o * v.size + s) * v.inner + i] = s == hot ? on : off;
        }
    });
  });
}

void trilu(const KernelArguments& k, const Node& node) {
  const bool upper = node.attributes.integer("upper") != 0;
  const int64_t diagonal = node.attributes.integer("diagonal");
  const Shape& x = k.inputs[0].shape;
  const int64_t rows = x.at(-2), columns = x.at(-1);
  onSize(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0, n = x.count(); i < n; ++i) {
      const int64_t row = i / columns % rows, column = i % columns;
      const bool keep = upper ? column - row >= diagonal : column - row <= diagonal;
      k.outputs[0].as<T>()[i] = keep ? k.inputs[0].as<T>()[i] : T{};
    }
  });
}

/// body(deep index, wide index) pairs of depthToSpace: deep is [N, C b², H, W], wide is [N, C, H b, W b].
template <class Body>
void walkBlocks(const Shape& deep, int64_t b, bool columnRowDepth, Body&& body) {
  const int64_t channels = deep[1] / (b * b), h = deep[2], w = deep[3];
  for (int64_t n = 0; n < deep[0]; ++n)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t y = 0; y < h * b; ++y)
        for (int64_t x = 0; x < w * b; ++x) {
          const int64_t block = y % b * b + x % b;
          const int64_t channel = columnRowDepth ? c * b * b + block : block * channels + c;
          body(((n * deep[1] + channel) * h + y / b) * w + x / b, ((n * channels + c) * h * b + y) * w * b + x);
        }
}
template <bool ToSpace>
void blocks(const KernelArguments& k, const Node& node) {
  const int64_t b = node.attributes.integer("blockSize");
  onSize(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    walkBlocks(ToSpace ? k.inputs[0].shape : k.outputs[0].shape, b, node.attributes.text("mode") == "CRD", [&](int64_t deep, int64_t wide) {
      k.outputs[0].as<T>()[ToSpace ? wide : deep] = k.inputs[0].as<T>()[ToSpace ? deep : wide];
    });
  });
}

const Registered kernels[] = {
    {"identity", copy}, {"stopGradient", copy}, {"dropout", copy}, {"reshape", copy}, {"reshapeLike", copy},
    {"flatten", copy}, {"squeeze", copy}, {"unsqueeze", copy},
    {"transpose", transpose}, {"expand", expand<false>}, {"expandLike", expand<true>}, {"concat", concat},
    {"slice", slice}, {"sliceGrad", sliceGrad, floating}, {"pad", pad}, {"padGrad", padGrad, floating},
    {"tile", tile}, {"tileGrad", tileGrad, floating}, {"shape", shapeOf}, {"size", sizeOfTensor},
    {"range", range, numeric}, {"constantOfShape", constantOfShape, fillable}, {"oneHot", oneHot, numeric}, {"trilu", trilu},
    {"depthToSpace", blocks<true>}, {"spaceToDepth", blocks<false>},
};

}  // namespace
}  // namespace ascribe::reference
