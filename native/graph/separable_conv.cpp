#include "graph/separable_conv.h"

#include "graph/op.h"

namespace ascribe {

SeparableParts separableParts(const Node& node) {
  const auto operand = [&](size_t i) { return i < node.inputs.size() ? node.inputs[i] : kNone; };
  const Attributes& a = node.attributes;
  const size_t spatial = a.integers("strides").size();
  Attributes window;
  for (const char* name : {"strides", "dilations", "pads"}) window.set(name, a.integers(name));
  window.set("autoPad", a.text("autoPad")).set("group", a.integer("group"));
  window.set("activation", a.text("activation")).set("alpha", a.real("alpha")).set("beta", a.real("beta"));
  const auto single = [&](const std::string& which) {
    return Attributes{{"strides", std::vector<int64_t>(spatial, 1)}, {"dilations", std::vector<int64_t>(spatial, 1)}, {"pads", std::vector<int64_t>(2 * spatial, 0)},
                      {"autoPad", std::string("explicit")}, {"group", int64_t{1}},
                      {"activation", a.text(which + "Activation")}, {"alpha", a.real(which + "Alpha")}, {"beta", a.real(which + "Beta")}};
  };
  // Behind the first one, a first operand is no value of the graph; any that exists says that it is there.
  SeparableParts out{std::nullopt,
                     {&op("fusedConv"), {operand(0), operand(1), operand(2), kNone}, node.outputs, window, {}},
                     {&op("fusedConv"), {operand(0), operand(3), operand(4), operand(5)}, node.outputs, single("then"), {}}};
  if (operand(6) != kNone) out.widening = Node{&op("fusedConv"), {operand(0), operand(6), operand(7), kNone}, node.outputs, single("first"), {}};
  return out;
}

ValueType betweenParts(const ValueType& x, const ValueType& weights, const ValueType& plane) {
  ValueType between = x;
  between.shape = plane.shape;
  between.shape[1] = weights.shape[0];
  return between;
}

}  // namespace ascribe
