#include <algorithm>
#include <vector>

#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

template <class T>
Wide<T> at(const TensorRef& tensor, int64_t i) { return Wide<T>(tensor.as<T>()[i]); }

void batchNorm(const KernelArguments& k, const Node& node) {
  const TensorRef& x = k.inputs[0];
  const double epsilon = node.attributes.real("epsilon");
  const int64_t channels = x.shape[1], plane = x.shape.count(2, x.shape.rank());
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < x.count(); ++i) {
      const int64_t c = i / plane % channels;
      k.outputs[0].as<T>()[i] = narrow<T>((at<T>(x, i) - at<T>(k.inputs[3], c)) / sqrt(at<T>(k.inputs[4], c) + epsilon) * at<T>(k.inputs[1], c) + at<T>(k.inputs[2], c));
    }
  });
}

/// Mean and biased variance of channel `c` over batch and plane.
template <class T>
std::pair<Wide<T>, Wide<T>> channelMoments(const TensorRef& x, int64_t c) {
  const int64_t channels = x.shape[1], plane = x.shape.count(2, x.shape.rank()), n = x.shape[0] * plane;
  const auto each = [&](auto&& body) {
    for (int64_t b = 0; b < x.shape[0]; ++b)
      for (int64_t i = 0; i < plane; ++i) body((b * channels + c) * plane + i);
  };
  Wide<T> mean(0), variance(0);
  each([&](int64_t i) { mean += at<T>(x, i); });
  mean = mean / Wide<T>(static_cast<double>(n));
  each([&](int64_t i) { variance += (at<T>(x, i) - mean) * (at<T>(x, i) - mean); });
  return {mean, variance / Wide<T>(static_cast<double>(n))};
}
/// ONNX: running = running * momentum + current * (1 - momentum), with the biased variance.
void batchNormTrain(const KernelArguments& k, const Node& node) {
  const TensorRef& x = k.inputs[0];
  const double epsilon = node.attributes.real("epsilon"), momentum = node.attributes.real("momentum");
  const int64_t channels = x.shape[1], plane = x.shape.count(2, x.shape.rank());
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t c = 0; c < channels; ++c) {
      const auto [mean, variance] = channelMoments<T>(x, c);
      for (int64_t b = 0; b < x.shape[0]; ++b)
        for (int64_t i = 0; i < plane; ++i) {
          const int64_t j = (b * channels + c) * plane + i;
          k.outputs[0].as<T>()[j] = narrow<T>((at<T>(x, j) - mean) / sqrt(variance + epsilon) * at<T>(k.inputs[1], c) + at<T>(k.inputs[2], c));
        }
      if (k.outputs.size() > 1) k.outputs[1].as<T>()[c] = narrow<T>(at<T>(k.inputs[3], c) * momentum + mean * (1 - momentum));
      if (k.outputs.size() > 2) k.outputs[2].as<T>()[c] = narrow<T>(at<T>(k.inputs[4], c) * momentum + variance * (1 - momentum));
    }
  });
}
/// With u = (x - mean) r: dx = r (g s - mean(g s) - u mean(g s u)), the means over what was normalised together.
template <class T, class Each>
void centredGradient(const TensorRef& x, Wide<T> mean, Wide<T> r, int64_t n, Each&& each, auto&& scaled, T* out) {
  Wide<T> sum(0), weighted(0);
  each([&](int64_t i) {
    const Wide<T> g = scaled(i);
    sum += g;
    weighted += g * (at<T>(x, i) - mean) * r;
  });
  const Wide<T> count(static_cast<double>(n));
  each([&](int64_t i) { out[i] = narrow<T>(r * (scaled(i) - sum / count - (at<T>(x, i) - mean) * r * weighted / count)); });
}
void batchNormTrainGrad(const KernelArguments& k, const Node& node) {
  const TensorRef &g = k.inputs[0], &x = k.inputs[1];
  const int64_t channels = x.shape[1], plane = x.shape.count(2, x.shape.rank()), count = x.count();
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t c = 0; c < channels; ++c) {
      const auto [mean, variance] = channelMoments<T>(x, c);
      const Wide<T> r = Wide<T>(1) / sqrt(variance + node.attributes.real("epsilon"));
      for (int64_t q = 0; q < g.shape[0]; ++q)
        centredGradient<T>(x, mean, r, x.shape[0] * plane,
            [&](auto&& body) {
              for (int64_t b = 0; b < x.shape[0]; ++b)
                for (int64_t i = 0; i < plane; ++i) body((b * channels + c) * plane + i);
            },
            [&](int64_t i) { return at<T>(g, q * count + i) * at<T>(k.inputs[2], c); }, k.outputs[0].as<T>() + q * count);
    }
  });
}

/// Rows of `row` elements normalised together. `parameter(tensor, i)` reads a scale or bias for element i of a row.
struct Rows {
  int64_t count, size;
};
Rows rowsFromAxis(const Shape& x, int64_t axis) {
  const int a = normaliseAxis(axis, x.rank());
  return {x.count(0, a), x.count(a, x.rank())};
}
/// Index of element `i` of a row in a scale or bias that broadcasts to the normalised axes.
std::vector<int64_t> parameterIndex(const Shape& x, int64_t axis, const TensorRef& parameter) {
  const Shape normalised(x.dims().subspan(static_cast<size_t>(normaliseAxis(axis, x.rank()))));
  std::vector<int64_t> out(static_cast<size_t>(normalised.count()));
  walk<1>(normalised, {broadcastStrides(parameter.shape, normalised)}, [&](int64_t i, const auto& offset) { out[static_cast<size_t>(i)] = offset[0]; });
  return out;
}

template <class T>
std::pair<Wide<T>, Wide<T>> rowMoments(const T* x, int64_t n, bool centred) {
  Wide<T> mean(0), variance(0);
  if (centred) {
    for (int64_t i = 0; i < n; ++i) mean += Wide<T>(x[i]);
    mean = mean / Wide<T>(static_cast<double>(n));
  }
  for (int64_t i = 0; i < n; ++i) variance += (Wide<T>(x[i]) - mean) * (Wide<T>(x[i]) - mean);
  return {mean, variance / Wide<T>(static_cast<double>(n))};
}

/// layerNorm (centred) and rmsNorm: x, scale?, bias?
template <bool Centred>
void rowNorm(const KernelArguments& k, const Node& node) {
  const TensorRef& x = k.inputs[0];
  const int64_t axis = node.attributes.integer("axis");
  const Rows rows = rowsFromAxis(x.shape, axis);
  std::vector<int64_t> scale, bias;
  if (k.has(1)) scale = parameterIndex(x.shape, axis, k.inputs[1]);
  if (k.has(2)) bias = parameterIndex(x.shape, axis, k.inputs[2]);
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t row = 0; row < rows.count; ++row) {
      const T* source = x.as<T>() + row * rows.size;
      const auto [mean, variance] = rowMoments(source, rows.size, Centred);
      const Wide<T> r = Wide<T>(1) / sqrt(variance + node.attributes.real("epsilon"));
      for (int64_t i = 0; i < rows.size; ++i) {
        Wide<T> y = (Wide<T>(source[i]) - mean) * r;
        if (!scale.empty()) y = y * at<T>(k.inputs[1], scale[static_cast<size_t>(i)]);
        if (!bias.empty()) y = y + at<T>(k.inputs[2], bias[static_cast<size_t>(i)]);
        k.outputs[0].as<T>()[row * rows.size + i] = narrow<T>(y);
      }
    }
  });
}
/// (g [K, ...x], x, scale?)
template <bool Centred>
void rowNormGrad(const KernelArguments& k, const Node& node) {
  const TensorRef &g = k.inputs[0], &x = k.inputs[1];
  const int64_t axis = node.attributes.integer("axis"), count = x.count();
  const Rows rows = rowsFromAxis(x.shape, axis);
  std::vector<int64_t> scale;
  if (k.has(2)) scale = parameterIndex(x.shape, axis, k.inputs[2]);
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t row = 0; row < rows.count; ++row) {
      const auto [mean, variance] = rowMoments(x.as<T>() + row * rows.size, rows.size, Centred);
      const Wide<T> r = Wide<T>(1) / sqrt(variance + node.attributes.real("epsilon")), n(static_cast<double>(rows.size));
      for (int64_t q = 0; q < g.shape[0]; ++q) {
        const auto scaled = [&](int64_t i) {
          const Wide<T> value = at<T>(g, q * count + row * rows.size + i);
          return scale.empty() ? value : value * at<T>(k.inputs[2], scale[static_cast<size_t>(i)]);
        };
        const auto unit = [&, mean = mean](int64_t i) { return (at<T>(x, row * rows.size + i) - mean) * r; };
        Wide<T> sum(0), weighted(0);
        for (int64_t i = 0; i < rows.size; ++i) {
          sum += scaled(i);
          weighted += scaled(i) * unit(i);
        }
        if (!Centred) sum = Wide<T>(0);
        for (int64_t i = 0; i < rows.size; ++i) k.outputs[0].as<T>()[q * count + row * rows.size + i] = narrow<T>(r * (scaled(i) - sum / n - unit(i) * weighted / n));
      }
    }
  });
}

void groupNorm(const KernelArguments& k, const Node& node) {
  const TensorRef& x = k.inputs[0];
  const int64_t groups = node.attributes.integer("groups"), channels = x.shape[1], plane = x.shape.count(2, x.shape.rank()), size = channels / groups * plane;
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t row = 0; row < x.shape[0] * groups; ++row) {
      const auto [mean, variance] = rowMoments(x.as<T>() + row * size, size, true);
      const Wide<T> r = Wide<T>(1) / sqrt(variance + node.attributes.real("epsilon"));
      for (int64_t i = 0; i < size; ++i) {
        const int64_t c = (row % groups) * (channels / groups) + i / plane;
        Wide<T> y = (at<T>(x, row * size + i) - mean) * r;
        if (k.has(1)) y = y * at<T>(k.inputs[1], c);
        if (k.has(2)) y = y + at<T>(k.inputs[2], c);
        k.outputs[0].as<T>()[row * size + i] = narrow<T>(y);
      }
    }
  });
}
/// (g [K, ...x], x, scale?)
void groupNormGrad(const KernelArguments& k, const Node& node) {
  const TensorRef &g = k.inputs[0], &x = k.inputs[1];
  const int64_t groups = node.attributes.integer("groups"), channels = x.shape[1], plane = x.shape.count(2, x.shape.rank()), size = channels / groups * plane, count = x.count();
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t row = 0; row < x.shape[0] * groups; ++row) {
      const auto [mean, variance] = rowMoments(x.as<T>() + row * size, size, true);
      const Wide<T> r = Wide<T>(1) / sqrt(variance + node.attributes.real("epsilon"));
      for (int64_t q = 0; q < g.shape[0]; ++q)
        centredGradient<T>(x, mean, r, size,
            [&](auto&& body) { for (int64_t i = row * size; i < (row + 1) * size; ++i) body(i); },
            [&](int64_t i) {
              const Wide<T> value = at<T>(g, q * count + i);
              return k.has(2) ? value * at<T>(k.inputs[2], i / plane % channels) : value;
            },
            k.outputs[0].as<T>() + q * count);
    }
  });
}

/// Sum of squares over the channel's neighbourhood: [c - floor((size-1)/2), c + ceil((size-1)/2)].
template <class T>
Wide<T> lrnScale(const TensorRef& x, const Node& node, int64_t n, int64_t c, int64_t i, int64_t plane) {
  const int64_t size = node.attributes.integer("size"), channels = x.shape[1];
  const int64_t from = std::max<int64_t>(0, c - (size - 1) / 2), to = std::min(channels - 1, c + size / 2);
  Wide<T> sum(0);
  for (int64_t j = from; j <= to; ++j) {
    const Wide<T> value = at<T>(x, (n * channels + j) * plane + i);
    sum += value * value;
  }
  return sum * (node.attributes.real("alpha") / static_cast<double>(size)) + node.attributes.real("bias");
}
void lrn(const KernelArguments& k, const Node& node) {
  const TensorRef& x = k.inputs[0];
  const int64_t channels = x.shape[1], plane = x.shape.count(2, x.shape.rank());
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t j = 0; j < x.count(); ++j) {
      const Wide<T> scale = lrnScale<T>(x, node, j / plane / channels, j / plane % channels, j % plane, plane);
      k.outputs[0].as<T>()[j] = narrow<T>(at<T>(x, j) * pow(scale, Wide<T>(-node.attributes.real("beta"))));
    }
  });
}
/// dx_j = g_j s_j^-b - 2 a b / size * x_j * sum over i with j in i's neighbourhood of g_i x_i s_i^(-b-1)
void lrnGrad(const KernelArguments& k, const Node& node) {
  const TensorRef &g = k.inputs[0], &x = k.inputs[1];
  const int64_t channels = x.shape[1], plane = x.shape.count(2, x.shape.rank()), count = x.count(), size = node.attributes.integer("size");
  const double beta = node.attributes.real("beta"), factor = 2 * node.attributes.real("alpha") * beta / static_cast<double>(size);
  onFloating(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t j = 0; j < count; ++j) {
      const int64_t n = j / plane / channels, c = j / plane % channels, i = j % plane;
      for (int64_t q = 0; q < g.shape[0]; ++q) {
        Wide<T> value = at<T>(g, q * count + j) * pow(lrnScale<T>(x, node, n, c, i, plane), Wide<T>(-beta));
        for (int64_t other = std::max<int64_t>(0, c - size / 2); other <= std::min(channels - 1, c + (size - 1) / 2); ++other) {
          const int64_t o = (n * channels + other) * plane + i;
          value = value - at<T>(x, j) * factor * at<T>(g, q * count + o) * at<T>(x, o) * pow(lrnScale<T>(x, node, n, other, i, plane), Wide<T>(-beta - 1));
        }
        k.outputs[0].as<T>()[q * count + j] = narrow<T>(value);
      }
    }
  });
}

const Registered kernels[] = {
    {"batchNorm", batchNorm, floating},          {"batchNormTrain", batchNormTrain, floating},
    {"batchNormTrainGrad", batchNormTrainGrad, floating},
    {"layerNorm", rowNorm<true>, floating},      {"layerNormGrad", rowNormGrad<true>, floating},
    {"rmsNorm", rowNorm<false>, floating},       {"rmsNormGrad", rowNormGrad<false>, floating},
    {"groupNorm", groupNorm, floating},          {"groupNormGrad", groupNormGrad, floating},
    {"lrn", lrn, floating},                      {"lrnGrad", lrnGrad, floating},
};

}  // namespace
}  // namespace ascribe::reference
