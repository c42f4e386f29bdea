#include <algorithm>
#include <cmath>

#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

Shape pooled(InferContext& c) {
  const Shape& x = c.shape(0);
  c.require(x.rank() >= 3 && x.rank() <= 5, "needs [N,C,spatial…] with one to three spatial axes");
  const Window window = resolveWindow(c, c.attributes().integers("kernel"), x.dims().subspan(2));
  Shape out{x[0], x[1]};
  for (int i = 2; i < x.rank(); ++i) {
    const int64_t size = windowOutput(window, static_cast<size_t>(i - 2), x[i], c.attributes().integer("ceilMode") != 0);
    c.require(size > 0, "the window is larger than the padded input");
    out.push(size);
  }
  return out;
}
/// outputs: y, and where a derivative asks for it the flat index of each maximum within its plane (i32)
void maxPool(InferContext& c) {
  const Shape out = pooled(c);
  c.output(0, c.dtype(0), out);
  if (c.outputCount() > 1) c.output(1, DType::I32, out);
}
void averagePool(InferContext& c) { c.output(c.dtype(0), pooled(c)); }
/// g [K, ...y], indices [...y], like = x. The window, where it is given, says which results an element can be the place of: a
/// kernel may then collect instead of scatter.
void maxPoolGrad(InferContext& c) { c.output(c.dtype(0), prepend(c.shape(0)[0], c.shape(2))); }
/// maxPool of f32 that keeps for each maximum the number of its tap in the window, row by row; 255 where there is none. What a pass
/// makes of maxPool where nothing but gradients reads the places.
void maxPoolTaps(InferContext& c) {
  const Shape out = pooled(c);
  int64_t taps = 1;
  for (const int64_t size : c.attributes().integers("kernel")) taps *= size;
  c.require(taps < 256, "a window of more than 255 has no numbers of one byte");
  c.output(0, DType::F32, out);
  c.output(1, DType::U8, out);
}
/// g [K, ...y], taps [...y], like = x
void maxPoolTapsGrad(InferContext& c) { c.output(DType::F32, prepend(c.shape(0)[0], c.shape(2))); }
/// g [K, ...y], like = x
void averagePoolGrad(InferContext& c) { c.output(c.dtype(0), prepend(c.shape(0)[0], c.shape(1))); }
void globalPool(InferContext& c) {
  const Shape& x = c.shape(0);
  c.require(x.rank() >= 3, "needs [N,C,spatial…]");
  Shape out{x[0], x[1]};
  for (int i = 2; i < x.rank(); ++i) {
    c.require(x[i] > 0, "cannot pool an empty plane");
    out.push(1);
  }
  c.output(c.dtype(0), out);
}

/// x, scales? [rank], sizes? [rank], region? [2 rank]: ONNX's Resize once axes are resolved by the door. With scales
/// and sizes, sizes say how large the result is and scales where its pixels lie.
void resize(InferContext& c) {
  const Shape& x = c.shape(0);
  std::vector<double> scales(static_cast<size_t>(x.rank()));
  Shape out;
  if (c.has(1) && c.type(1).shape.count() > 0) {
    const HostTensor& given = c.known(1, "scales");
    c.require(given.shape().count() == x.rank(), "scales must have one value per axis");
    for (int i = 0; i < x.rank(); ++i) {
      const double scale = given.real(i);
      // Sizes of their own beside a scale of nearly 0 would ask for pixels beyond any integer, and endless antialiasing.
      c.require(scale > 1e-6 && scale < 1e6, "a scale is not positive, too small or too large");
      scales[static_cast<size_t>(i)] = scale;
      // In single precision, as scales are given: 5 * 2.6f is 13, in double it would stay below.
      out.push(static_cast<int64_t>(std::floor(static_cast<float>(x[i]) * static_cast<float>(scale))));
    }
  }
  if (out.rank() == 0 || c.has(2)) {
    const bool scaled = out.rank() > 0;
    out = Shape{};
    c.require(c.has(2), "needs scales or sizes");
    const std::vector<int64_t> sizes = c.known(2, "sizes").integers();
    c.require(static_cast<int>(sizes.size()) == x.rank(), "sizes must have one value per axis");
    for (int i = 0; i < x.rank(); ++i) {
      c.require(sizes[static_cast<size_t>(i)] > 0 && x[i] > 0, "a size is not positive");
      out.push(sizes[static_cast<size_t>(i)]);
      // What is read for a pixel is as wide as a step is: scales that have nothing to do with sizes would read forever.
      c.require(!scaled || std::abs(scales[static_cast<size_t>(i)] * static_cast<double>(x[i]) - static_cast<double>(out[i])) <= 1, "scales and sizes do not fit each other");
      if (!scaled) scales[static_cast<size_t>(i)] = static_cast<double>(out[i]) / static_cast<double>(x[i]);
    }
  }
  if (c.attributes().text("coordinateMode") == "cropAndResize") {
    const HostTensor& region = c.known(3, "region of interest");
    c.require(region.shape().count() == 2 * x.rank(), "the region of interest must have two values per axis");
    std::vector<double> bounds;
    for (int i = 0; i < 2 * x.rank(); ++i) bounds.push_back(region.real(i));
    c.resolve("region", bounds);
  }
  out.count();
  c.resolve("resolvedScales", scales);
  c.output(c.dtype(0), out);
}
/// g [K, ...y], like = x; attributes as resolved by the forward node
void resizeGrad(InferContext& c) { c.output(c.dtype(0), prepend(c.shape(0)[0], c.shape(1))); }

const bool registered = [] {
  const std::vector<AttributeSpec> window = {requiredIntegers("kernel"), integers("strides"), integers("dilations"), integers("pads"), text("autoPad", "explicit"), integer("ceilMode", 0)};
  std::vector<AttributeSpec> average = window;
  average.push_back(integer("countIncludePad", 0));
  RegisterOp({.name = "maxPool", .opClass = OpClass::Composite, .maxOutputs = 2, .attributes = window, .infer = maxPool});
  RegisterOp({.name = "maxPoolGrad", .opClass = OpClass::Composite, .minInputs = 3, .maxInputs = 3,
              .attributes = {integers("kernel"), integers("strides"), integers("dilations"), integers("pads")}, .infer = maxPoolGrad, .shapeOnly = 0b100});
  RegisterOp({.name = "maxPoolTaps", .minOutputs = 2, .maxOutputs = 2, .attributes = window, .infer = maxPoolTaps});
  RegisterOp({.name = "maxPoolTapsGrad", .minInputs = 3, .maxInputs = 3,
              .attributes = {requiredIntegers("kernel"), integers("strides"), integers("dilations"), integers("pads")}, .infer = maxPoolTapsGrad, .shapeOnly = 0b100});
  RegisterOp({.name = "averagePool", .opClass = OpClass::Composite, .attributes = average, .infer = averagePool});
  RegisterOp({.name = "averagePoolGrad", .opClass = OpClass::Composite, .minInputs = 2, .maxInputs = 2, .attributes = average, .infer = averagePoolGrad, .shapeOnly = 0b10});
  RegisterOp({.name = "globalAveragePool", .opClass = OpClass::Composite, .infer = globalPool});
  RegisterOp({.name = "globalMaxPool", .opClass = OpClass::Composite, .infer = globalPool});
  const std::vector<AttributeSpec> resizing = {
      text("mode", "nearest"),                   // nearest, linear, cubic
      text("coordinateMode", "halfPixel"),       // halfPixel, halfPixelSymmetric, pytorchHalfPixel, alignCorners, asymmetric, cropAndResize
      text("nearestMode", "roundPreferFloor"),   // roundPreferFloor, roundPreferCeil, floor, ceil
      real("cubicCoefficient", -0.75), integer("excludeOutside", 0), integer("antialias", 0),
      real("extrapolation", 0),                  // what lies outside of the picture in cropAndResize
      {"region", AttributeKind::Reals, Attribute(std::vector<double>{})},
      {"resolvedScales", AttributeKind::Reals, Attribute(std::vector<double>{})}};
  RegisterOp({.name = "resize", .opClass = OpClass::Composite, .maxInputs = 4, .attributes = resizing, .infer = resize, .hostOperands = 0b1110});
  RegisterOp({.name = "resizeGrad", .opClass = OpClass::Composite, .minInputs = 2, .maxInputs = 2, .attributes = resizing, .infer = resizeGrad, .shapeOnly = 0b10});
  return true;
}();

}  // namespace
}  // namespace ascribe
