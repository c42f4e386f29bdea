#include <cmath>

#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// The gradient goes to the first maximum of each window.
void maxPool(VjpContext& c) {
  const ValueId indices = c.ensureOutput(1);
  Attributes window;
  for (const char* name : {"kernel", "strides", "dilations", "pads"}) window.set(name, c.attributes().integers(name));
  c.gradient(0, c.b.node("maxPoolGrad", {c.cotangent(), indices, c.input(0)}, window));
}
/// Placing back is undone by reading: u [L, K, N, C, in…] at the saved place of each window.
void maxPoolGrad(VjpContext& c) {
  if (!c.wants(0)) return;
  const Term u = cotangent(c);
  const Shape shape = c.b.shape(u), windows = c.shape(1);
  const Term planes = reshape(u, Shape{shape[0] * shape[1], shape[2], shape[3], shape.count(4, shape.rank())});
  const Shape perPlane{shape[0] * shape[1], windows[0], windows[1], windows.count(2, windows.rank())};
  const Term places = expand(reshape(operand(c, 1), Shape{windows[0], windows[1], perPlane[3]}), perPlane);
  c.gradient(0, unfolded(c, apply("gatherElements", planes, places, {{"axis", int64_t{3}}}), 0));
}

void averagePool(VjpContext& c) { c.gradient(0, apply("averagePoolGrad", cotangent(c), operand(c, 0), c.attributes())); }
void averagePoolGrad(VjpContext& c) {
  c.gradient(0, unfolded(c, apply("averagePool", foldLeading(cotangent(c), 3), c.attributes()), 0));
}

void globalAveragePool(VjpContext& c) {
  const Shape x = c.shape(0);
  const double share = 1 / static_cast<double>(x.count(2, x.rank()));
  c.gradient(0, apply("expandLike", cotangent(c) * share, operand(c, 0), {{"leading", int64_t{1}}}));
}
void globalMaxPool(VjpContext& c) {
  std::vector<int64_t> axes;
  for (int i = 2; i < c.shape(0).rank(); ++i) axes.push_back(i);
  c.gradient(0, c.b.node("extremumGrad", {c.cotangent(), c.input(0), c.output()}, {{"axes", axes}, {"keepDims", int64_t{1}}}));
}

void resize(VjpContext& c) { c.gradient(0, apply("resizeGrad", cotangent(c), operand(c, 0), c.attributes())); }
/// Resizing is linear: its adjoint's adjoint is the resize itself, here of every cotangent's batch at once.
void resizeGrad(VjpContext& c) {
  const Shape small = c.shape(1), large = Shape(c.shape(0).dims().subspan(1));
  const std::vector<double> scales = c.attributes().reals("resolvedScales");
  if (scales.empty() || scales[0] != 1) return c.unsupported("a resize along the batch axis is not differentiated again");
  // Scales where they give the size back, so that the sampling positions are the forward pass's to the bit.
  bool byScale = true;
  for (size_t i = 0; i < scales.size(); ++i)
    byScale = byScale && static_cast<int64_t>(std::floor(static_cast<double>(small[static_cast<int>(i)]) * scales[i])) == large[static_cast<int>(i)];
  const Term u = foldLeading(cotangent(c), 3);
  HostTensor factors(DType::F64, Shape{static_cast<int64_t>(scales.size())});
  std::copy(scales.begin(), scales.end(), static_cast<double*>(factors.mutableData()));
  std::vector<int64_t> sizes(large.begin(), large.end());
  sizes[0] = c.b.shape(u)[0];
  const ValueId how = byScale ? c.b.constant(std::move(factors)) : kNone;
  Attributes attributes = c.attributes();
  const ValueId out = byScale ? c.b.node("resize", {u, how}, attributes) : c.b.node("resize", {u, kNone, c.b.integers(sizes)}, attributes);
  c.gradient(0, unfolded(c, {&c.b, out}, 0));
}

const bool registered = [] {
  rule("maxPool", maxPool);
  rule("maxPoolGrad", maxPoolGrad);
  rule("averagePool", averagePool);
  rule("averagePoolGrad", averagePoolGrad);
  rule("globalAveragePool", globalAveragePool);
  rule("globalMaxPool", globalMaxPool);
  rule("resize", resize);
  rule("resizeGrad", resizeGrad);
  return true;
}();

}  // namespace
}  // namespace ascribe
