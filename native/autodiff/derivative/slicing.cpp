#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// x[begin::step] with `count` elements along every axis behind the first `leading`, which stay whole.
Term sliced(Term x, int leading, const std::vector<int64_t>& begin, const std::vector<int64_t>& step, std::span<const int64_t> count) {
  std::vector<int64_t> ends, axes;
  for (size_t i = 0; i < begin.size(); ++i) {
    const int64_t end = begin[i] + step[i] * count[i];
    ends.push_back(end < 0 ? INT64_MIN : end);  // a negative end would count from the back
    axes.push_back(leading + static_cast<int64_t>(i));
  }
  Builder& b = *x.builder;
  return {&b, b.node("slice", {x.id, b.integers(begin), b.integers(ends), b.integers(axes), b.integers(step)})};
}

void concat(VjpContext& c) {
  const size_t axis = static_cast<size_t>(c.attributes().integer("axis"));
  std::vector<int64_t> begin(static_cast<size_t>(c.outputShape().rank()), 0);
  const std::vector<int64_t> step(begin.size(), 1);
  for (size_t i = 0; i < c.node().inputs.size(); ++i) {
    const Shape part = c.shape(i);
    if (c.wants(i)) c.gradient(i, sliced(cotangent(c), 1, begin, step, part.dims()));
    begin[axis] += part[static_cast<int>(axis)];
  }
}

const bool registered = [] {
  rule("concat", concat);
  rule("slice", [](VjpContext& c) {
    c.gradient(0, apply("sliceGrad", cotangent(c), operand(c, 0), pick(c.attributes(), {"begin", "step"})));
  });
  rule("sliceGrad", [](VjpContext& c) {
    const Shape count = c.shape(0);
    c.gradient(0, sliced(cotangent(c), 2, c.attributes().integers("begin"), c.attributes().integers("step"), count.dims().subspan(1)));
  });
  rule("pad", [](VjpContext& c) {
    const Attributes how = pick(c.attributes(), {"mode", "before", "after"});
    if (c.wants(0)) c.gradient(0, apply("padGrad", cotangent(c), operand(c, 0), how));
    if (!c.wants(2) || how.text("mode") != "constant") return;
    // The value fills what is padded: ones there, zeros where x lies.
    std::vector<int64_t> pads = how.integers("before");
    pads.insert(pads.end(), how.integers("after").begin(), how.integers("after").end());
    const Term filled{&c.b, c.b.node("pad", {zeros(cotangent(c), c.shape(0)), c.b.integers(pads), number(cotangent(c), 1)})};
    c.gradientReduced(2, cotangent(c) * filled);
  });
  rule("padGrad", [](VjpContext& c) {
    std::vector<int64_t> pads{0, 0};
    for (int64_t before : c.attributes().integers("before")) pads.push_back(before);
    pads.insert(pads.end(), {0, 0});
    for (int64_t after : c.attributes().integers("after")) pads.push_back(after);
    c.gradient(0, c.b.node("pad", {c.cotangent(), c.b.integers(pads)}, pick(c.attributes(), {"mode"})));
  });
  rule("tile", [](VjpContext& c) { c.gradient(0, apply("tileGrad", cotangent(c), operand(c, 0))); });
  rule("tileGrad", [](VjpContext& c) {
    const Shape whole = c.shape(0), part = c.outputShape();
    std::vector<int64_t> repeats{1, 1};
    for (int i = 1; i < part.rank(); ++i) repeats.push_back(part[i] ? whole[i] / part[i] : 1);
    c.gradient(0, c.b.node("tile", {c.cotangent(), c.b.integers(repeats)}));
  });
  return true;
}();

}  // namespace
}  // namespace ascribe
