#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/packed_product.h"
#include "graph/passes/pattern.h"
#include "kernels/kernel.h"

namespace ascribe::passes {

namespace {

std::string activationOf(const Node& node) {
  const std::string& name = node.op->name;
  if (name == "silu") return name;
  if (name == "gelu") return node.attributes.text("approximate") == "tanh" ? "geluTanh" : "gelu";
  return {};
}

class Fusion {
 public:
  explicit Fusion(const Graph& graph) : graph_(graph), pattern_(graph) {}

  /// The whole layer that ends in this product; no node where it is none.
  std::optional<Node> layer(const Node& out) const {
    if (out.op->name == "add") return withResidual(out);
    if (!isProduct(&out)) return {};
    const Node* product = pattern_.inner(out.inputs[0], "mul");
    if (product == nullptr) return {};
    for (size_t side = 0; side < 2; ++side)
      if (std::optional<Node> found = gated(out, product->inputs[side], product->inputs[1 - side])) return found;
    return {};
  }

 private:
  const Node* sole(ValueId id) const { return pattern_.seen(id, 1) ? graph_.producer(id) : nullptr; }

  std::optional<Node> gated(const Node& out, ValueId activated, ValueId linear) const {
    const Node* activation = sole(activated);
    if (activation == nullptr || activationOf(*activation).empty()) return {};
    const Node *gate = sole(activation->inputs[0]), *value = sole(linear);
    if (!isProduct(gate) || !isProduct(value) || gate->inputs[0] != value->inputs[0]) return {};
    const ValueId x = gate->inputs[0];
    if (graph_.type(x).dtype != DType::F32 || graph_.shape(x).rank() < 2 || graph_.shape(activated).count() * 4 < kFewBytes) return {};
    for (const Node* each : {gate, value, &out}) {
      if (each->attributes.integer("transposeB") != out.attributes.integer("transposeB") || multipliesBf16(*each) != multipliesBf16(out)) return {};
      if (!hasPackedWeights(graph_, *each)) return {};
    }
    if (!(graph_.shape(gate->inputs[1]) == graph_.shape(value->inputs[1]))) return {};
    Node joined;
    joined.op = &op("gatedLayer");
    joined.name = out.name;
    joined.inputs = {x, gate->inputs[1], value->inputs[1], out.inputs[1]};
    joined.outputs = out.outputs;
    joined.attributes.set("activation", activationOf(*activation)).set("transposeB", out.attributes.integer("transposeB"));
    if (multipliesBf16(out)) joined.attributes.set("products", std::string("bf16"));
    return joined;
  }
  /// A layer that has been joined already, and what is added to it.
  std::optional<Node> withResidual(const Node& sum) const {
    for (size_t side = 0; side < 2; ++side) {
      const Node* layer = pattern_.inner(sum.inputs[side], "gatedLayer");
      const ValueId other = sum.inputs[1 - side];
      if (layer == nullptr || layer->inputs.size() != 4 || !(graph_.shape(other) == graph_.shape(layer->outputs[0]))) continue;
      // The sum stands where both are known.
      Node joined = *layer;
      joined.inputs.push_back(other);
      joined.outputs = sum.outputs;
      return joined;
    }
    return {};
  }

  const Graph& graph_;
  Pattern pattern_;
};

}  // namespace

/// The layer of most decoders, activation(x gate) * (x value) out, becomes one node where weights are packed: its middle, several
/// times as wide as either end, is made for the last product some rows and columns at a time, and never goes to memory. An addition behind
/// it is done to rows while they are in a cache.
bool fuseGatedLayer(Graph& graph, const PassContext& context) {
  if (!isForProcessor(context) || !hasFastKernel("gatedLayer", context)) return false;
  const Fusion fusion(graph);
  return replaceNodes(graph, [&](const Node& node) { return fusion.layer(node); });
}

}  // namespace ascribe::passes
