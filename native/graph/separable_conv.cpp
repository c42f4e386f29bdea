#include "graph/separable_conv.h"

#include "graph/op.h"

namespace ascribe {

SeparableHalves separableHalves(const Node& node) {
  const auto operand = [&](size_t i) { return i < node.inputs.size() ? node.inputs[i] : kNone; };
  const Attributes& a = node.attributes;
  const size_t spatial = a.integers("strides").size();
  Attributes window;
  for (const char* name : {"strides", "dilations", "pads"}) window.set(name, a.integers(name));
  window.set("autoPad", a.text("autoPad")).set("group", a.integer("group"));
  window.set("activation", a.text("activation")).set("alpha", a.real("alpha")).set("beta", a.real("beta"));
  const Attributes single{{"strides", std::vector<int64_t>(spatial, 1)}, {"dilations", std::vector<int64_t>(spatial, 1)}, {"pads", std::vector<int64_t>(2 * spatial, 0)},
                          {"autoPad", std::string("explicit")}, {"group", int64_t{1}}, {"activation", a.text("thenActivation")}, {"alpha", a.real("thenAlpha")}, {"beta", a.real("thenBeta")}};
  // The second one's first operand is no value of the graph; any that exists says that it is there.
  return {{&op("fusedConv"), {operand(0), operand(1), operand(2), kNone}, node.outputs, window, {}},
          {&op("fusedConv"), {operand(0), operand(3), operand(4), operand(5)}, node.outputs, single, {}}};
}

ValueType betweenHalves(const ValueType& x, const ValueType& weights, const ValueType& y) {
  ValueType between = x;
  between.shape = y.shape;
  between.shape[1] = weights.shape[0];
  return between;
}

}  // namespace ascribe
