#include "autodiff/rule.h"
#include "graph/convert.h"

namespace ascribe {
namespace {
using namespace calculus;

/// Indices repeated for every entry of these leading axes.
Term indicesFor(VjpContext& c, std::initializer_list<int64_t> leading) {
  Shape to{leading};
  for (int64_t dim : c.shape(1)) to.push(dim);
  return expand(operand(c, 1), to);
}

void gather(VjpContext& c) {
  const int64_t axis = c.attributes().integer("axis");
  const Term g = cotangent(c), indices = operand(c, 1);
  if (c.mode(0) != ParameterGradient::PerExample)
    return c.gradient(0, c.b.node("gatherGrad", {g, indices, c.input(0)}, {{"axis", axis}}));
  // A table per example, one below the other: example n adds into rows n·V and following.
  const Shape table = c.shape(0), ids = c.shape(1);
  if (axis != 0 || ids.rank() == 0) return c.unsupported("an embedding has a gradient per example along its first axis only");
  HostTensor offsets(c.b.dtype(indices), [&] { Shape s{ids[0]}; for (int i = 1; i < ids.rank(); ++i) s.push(1); return s; }());
  for (int64_t n = 0; n < ids[0]; ++n) {
    if (offsets.dtype() == DType::I64) static_cast<int64_t*>(offsets.mutableData())[n] = n * table[0];
    else static_cast<int32_t*>(offsets.mutableData())[n] = static_cast<int32_t>(n * table[0]);
  }
  const Term own = where(indices < 0, indices + static_cast<double>(table[0]), indices) + Term{&c.b, c.b.constant(std::move(offsets))};
  Shape all = table;
  all[0] *= ids[0];
  const Term stacked{&c.b, c.b.node("gatherGrad", {g, own, zeros(g, all)}, {{"axis", int64_t{0}}})};
  Shape split = prepend(c.b.shape(g)[0], prepend(ids[0], table));
  c.gradientPerExample(0, reshape(stacked, split));
}

void gatherElements(VjpContext& c) {
  c.gradient(0, c.b.node("gatherElementsGrad", {c.cotangent(), c.input(1), c.input(0)}, pick(c.attributes(), {"axis"})));
}
void gatherNd(VjpContext& c) {
  c.gradient(0, c.b.node("gatherNdGrad", {c.cotangent(), c.input(1), c.input(0)}, pick(c.attributes(), {"batchDims"})));
}

/// What an update overwrites has no influence any more.
template <bool tuples>
void scatter(VjpContext& c) {
  const std::string reduction = c.attributes().text("reduction");
  if (reduction != "none" && reduction != "add") return c.unsupported("a scatter that combines by " + reduction + " has no derivative");
  const Term g = cotangent(c);
  if (c.wants(0)) {
    if (reduction == "add") c.gradient(0, g);
    else {
      const Term kept{&c.b, c.b.node(c.node().op->name, {expand(number(g, 1), c.shape(0)), c.input(1), zeros(g, c.shape(2))}, c.attributes())};
      c.gradient(0, g * kept);
    }
  }
  if (!c.wants(2)) return;
  const Term indices = indicesFor(c, {c.b.shape(g)[0]});
  if constexpr (tuples) c.gradient(2, apply("gatherNd", g, indices, {{"batchDims", int64_t{1}}}));
  else c.gradient(2, apply("gatherElements", g, indices, {{"axis", c.attributes().integer("axis") + 1}}));
}

const bool registered = [] {
  rule("gather", gather);
  rule("gatherElements", gatherElements);
  rule("topK", [](VjpContext& c) {
    if (c.cotangent() == kNone) return;
    c.gradient(0, c.b.node("gatherElementsGrad", {c.cotangent(), c.output(1), c.input(0)}, pick(c.attributes(), {"axis"})));
  });
  rule("gatherNd", gatherNd);
  rule("scatterElements", scatter<false>);
  rule("scatterNd", scatter<true>);
  // Placing back and reading out are each other's adjoint.
  rule("gatherGrad", [](VjpContext& c) {
    c.gradient(0, apply("gather", cotangent(c), operand(c, 1), {{"axis", c.attributes().integer("axis") + 2}}));
  });
  rule("gatherElementsGrad", [](VjpContext& c) {
    const Term g = cotangent(c);
    const Term indices = indicesFor(c, {c.b.shape(g)[0], c.b.shape(g)[1]});
    c.gradient(0, apply("gatherElements", g, indices, {{"axis", c.attributes().integer("axis") + 2}}));
  });
  rule("gatherNdGrad", [](VjpContext& c) {
    const Term g = cotangent(c);
    const Term indices = indicesFor(c, {c.b.shape(g)[0], c.b.shape(g)[1]});
    c.gradient(0, apply("gatherNd", g, indices, {{"batchDims", c.attributes().integer("batchDims") + 2}}));
  });
  RegisterDecomposition{"oneHot", [](Builder& b, const Node& node) {  // off + (on - off) · hit
    const Term values{&b, node.inputs[2]};
    const DType dtype = b.dtype(values);
    const Term hit{&b, b.node("oneHot", {b.node("stopGradient", {node.inputs[0]}), node.inputs[1], b.constant(convert(HostTensor::ofIntegers({0, 1}), dtype))}, node.attributes)};
    const auto at = [&](int64_t i) { return apply("gather", values, Term{&b, b.constant(HostTensor::scalar(DType::I64, static_cast<double>(i)))}); };
    return std::vector<ValueId>{at(0) + (at(1) - at(0)) * hit};
  }};
  return true;
}();

}  // namespace
}  // namespace ascribe
