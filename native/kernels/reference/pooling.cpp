#include <algorithm>
#include <vector>

#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

/// Spatial axes brought to three; `x` is the unpooled shape, `y` the pooled one, both ending in [C, spatial…].
struct Windows {
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, begin[3] = {0, 0, 0}, end[3] = {0, 0, 0};
  int64_t inPlane = 1, outPlane = 1;

  Windows(const Node& node, const Shape& x, const Shape& y) {
    const auto& sizes = node.attributes.integers("kernel");
    const int spatial = static_cast<int>(sizes.size());
    for (int i = 0; i < spatial; ++i) {
      const int axis = 3 - spatial + i;
      const auto s = static_cast<size_t>(i);
      in[axis] = x.at(i - spatial);
      out[axis] = y.at(i - spatial);
      kernel[axis] = sizes[s];
      stride[axis] = node.attributes.integers("strides")[s];
      dilation[axis] = node.attributes.integers("dilations")[s];
      begin[axis] = node.attributes.integers("pads")[s];
      end[axis] = node.attributes.integers("pads")[s + sizes.size()];
    }
    inPlane = in[0] * in[1] * in[2];
    outPlane = out[0] * out[1] * out[2];
  }

  /// body(source index in the plane, number of the tap) for every tap of window `o` inside the data; returns the number of taps inside
  /// the padded extent (what countIncludePad divides by: never beyond the declared padding).
  template <class Body>
  int64_t taps(int64_t o, Body&& body) const {
    const int64_t at[3] = {o / (out[1] * out[2]), o / out[2] % out[1], o % out[2]};
    int64_t padded = 0;
    for (int64_t t = 0; t < kernel[0] * kernel[1] * kernel[2]; ++t) {
      const int64_t tap[3] = {t / (kernel[1] * kernel[2]), t / kernel[2] % kernel[1], t % kernel[2]};
      int64_t from = 0;
      bool extent = true;
      for (int axis = 0; axis < 3; ++axis) {
        const int64_t position = at[axis] * stride[axis] - begin[axis] + tap[axis] * dilation[axis];
        extent = extent && position < in[axis] + end[axis];
        from = from < 0 || position < 0 || position >= in[axis] ? -1 : from * in[axis] + position;
      }
      padded += extent;
      if (from >= 0) body(from, t);
    }
    return padded;
  }
};

void maxPool(const KernelArguments& k, const Node& node) {
  const TensorRef &x = k.inputs[0], &y = k.outputs[0];
  const Windows w(node, x.shape, y.shape);
  onNumeric(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t plane = 0; plane < x.shape[0] * x.shape[1]; ++plane)
      for (int64_t o = 0; o < w.outPlane; ++o) {
        int64_t best = -1;
        const T* source = x.as<T>() + plane * w.inPlane;
        w.taps(o, [&](int64_t from, int64_t) {
          bool better = best < 0 || source[from] > source[best];
          if constexpr (isFloat<T>) better = better || (isnan(source[from]) && !isnan(source[best]));
          if constexpr (isFloat<T>) better = better && (best < 0 || !isnan(source[best]));
          if (better) best = from;
        });
        T lowest{};
        if constexpr (isFloat<T>) lowest = T(-std::numeric_limits<double>::infinity());
        else lowest = std::numeric_limits<T>::min();
        y.as<T>()[plane * w.outPlane + o] = best < 0 ? lowest : source[best];
        if (k.outputs.size() > 1) k.outputs[1].as<int32_t>()[plane * w.outPlane + o] = static_cast<int32_t>(best);
      }
  });
}
/// (g [K, ...y], indices [...y], like)
void maxPoolGrad(const KernelArguments& k, const Node&) {
  const TensorRef &g = k.inputs[0], &indices = k.inputs[1], &out = k.outputs[0];
  const int64_t planes = indices.shape[0] * indices.shape[1], outPlane = indices.shape.count(2, indices.shape.rank());
  const int64_t inPlane = out.shape.count(3, out.shape.rank());
  onFloating(g.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<Wide<T>> sums(static_cast<size_t>(out.count()), Wide<T>(0));
    for (int64_t c = 0; c < g.shape[0]; ++c)
      for (int64_t p = 0; p < planes; ++p)
        for (int64_t o = 0; o < outPlane; ++o) {
          const int32_t index = indices.as<int32_t>()[p * outPlane + o];
          if (index >= 0) sums[static_cast<size_t>((c * planes + p) * inPlane + index)] += Wide<T>(g.as<T>()[(c * planes + p) * outPlane + o]);
        }
    for (size_t i = 0; i < sums.size(); ++i) out.as<T>()[i] = narrow<T>(sums[i]);
  });
}

/// The same with the number of the tap in its window, row by row.
void maxPoolTaps(const KernelArguments& k, const Node& node) {
  const TensorRef &x = k.inputs[0], &y = k.outputs[0];
  const Windows w(node, x.shape, y.shape);
  for (int64_t plane = 0; plane < x.shape[0] * x.shape[1]; ++plane)
    for (int64_t o = 0; o < w.outPlane; ++o) {
      float best = -std::numeric_limits<float>::infinity();
      int64_t place = -1;
      const float* source = x.as<float>() + plane * w.inPlane;
      w.taps(o, [&](int64_t from, int64_t tap) {
        const float here = source[from];
        if (place >= 0 && (isnan(best) || !(here > best || isnan(here)))) return;
        best = here;
        place = tap;
      });
      y.as<float>()[plane * w.outPlane + o] = best;
      k.outputs[1].as<uint8_t>()[plane * w.outPlane + o] = static_cast<uint8_t>(place);
    }
}
void maxPoolTapsGrad(const KernelArguments& k, const Node& node) {
  const TensorRef &g = k.inputs[0], &taps = k.inputs[1], &out = k.outputs[0];
  const Windows w(node, out.shape, taps.shape);
  const int64_t planes = taps.shape[0] * taps.shape[1];
  std::fill_n(out.as<float>(), out.count(), 0.0f);
  for (int64_t p = 0; p < g.shape[0] * planes; ++p)
    for (int64_t o = 0; o < w.outPlane; ++o)
      w.taps(o, [&](int64_t from, int64_t tap) {
        if (taps.as<uint8_t>()[p % planes * w.outPlane + o] == tap) out.as<float>()[p * w.inPlane + from] += g.as<float>()[p * w.outPlane + o];
      });
}

void averagePool(const KernelArguments& k, const Node& node) {
  const TensorRef &x = k.inputs[0], &y = k.outputs[0];
  const Windows w(node, x.shape, y.shape);
  const bool includePad = node.attributes.integer("countIncludePad") != 0;
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t plane = 0; plane < x.shape[0] * x.shape[1]; ++plane)
      for (int64_t o = 0; o < w.outPlane; ++o) {
        Wide<T> sum(0);
        int64_t inside = 0;
        const int64_t padded = w.taps(o, [&](int64_t from, int64_t) {
          sum += Wide<T>(x.as<T>()[plane * w.inPlane + from]);
          ++inside;
        });
        y.as<T>()[plane * w.outPlane + o] = narrow<T>(sum / Wide<T>(static_cast<double>(includePad ? padded : inside)));
      }
  });
}
/// (g [K, ...y], like)
void averagePoolGrad(const KernelArguments& k, const Node& node) {
  const TensorRef &g = k.inputs[0], &out = k.outputs[0];
  const Windows w(node, out.shape, g.shape);
  const bool includePad = node.attributes.integer("countIncludePad") != 0;
  onFloating(g.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<Wide<T>> sums(static_cast<size_t>(out.count()), Wide<T>(0));
    for (int64_t plane = 0; plane < g.shape.count(0, 3); ++plane)
      for (int64_t o = 0; o < w.outPlane; ++o) {
        int64_t inside = 0;
        const int64_t padded = w.taps(o, [&](int64_t, int64_t) { ++inside; });
        const Wide<T> share = Wide<T>(g.as<T>()[plane * w.outPlane + o]) / Wide<T>(static_cast<double>(includePad ? padded : inside));
        w.taps(o, [&](int64_t to, int64_t) { sums[static_cast<size_t>(plane * w.inPlane + to)] += share; });
      }
    for (size_t i = 0; i < sums.size(); ++i) out.as<T>()[i] = narrow<T>(sums[i]);
  });
}

template <bool Maximum>
void globalPool(const KernelArguments& k, const Node&) {
  const TensorRef &x = k.inputs[0], &y = k.outputs[0];
  const int64_t plane = x.shape.count(2, x.shape.rank());
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t p = 0; p < y.count(); ++p) {
      const T* source = x.as<T>() + p * plane;
      Wide<T> value(Maximum ? Wide<T>(source[0]) : Wide<T>(0));
      for (int64_t i = Maximum ? 1 : 0; i < plane; ++i) {
        const Wide<T> here(source[i]);
        if constexpr (Maximum) value = here > value || (isnan(here) && !isnan(value)) ? here : value;
        else value += here;
      }
      y.as<T>()[p] = narrow<T>(Maximum ? value : value / Wide<T>(static_cast<double>(plane)));
    }
  });
}

bool single(const NodeSignature& s) { return s.inputs[0].dtype == DType::F32; }
const Registered kernels[] = {
    {"maxPool", maxPool, numeric},
    {"maxPoolGrad", maxPoolGrad, floating},
    {"maxPoolTaps", maxPoolTaps, single},
    {"maxPoolTapsGrad", maxPoolTapsGrad, single},
    {"averagePool", averagePool, floating},
    {"averagePoolGrad", averagePoolGrad, floating},
    {"globalAveragePool", globalPool<false>, floating},
    {"globalMaxPool", globalPool<true>, floating},
};

}  // namespace
}  // namespace ascribe::reference
