#include <algorithm>
#include <vector>

#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/resize.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

double sourceCoordinate(const std::string& mode, double out, double scale, int64_t inSize, int64_t outSize) {
  if (mode == "asymmetric") return out / scale;
  if (mode == "alignCorners") return outSize == 1 ? 0 : out * static_cast<double>(inSize - 1) / static_cast<double>(outSize - 1);
  if (mode == "pytorchHalfPixel") return outSize > 1 ? (out + 0.5) / scale - 0.5 : 0;
  if (mode == "halfPixelSymmetric") {
    const double adjustment = static_cast<double>(outSize) / (scale * static_cast<double>(inSize));
    const double centre = static_cast<double>(inSize) / 2;
    return centre * (1 - adjustment) + (out + 0.5) / scale - 0.5;
  }
  return (out + 0.5) / scale - 0.5;
}

int64_t nearest(const std::string& mode, double x) {
  if (mode == "floor") return static_cast<int64_t>(std::floor(x));
  if (mode == "ceil") return static_cast<int64_t>(std::ceil(x));
  const bool half = x - std::floor(x) == 0.5;
  if (mode == "roundPreferCeil") return static_cast<int64_t>(half ? std::ceil(x) : std::round(x));
  return static_cast<int64_t>(half ? std::floor(x) : std::round(x));
}

double cubic(double distance, double a) {
  const double d = std::abs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

/// Where TensorFlow's crop-and-resize reads: a stretch from `begin` to `end` of the axis, corners on corners.
double croppedCoordinate(double begin, double end, double out, int64_t inSize, int64_t outSize) {
  const double last = static_cast<double>(inSize - 1);
  if (outSize == 1) return (end - begin) * last / 2 + begin * last;
  return out * (end - begin) * last / static_cast<double>(outSize - 1) + begin * last;
}

Contribution contribution(const Node& node, int axis, int rank, double scale, int64_t inSize, int64_t outSize, int64_t out) {
  const Attributes& a = node.attributes;
  const std::string& mode = a.text("mode");
  double x = 0;
  if (a.text("coordinateMode") == "cropAndResize") {
    const std::vector<double>& region = a.reals("region");
    x = croppedCoordinate(region[static_cast<size_t>(axis)], region[static_cast<size_t>(axis + rank)], static_cast<double>(out), inSize, outSize);
    // Nothing contributes to what lies outside.
    if (!(x >= 0 && x <= static_cast<double>(inSize - 1))) return {};
  } else {
    x = sourceCoordinate(a.text("coordinateMode"), static_cast<double>(out), scale, inSize, outSize);
    if (inSize == outSize && scale == 1) return {{out}, {1}};
  }
  // Scales are given in single precision: what lies within its rounding of a tie or a whole number is one.
  if (mode == "nearest") return {{std::clamp<int64_t>(nearest(a.text("nearestMode"), static_cast<float>(x)), 0, inSize - 1)}, {1}};
  const double radius = mode == "cubic" ? 2 : 1;
  const double squeeze = a.integer("antialias") && scale < 1 ? scale : 1;
  const bool exclude = a.integer("excludeOutside") != 0;
  const auto first = static_cast<int64_t>(std::floor(x - radius / squeeze)) + 1, last = static_cast<int64_t>(std::ceil(x + radius / squeeze)) - 1;
  Contribution c;
  double sum = 0;
  for (int64_t i = first; i <= std::max(first, last); ++i) {
    const double distance = (static_cast<double>(i) - x) * squeeze;
    double weight = mode == "cubic" ? cubic(distance, a.real("cubicCoefficient")) : std::max(0.0, 1 - std::abs(distance));
    if (exclude && (i < 0 || i >= inSize)) weight = 0;
    c.from.push_back(std::clamp<int64_t>(i, 0, inSize - 1));
    c.weight.push_back(weight);
    sum += weight;
  }
  if (sum != 0)
    for (double& weight : c.weight) weight /= sum;
  return c;
}

}  // namespace

std::vector<std::vector<Contribution>> contributions(const Node& node, const Shape& x, const Shape& y) {
  std::vector<std::vector<Contribution>> out(static_cast<size_t>(x.rank()));
  for (int axis = 0; axis < x.rank(); ++axis)
    for (int64_t i = 0; i < y[axis]; ++i) out[static_cast<size_t>(axis)].push_back(contribution(node, axis, x.rank(), node.attributes.reals("resolvedScales")[static_cast<size_t>(axis)], x[axis], y[axis], i));
  return out;
}

namespace {

/// body(x index, weight) for the sum that makes element `i` of y.
template <class Body>
void terms(const std::vector<std::vector<Contribution>>& axes, const Shape& x, const Shape& y, int64_t i, int axis, int64_t offset, double weight, Body&& body) {
  if (axis == x.rank()) return body(offset, weight);
  const int64_t position = i / y.count(axis + 1, y.rank()) % y[axis];
  const Contribution& c = axes[static_cast<size_t>(axis)][static_cast<size_t>(position)];
  for (size_t t = 0; t < c.from.size(); ++t)
    if (c.weight[t] != 0) terms(axes, x, y, i, axis + 1, offset * x[axis] + c.from[t], weight * c.weight[t], body);
}

/// False where an axis of element `i` of y reads outside of x.
bool isInside(const std::vector<std::vector<Contribution>>& axes, const Shape& y, int64_t i) {
  for (int axis = 0; axis < y.rank(); ++axis)
    if (axes[static_cast<size_t>(axis)][static_cast<size_t>(i / y.count(axis + 1, y.rank()) % y[axis])].from.empty()) return false;
  return true;
}

void resize(const KernelArguments& k, const Node& node) {
  const Shape &x = k.inputs[0].shape, &y = k.outputs[0].shape;
  const auto axes = contributions(node, x, y);
  const bool crops = node.attributes.text("coordinateMode") == "cropAndResize";
  const double outside = node.attributes.real("extrapolation");
  onNumeric(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < y.count(); ++i) {
      if (crops && !isInside(axes, y, i)) {
        k.outputs[0].as<T>()[i] = saturated<T>(outside);
      } else if constexpr (isFloat<T>) {
        Wide<T> sum(0);
        terms(axes, x, y, i, 0, 0, 1, [&](int64_t from, double weight) { sum += Wide<T>(k.inputs[0].as<T>()[from]) * Wide<T>(weight); });
        k.outputs[0].as<T>()[i] = narrow<T>(sum);
      } else {
        double sum = 0;
        terms(axes, x, y, i, 0, 0, 1, [&](int64_t from, double weight) { sum += static_cast<double>(k.inputs[0].as<T>()[from]) * weight; });
        k.outputs[0].as<T>()[i] = saturated<T>(sum);
      }
    }
  });
}
/// (g [K, ...y], like)
void resizeGrad(const KernelArguments& k, const Node& node) {
  const Shape x(k.outputs[0].shape.dims().subspan(1)), y(k.inputs[0].shape.dims().subspan(1));
  const auto axes = contributions(node, x, y);
  const int64_t count = x.count(), outputs = y.count();
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<Wide<T>> sums(static_cast<size_t>(k.outputs[0].count()), Wide<T>(0));
    for (int64_t c = 0; c < k.inputs[0].shape[0]; ++c)
      for (int64_t i = 0; i < outputs; ++i)
        terms(axes, x, y, i, 0, 0, 1, [&](int64_t to, double weight) { sums[static_cast<size_t>(c * count + to)] += Wide<T>(k.inputs[0].as<T>()[c * outputs + i]) * Wide<T>(weight); });
    for (size_t i = 0; i < sums.size(); ++i) k.outputs[0].as<T>()[i] = narrow<T>(sums[i]);
  });
}

const Registered kernels[] = {{"resize", resize, numeric}, {"resizeGrad", resizeGrad, floating}};

}  // namespace
}  // namespace ascribe::reference
