#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// A cotangent or result of a reduction with the reduced axes put back as ones; `leading` axes stand before them.
Term keptDims(VjpContext& c, ValueId reduced, int leading) {
  const Term term{&c.b, reduced};
  if (c.attributes().integer("keepDims")) return term;
  return unsqueeze(term, shifted(c.attributes().integers("axes"), leading));
}
Term spread(VjpContext& c, Term g) { return apply("expandLike", g, operand(c, 0), {{"leading", int64_t{1}}}); }

/// The gradient goes to the first extremum.
void extremum(VjpContext& c) {
  const Attributes how = pick(c.attributes(), {"axes", "keepDims"});
  c.gradient(0, c.b.node("extremumGrad", {c.cotangent(), c.input(0), c.output()}, how));
}

/// d prod / dx_i is the product of the others: y / x_i where nothing is 0; where exactly one x_i is 0, the product
/// of the rest at its place and 0 elsewhere; 0 where two are.
void product(VjpContext& c) {
  const Term x = operand(c, 0);
  const std::vector<int64_t> axes = c.attributes().integers("axes");
  const Term isZero = equal(x, 0), ones = where(isZero, number(x, 1), x);
  const Term count = sum(where(isZero, number(x, 1), number(x, 0)), axes);
  const Term rest = apply("prod", ones, {{"axes", axes}, {"keepDims", int64_t{1}}});
  const Term atZero = only(both(isZero, equal(count, 1)), rest);
  const Term others = where(equal(count, 0), rest / ones, atZero);
  c.gradient(0, keptDims(c, c.cotangent(), 1) * others);
}

/// y [leading…, like…] summed from x [leading…, s…]: the cotangent is spread over what was summed.
void sumTo(VjpContext& c) {
  const int leading = static_cast<int>(c.attributes().integer("leading"));
  const int missing = c.shape(0).rank() - c.outputShape().rank();
  std::vector<int64_t> ones;
  for (int i = 0; i < missing; ++i) ones.push_back(1 + leading + i);
  c.gradient(0, spread(c, unsqueeze(cotangent(c), ones)));
}

const bool registered = [] {
  rule("sum", [](VjpContext& c) { c.gradient(0, spread(c, keptDims(c, c.cotangent(), 1))); });
  rule("mean", [](VjpContext& c) {
    const int64_t from = c.shape(0).count(), to = c.outputShape().count();
    const double share = from ? static_cast<double>(to) / static_cast<double>(from) : 0;
    c.gradient(0, spread(c, keptDims(c, c.cotangent(), 1) * share));
  });
  rule("reduceMax", extremum);
  rule("reduceMin", extremum);
  rule("prod", product);
  rule("sumTo", sumTo);
  rule("cumSum", [](VjpContext& c) {  // running the other way
    Attributes back = c.attributes();
    back.set("axis", c.attributes().integer("axis") + 1).set("reverse", int64_t{!c.attributes().integer("reverse")});
    c.gradient(0, apply("cumSum", cotangent(c), back));
  });
  for (const char* name : {"argMax", "argMin"}) RegisterNoGradient{name};

  // extremumGrad(g, x, y) places g at the first extremum: its adjoint reads there.
  rule("extremumGrad", [](VjpContext& c) {
    if (!c.wants(0)) return;
    Shape one = c.outputShape(), reduced = c.shape(0);
    one[0] = reduced[0] = 1;
    const Attributes how = pick(c.attributes(), {"axes", "keepDims"});
    const Term place{&c.b, c.b.node("extremumGrad", {expand(number(cotangent(c), 1), reduced), c.input(1), c.input(2)}, how)};
    std::vector<int64_t> axes = c.attributes().integers("axes");
    if (axes.empty())
      for (int i = 0; i < c.shape(1).rank(); ++i) axes.push_back(i);
    for (int64_t& axis : axes) axis = normaliseAxis(axis, c.shape(1).rank()) + 2;
    const Term read = cotangent(c) * place;
    // A scalar has no axes, and "no axes" would sum over the cotangents.
    c.gradient(0, axes.empty() ? read.id : c.b.sum(read, axes, c.attributes().integer("keepDims") != 0));
  });
  return true;
}();

}  // namespace
}  // namespace ascribe
