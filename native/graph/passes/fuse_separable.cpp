#include <algorithm>
#include <optional>

#include "graph/layout.h"
#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"
#include "kernels/kernel.h"

namespace ascribe::passes {

namespace {

bool isConvolution(const Node& node) { return node.op->name == "conv" || node.op->name == "fusedConv"; }

/// Its result at a pixel is made of that pixel of all channels: neither steps, borders nor groups, of which a separableConv says
/// nothing.
bool meetsEveryPixel(const Node& node) {
  const auto all = [&](const char* name, int64_t value) { return std::ranges::all_of(node.attributes.integers(name), [=](int64_t each) { return each == value; }); };
  return node.attributes.integer("group") == 1 && all("strides", 1) && all("pads", 0);
}

ValueId operand(const Node& node, size_t i) { return i < node.inputs.size() ? node.inputs[i] : kNone; }

/// Under these names, the activation that a convolution ends in.
void setActivation(Attributes& to, const char* activation, const char* alpha, const char* beta, const Node& convolution) {
  const Attributes& from = convolution.attributes;
  const bool isFused = from.has("activation");
  to.set(activation, isFused ? from.text("activation") : std::string("none")).set(alpha, isFused ? from.real("alpha") : 0.0).set(beta, isFused ? from.real("beta") : 0.0);
}

Node joined(const Node& depthwise, const Node& pointwise) {
  Node out;
  out.op = &op("separableConv");
  out.inputs = {depthwise.inputs[0], depthwise.inputs[1], operand(depthwise, 2), pointwise.inputs[1], operand(pointwise, 2), operand(pointwise, 3)};
  out.outputs = pointwise.outputs;
  out.attributes = depthwise.attributes;
  setActivation(out.attributes, "activation", "alpha", "beta", depthwise);
  setActivation(out.attributes, "thenActivation", "thenAlpha", "thenBeta", pointwise);
  return out;
}

/// What `both` reads is made by a convolution of 1 x 1 before it.
Node widened(const Node& before, const Node& both) {
  Node out = both;
  out.inputs[0] = before.inputs[0];
  out.inputs.insert(out.inputs.end(), {before.inputs[1], operand(before, 2)});
  setActivation(out.attributes, "firstActivation", "firstAlpha", "firstBeta", before);
  return out;
}

class Fusion {
 public:
  Fusion(const Graph& graph, const PassContext& context) : graph_(graph), context_(context), pattern_(graph), gone_(graph.nodes.size(), 0) {}

  /// The node that takes this one's place, if there is one; what it does beside is gone.
  std::optional<Node> replacementOf(const Node& node) {
    if (!isConvolution(node) || multipliesBf16(node) || !meetsEveryPixel(node)) return std::nullopt;
    const std::optional<NodeId> depthwise = madeForOne(node.inputs[0]);
    if (!depthwise) return std::nullopt;
    const ValueId wide = nodeAt(*depthwise).inputs[0];
    if (!isLarge(wide) && !isLarge(node.inputs[0])) return std::nullopt;
    const Node both = joined(nodeAt(*depthwise), node);
    if (!takesAsItLies(graph_, both, context_)) return std::nullopt;
    const std::optional<NodeId> first = isLarge(wide) ? madeForOne(wide) : std::nullopt;
    if (first && meetsEveryPixel(nodeAt(*first))) {
      Node all = widened(nodeAt(*first), both);
      if (takesAsItLies(graph_, all, context_)) {
        gone_[at(*first)] = gone_[at(*depthwise)] = 1;
        return all;
      }
    }
    if (!isLarge(node.inputs[0])) return std::nullopt;
    gone_[at(*depthwise)] = 1;
    return both;
  }
  const std::vector<char>& gone() const { return gone_; }

 private:
  static size_t at(NodeId id) { return static_cast<size_t>(id); }
  const Node& nodeAt(NodeId id) const { return graph_.nodes[at(id)]; }
  bool isLarge(ValueId id) const { return storedShape(graph_.type(id)).count() * 4 >= kFewBytes; }

  /// The convolution, without a residual, that makes a value in blocks for one reader and nobody else.
  std::optional<NodeId> madeForOne(ValueId id) const {
    const Value& value = graph_.value(id);
    if (value.kind != ValueKind::Result || !pattern_.seen(id, 1) || value.type.layout == Layout::Plain) return std::nullopt;
    const Node& node = nodeAt(value.producer);
    if (!isConvolution(node) || multipliesBf16(node) || operand(node, 3) != kNone || gone_[at(value.producer)]) return std::nullopt;
    return value.producer;
  }

  const Graph& graph_;
  const PassContext& context_;
  Pattern pattern_;
  std::vector<char> gone_;
};

}  // namespace

/// A depthwise convolution and one of 1 x 1 that alone reads it become one node where values lie in blocks: rows of the first are
/// made for the second while they are in the cache, and what lies between, several times as wide as either end in most nets, never
/// goes to memory. A convolution of 1 x 1 that makes as much for the first one alone comes in too.
bool fuseSeparable(Graph& graph, const PassContext& context) {
  if (!isForProcessor(context)) return false;
  Fusion fusion(graph, context);
  if (!replaceNodes(graph, [&](const Node& node) { return fusion.replacementOf(node); })) return false;
  dropNodes(graph, fusion.gone());
  return true;
}

}  // namespace ascribe::passes
