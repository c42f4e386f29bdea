#include <algorithm>

#include "graph/layout.h"
#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"
#include "kernels/kernel.h"

namespace ascribe::passes {

namespace {

/// Smaller values stay in the caches between two nodes, and each of the nodes is shared out to threads in its own best way.
constexpr int64_t kFewBytes = 2 << 20;

bool isConvolution(const Node& node) { return node.op->name == "conv" || node.op->name == "fusedConv"; }

/// Its result at a pixel is made of that pixel of all channels: neither steps, borders nor groups, of which a separableConv says
/// nothing.
bool meetsEveryPixel(const Node& node) {
  const auto all = [&](const char* name, int64_t value) { return std::ranges::all_of(node.attributes.integers(name), [=](int64_t each) { return each == value; }); };
  return node.attributes.integer("group") == 1 && all("strides", 1) && all("pads", 0);
}

ValueId operand(const Node& node, size_t i) { return i < node.inputs.size() ? node.inputs[i] : kNone; }

Node joined(const Node& depthwise, const Node& pointwise) {
  Node out;
  out.op = &op("separableConv");
  out.inputs = {depthwise.inputs[0], depthwise.inputs[1], operand(depthwise, 2), pointwise.inputs[1], operand(pointwise, 2), operand(pointwise, 3)};
  out.outputs = pointwise.outputs;
  out.attributes = depthwise.attributes;
  if (!out.attributes.has("activation")) out.attributes.set("activation", std::string("none")).set("alpha", 0.0).set("beta", 0.0);
  const bool isFused = pointwise.attributes.has("activation");
  out.attributes.set("thenActivation", isFused ? pointwise.attributes.text("activation") : std::string("none"));
  for (const auto& [from, to] : {std::pair{"alpha", "thenAlpha"}, std::pair{"beta", "thenBeta"}}) out.attributes.set(to, isFused ? pointwise.attributes.real(from) : 0.0);
  return out;
}

bool takes(const Graph& graph, const Node& node, const PassContext& context) {
  std::vector<ValueType> inputs;
  std::vector<const HostTensor*> constants;
  for (const ValueId id : node.inputs) {
    inputs.push_back(id == kNone ? ValueType{} : graph.type(id));
    constants.push_back(graph.constant(id));
  }
  return takesLayout({node, inputs, {&graph.type(node.outputs[0]), 1}, constants}, context.backends);
}

}  // namespace

/// A depthwise convolution and one of 1 x 1 that alone reads it become one node where values lie in blocks: rows of the first are
/// made for the second while they are in the cache, and what lies between, several times as wide as either end in most nets, never
/// goes to memory.
bool fuseSeparable(Graph& graph, const PassContext& context) {
  if (!isForProcessor(context)) return false;
  const std::vector<int> uses = countUses(graph);
  std::vector<char> gone(graph.nodes.size(), 0);
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (!isConvolution(node) || multipliesBf16(node) || !meetsEveryPixel(node)) continue;
    const ValueId between = node.inputs[0];
    const Value& value = graph.value(between);
    if (value.kind != ValueKind::Result || value.pinned || uses[static_cast<size_t>(between)] != 1) continue;
    if (value.type.layout == Layout::Plain || storedShape(value.type).count() * 4 < kFewBytes) continue;
    const Node& before = graph.nodes[static_cast<size_t>(value.producer)];
    if (!isConvolution(before) || multipliesBf16(before) || operand(before, 3) != kNone || gone[static_cast<size_t>(value.producer)]) continue;
    Node both = joined(before, node);
    if (!takes(graph, both, context)) continue;
    gone[static_cast<size_t>(value.producer)] = 1;
    node = std::move(both);
    changed = true;
  }
  if (!changed) return false;
  dropNodes(graph, gone);
  return true;
}

}  // namespace ascribe::passes
