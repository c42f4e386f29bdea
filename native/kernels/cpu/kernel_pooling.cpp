#include <algorithm>
#include <limits>
#include <vector>

#include "graph/op.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/pool_window.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

int64_t planeGrain(int64_t work) { return std::max<int64_t>(1, kElementGrain / std::max<int64_t>(work, 1)); }

/// Where one tap of the window finds data along the last axis, for a row of results: those in [first, last).
struct TapReach {
  int64_t first, last, start;  // start: the data's place for result 0
  TapReach(const PoolWindow& w, int64_t tap) : start(tap * w.dilation[2] - w.pad[2]) {
    const int64_t step = w.stride[2];
    first = start >= 0 ? 0 : (-start + step - 1) / step;
    last = start >= w.in[2] ? 0 : std::min(w.out[2], (w.in[2] - 1 - start) / step + 1);
    first = std::min(first, w.out[2]);
    last = std::max(first, last);
  }
};

/// One tap over a row of results, without a branch, so that the compiler makes vectors of it. A known step lets it load
/// them with shuffles; 0 is any other.
template <int64_t kStep>
void maxTap(const float* plane, int64_t at, const TapReach& reach, int64_t anyStep, float* best, int32_t* places) {
  const int64_t step = kStep == 0 ? anyStep : kStep;
  for (int64_t c = reach.first; c < reach.last; ++c) {
    const float here = plane[at + c * step], largest = best[c];
    const bool isFirst = places[c] < 0, isMore = (here > largest) | (here != here), isNumber = largest == largest;
    const bool takes = isFirst | (isMore & isNumber);
    best[c] = takes ? here : largest;
    places[c] = takes ? static_cast<int32_t>(at + c * step) : places[c];
  }
}

/// The first of the largest; NaN counts as larger than everything.
void maxPool(const KernelArguments& k, const Node& node) {
  const PoolWindow w(node, k.inputs[0].shape, k.outputs[0].shape);
  const float* x = k.inputs[0].as<float>();
  float* y = k.outputs[0].as<float>();
  int32_t* kept = k.outputs.size() > 1 ? k.outputs[1].as<int32_t>() : nullptr;
  const int64_t inPlane = w.inPlane(), outPlane = w.outPlane(), width = w.out[2];
  std::vector<TapReach> reaches;
  for (int64_t tap = 0; tap < w.kernel[2]; ++tap) reaches.emplace_back(w, tap);
  const auto tapOf = w.stride[2] == 1 ? maxTap<1> : w.stride[2] == 2 ? maxTap<2> : maxTap<0>;
  parallelFor(k.inputs[0].shape[0] * k.inputs[0].shape[1], planeGrain(outPlane * w.taps()), [&](int64_t begin, int64_t end) {
    std::vector<int32_t> row(static_cast<size_t>(kept ? 0 : width));
    for (int64_t plane = begin; plane < end; ++plane) {
      int64_t o = plane * outPlane;
      for (int64_t a = 0; a < w.out[0]; ++a) {
        const auto ta = w.tapsAt(0, a);
        for (int64_t b = 0; b < w.out[1]; ++b, o += width) {
          const auto tb = w.tapsAt(1, b);
          int32_t* places = kept ? kept + o : row.data();
          std::fill_n(y + o, width, -std::numeric_limits<float>::infinity());
          std::fill_n(places, width, -1);
          for (int64_t i = ta.first; i < ta.last; ++i)
            for (int64_t j = tb.first; j < tb.last; ++j) {
              const int64_t line = ((ta.start + i * w.dilation[0]) * w.in[1] + tb.start + j * w.dilation[1]) * w.in[2];
              for (const TapReach& reach : reaches)
                tapOf(x + plane * inPlane, line + reach.start, reach, w.stride[2], y + o, places);
            }
        }
      }
    }
  });
}
/// (g [K, ...y], indices [...y], like): a plane's gradients are placed by one thread, in order.
void maxPoolGrad(const KernelArguments& k, const Node&) {
  const Shape &indices = k.inputs[1].shape, &out = k.outputs[0].shape;
  const int64_t planes = indices[0] * indices[1], outPlane = indices.count(2, indices.rank()), inPlane = out.count(3, out.rank());
  if (planes == 0) return;
  parallelFor(k.inputs[0].shape[0] * planes, planeGrain(inPlane + outPlane), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const float* g = k.inputs[0].as<float>() + plane * outPlane;
      const int32_t* places = k.inputs[1].as<int32_t>() + plane % planes * outPlane;
      float* to = k.outputs[0].as<float>() + plane * inPlane;
      std::fill_n(to, inPlane, 0.0f);
      for (int64_t o = 0; o < outPlane; ++o)
        if (places[o] >= 0) to[places[o]] += g[o];
    }
  });
}

void averagePool(const KernelArguments& k, const Node& node) {
  const PoolWindow w(node, k.inputs[0].shape, k.outputs[0].shape);
  const float* x = k.inputs[0].as<float>();
  float* y = k.outputs[0].as<float>();
  const int64_t inPlane = w.inPlane(), outPlane = w.outPlane();
  parallelFor(k.inputs[0].shape[0] * k.inputs[0].shape[1], planeGrain(outPlane * w.taps()), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane)
      w.overResults([&](int64_t o, const auto& ta, const auto& tb, const auto& tc) {
        double sum = 0;
        w.overTaps(ta, tb, tc, [&](int64_t at) { sum += static_cast<double>(x[plane * inPlane + at]); });
        y[plane * outPlane + o] = static_cast<float>(sum / static_cast<double>(w.counted(0, ta) * w.counted(1, tb) * w.counted(2, tc)));
      });
  });
}
/// (g [K, ...y], like)
void averagePoolGrad(const KernelArguments& k, const Node& node) {
  const Shape& out = k.outputs[0].shape;
  const PoolWindow w(node, out, k.inputs[0].shape);
  const int64_t inPlane = w.inPlane(), outPlane = w.outPlane();
  parallelFor(out.count(0, 3), planeGrain(inPlane + outPlane * w.taps()), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const float* g = k.inputs[0].as<float>() + plane * outPlane;
      float* to = k.outputs[0].as<float>() + plane * inPlane;
      std::fill_n(to, inPlane, 0.0f);
      w.overResults([&](int64_t o, const auto& ta, const auto& tb, const auto& tc) {
        const auto share = static_cast<float>(static_cast<double>(g[o]) / static_cast<double>(w.counted(0, ta) * w.counted(1, tb) * w.counted(2, tc)));
        w.overTaps(ta, tb, tc, [&](int64_t at) { to[at] += share; });
      });
    }
  });
}

void globalAveragePool(const KernelArguments& k, const Node&) {
  const Shape& x = k.inputs[0].shape;
  const int64_t plane = x.count(2, x.rank());
  const RowKernels& rows = *kernels().rows;
  parallelFor(k.outputs[0].count(), planeGrain(plane), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) k.outputs[0].as<float>()[p] = static_cast<float>(rows.sum(k.inputs[0].as<float>() + p * plane, plane) / static_cast<double>(plane));
  });
}

const RegisterKernelFunction registered[] = {
    {"globalAveragePool", "cpu", globalAveragePool, takesF32},
    {"maxPool", "cpu", maxPool, takesF32},
    {"maxPoolGrad", "cpu", maxPoolGrad, takesF32},
    {"averagePool", "cpu", averagePool, takesF32},
    {"averagePoolGrad", "cpu", averagePoolGrad, takesF32},
};

}  // namespace
}  // namespace ascribe::cpu
