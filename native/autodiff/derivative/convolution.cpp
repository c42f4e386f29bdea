#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// Three bilinear maps of data x, weights w and output gradients g, each the adjoint of the others:
///   conv(x, w) -> g,   D(g, w) -> x,   W(x, g) -> w.
/// So every derivative of one of them is another of them. Where an axis K stands at an operand that the op has
/// no place for it, K goes into the batch, or becomes convolution groups.

Attributes window(VjpContext& c) { return pick(c.attributes(), {"strides", "dilations", "pads", "autoPad", "group"}); }
Attributes inGroups(Attributes how, int64_t times) {
  how.set("group", how.integer("group") * times);
  return how;
}
Shape shapeOf(Term x) { return x.builder->shape(x.id); }

Term convolve(Term x, Term w, const Attributes& how) { return apply("conv", x, w, how); }
Term dataGradient(Term g, Term w, Term like, const Attributes& how) { return {g.builder, g.builder->node("convDataGradient", {g, w, like}, how)}; }
Term weightGradient(Term x, Term g, Term like, Attributes how, bool perExample = false) {
  return {g.builder, g.builder->node("convWeightGradient", {x, g, like}, how.set("perExample", int64_t{perExample}))};
}

/// The first axes of x in the given order, the others where they are.
Term permuted(Term x, std::vector<int64_t> order) {
  for (int64_t i = static_cast<int64_t>(order.size()); i < shapeOf(x).rank(); ++i) order.push_back(i);
  return transpose(x, order);
}
/// Axes [from, from + count) as one.
Term merged(Term x, int from, int count) {
  const Shape shape = shapeOf(x);
  Shape to;
  for (int i = 0; i < from; ++i) to.push(shape[i]);
  to.push(shape.count(from, from + count));
  for (int i = from + count; i < shape.rank(); ++i) to.push(shape[i]);
  return reshape(x, to);
}
/// Axis `axis` split into these parts.
Term split(Term x, int axis, std::initializer_list<int64_t> parts) {
  const Shape shape = shapeOf(x);
  Shape to;
  for (int i = 0; i < axis; ++i) to.push(shape[i]);
  for (int64_t part : parts) to.push(part);
  for (int i = axis + 1; i < shape.rank(); ++i) to.push(shape[i]);
  return reshape(x, to);
}

/// W where both data and gradients have a leading axis B: x [B, N, C, in…], g [B, N, M, out…] -> [B, ...w].
/// B becomes groups of channels.
Term weightGradientEach(Term x, Term g, Term like, const Attributes& how) {
  const int64_t b = shapeOf(x)[0];
  const Shape w = shapeOf(like);
  Shape stacked = w;
  stacked[0] *= b;
  const Term x1 = merged(permuted(x, {1, 0}), 1, 2), g1 = merged(permuted(g, {1, 0}), 1, 2);
  const Term all = weightGradient(x1, unsqueeze(g1, {0}), zeros(x, stacked), inGroups(how, b));
  return reshape(all, prepend(b, w));
}
Term repeated(Term x, int64_t times) { return expand(unsqueeze(x, {0}), prepend(times, shapeOf(x))); }

void biasGradient(VjpContext& c, size_t i) {
  const Term bias = perChannel(operand(c, i), c.outputShape().rank());
  c.gradientReduced(i, c.cotangent(), bias);
}

void conv(VjpContext& c) {
  const Term x = operand(c, 0), w = operand(c, 1), g = cotangent(c);
  if (c.wants(0)) c.gradient(0, dataGradient(g, w, x, window(c)));
  if (c.wants(1)) {
    if (c.mode(1) == ParameterGradient::Factors) c.factors(1, x, g);
    else if (c.mode(1) == ParameterGradient::PerExample) c.gradientPerExample(1, weightGradient(x, g, w, window(c), true));
    else c.gradient(1, weightGradient(x, g, w, window(c)));
  }
  if (c.wants(2)) biasGradient(c, 2);
}

/// y = D(g, w): its adjoints are conv in g and W in w. The op's own g may carry an axis already.
void convDataGradient(VjpContext& c) {
  const Term g = operand(c, 0), w = operand(c, 1), u = cotangent(c);
  const bool axis = c.shape(0).rank() > c.shape(2).rank();
  const Term data = foldLeading(u, axis ? 3 : 2);
  if (c.wants(0)) c.gradient(0, unfolded(c, convolve(data, w, window(c)), 0));
  if (!c.wants(1)) return;
  const int64_t k = shapeOf(u)[0];
  const Term x = axis ? merged(u, 1, 2) : u, each = axis ? foldLeading(g, 2) : g;
  c.gradient(1, weightGradientEach(x, repeated(each, k), w, window(c)));
}

/// y [K, ...w] = W(x, g_k): its adjoints are conv in g and D in x, with the K cotangents as weights.
void convWeightGradient(VjpContext& c) {
  if (c.attributes().integer("perExample")) return c.unsupported("weight gradients per example are not differentiated again");
  const Attributes how = window(c);
  const Term x = operand(c, 0), g = operand(c, 1), u = cotangent(c);  // u [L, K, M, C/groups, kernel…]
  const Shape shapeG = c.shape(1), shapeX = c.shape(0);
  const int64_t l = shapeOf(u)[0], k = shapeG[0], n = shapeG[1], m = shapeG[2], groups = how.integer("group");
  if (c.wants(1)) {
    // All L·K weights at once, group by group: rows (group, L·K, M/group).
    const Term byGroup = permuted(split(merged(u, 0, 2), 1, {groups, m / groups}), {1, 0, 2});
    const Term y = convolve(x, merged(byGroup, 0, 3), how);
    const Term apart = permuted(split(y, 1, {groups, l * k, m / groups}), {2, 0, 1, 3});
    c.gradient(1, reshape(apart, prepend(l, shapeG)));
  }
  if (!c.wants(0)) return;
  // Sums over K and M, apart for every L: groups (L, group), rows (L, group, K, M/group).
  const Term weights = merged(permuted(split(u, 2, {groups, m / groups}), {0, 2, 1, 3}), 0, 4);
  const Term rows = merged(permuted(split(g, 2, {groups, m / groups}), {1, 2, 0, 3}), 1, 3);  // [N, group·K·M/group, …]
  Shape spread = prepend(n, prepend(l, Shape(shapeOf(rows).dims().subspan(1))));
  const Term everyL = merged(expand(unsqueeze(rows, {1}), spread), 1, 2);
  Shape like = shapeX;
  like[1] *= l;
  const Term data = dataGradient(everyL, weights, zeros(x, like), inGroups(how, l));
  c.gradient(0, permuted(split(data, 1, {l, shapeX[1]}), {1, 0}));
}

/// y = D(x, w) + bias.
void convTranspose(VjpContext& c) {
  const Attributes how = window(c);
  const Term x = operand(c, 0), w = operand(c, 1), g = cotangent(c);
  const int64_t k = shapeOf(g)[0];
  if (c.wants(0)) {
    Term back = convolve(foldLeading(g, 2), w, how);
    // Output padding beyond a stride leaves windows behind the last element of x.
    Shape whole = c.shape(0);
    whole[0] *= k;
    if (shapeOf(back) != whole) {
      const std::vector<int64_t> starts(static_cast<size_t>(whole.rank()), 0);
      back = {&c.b, c.b.node("slice", {back, c.b.integers(starts), c.b.integers({whole.begin(), whole.end()})})};
    }
    c.gradient(0, unfolded(c, back, 0));
  }
  if (c.wants(1)) {
    if (c.mode(1) == ParameterGradient::PerExample) {
      const Term each = weightGradientEach(unsqueeze(foldLeading(g, 2), {1}), unsqueeze(foldLeading(repeated(x, k), 2), {1}), w, how);
      c.gradientPerExample(1, split(each, 0, {k, c.shape(0)[0]}));
    } else if (c.mode(1) == ParameterGradient::Factors) c.factors(1, x, g);
    else c.gradient(1, weightGradientEach(g, repeated(x, k), w, how));
  }
  if (c.wants(2)) biasGradient(c, 2);
}

const bool registered = [] {
  rule("conv", conv);
  rule("convDataGradient", convDataGradient);
  rule("convWeightGradient", convWeightGradient);
  rule("convTranspose", convTranspose);
  return true;
}();

}  // namespace
}  // namespace ascribe
