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

/// Products of all elements before each, or behind each, along axis 1 of x [m, n]: by doubling, without a division.
Term productsBeside(Term x, bool behind) {
  Builder& b = *x.builder;
  const int64_t rows = b.shape(x)[0], count = b.shape(x)[1];
  const auto moved = [&](Term p, int64_t by) {
    const Term ones = expand(number(p, 1), Shape{rows, by});
    const int64_t from = behind ? by : 0;
    const Term kept{&b, b.node("slice", {p.id, b.integers({from}), b.integers({from + count - by}), b.integers({1})})};
    return Term{&b, behind ? b.node("concat", {kept, ones}, {{"axis", int64_t{1}}}) : b.node("concat", {ones, kept}, {{"axis", int64_t{1}}})};
  };
  Term products = moved(x, 1);
  for (int64_t by = 1; by < count; by *= 2) products = products * moved(products, by);
  return products;
}

/// d prod / dx_i is the product of the others. Not y / x_i: where an element is 0, the others' product still depends on
/// them, which a second derivative must see.
void product(VjpContext& c) {
  const Term x = operand(c, 0);
  const Shape shape = c.shape(0);
  std::vector<char> reduced(static_cast<size_t>(shape.rank()), c.attributes().integers("axes").empty());
  for (int64_t axis : c.attributes().integers("axes")) reduced[static_cast<size_t>(normaliseAxis(axis, shape.rank()))] = 1;
  // Kept axes first, so that what is multiplied lies together.
  std::vector<int64_t> order, back(reduced.size());
  int64_t count = 1;
  for (const char last : {0, 1})
    for (int axis = 0; axis < shape.rank(); ++axis)
      if (reduced[static_cast<size_t>(axis)] == last) {
        back[static_cast<size_t>(axis)] = static_cast<int64_t>(order.size());
        order.push_back(axis);
        if (last) count *= shape[axis];
      }
  const Term kept = keptDims(c, c.cotangent(), 1);
  if (shape.count() == 0 || count == 1) {
    c.gradient(0, kept * expand(number(x, 1), shape));
    return;
  }
  const Term moved = transpose(x, order);
  const Shape movedShape = c.b.shape(moved);
  const Term rows = reshape(moved, Shape{shape.count() / count, count});
  const Term others = reshape(productsBeside(rows, false) * productsBeside(rows, true), movedShape);
  c.gradient(0, kept * transpose(others, back));
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
