#include "graph/layout.h"
#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {

class Fusing {
 public:
  Fusing(Graph& graph, const PassContext& context) : graph_(graph), context_(context), pattern_(graph), gone_(graph.nodes.size(), 0) {}

  bool run() {
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      if (graph_.nodes[n].op->name == "gateBits") writeBits(n);
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      if (graph_.nodes[n].op->name == "bitGateGrad" && graph_.nodes[n].attributes.real("alpha") == 0) readBits(n);
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      if (!gone_[n] && graph_.nodes[n].op->name == "add") addUp(n, n, kNone);
    if (!changed_) return false;
    dropNodes(graph_, gone_);
    return true;
  }

 private:
  /// The node that made a value, if it is there still.
  size_t makerOf(ValueId id) const {
    const NodeId maker = graph_.value(id).kind == ValueKind::Result ? graph_.value(id).producer : NodeId{-1};
    return maker < 0 || gone_[static_cast<size_t>(maker)] ? graph_.nodes.size() : static_cast<size_t>(maker);
  }
  bool isMadeBy(ValueId id, std::string_view op) const {
    const size_t maker = makerOf(id);
    return maker < graph_.nodes.size() && graph_.nodes[maker].op->name == op;
  }

  void writeBits(size_t n) {
    const Node& bits = graph_.nodes[n];
    const size_t maker = makerOf(bits.inputs[0]);
    if (!isMadeBy(bits.inputs[0], "conv") && !isMadeBy(bits.inputs[0], "fusedConv")) return;
    Node both = graph_.nodes[maker];
    both.op = &op("gatedConv");
    both.outputs.push_back(bits.outputs[0]);
    if (!both.attributes.has("activation")) both.attributes.set("activation", std::string("none")).set("alpha", 0.0).set("beta", 0.0);
    both.attributes.set("elements", bits.attributes.integer("elements")).set("low", bits.attributes.real("low")).set("high", bits.attributes.real("high"));
    replace(std::move(both), maker, {n});
  }

  void readBits(size_t n) {
    const Node& gate = graph_.nodes[n];
    const ValueId g = gate.inputs[0];
    if (!pattern_.seen(g, 1)) return;
    if (isMadeBy(g, "convDataGradient")) replace(fused(graph_.nodes[makerOf(g)], kNone, gate.inputs[1], gate), n, {makerOf(g)});
    else if (isMadeBy(g, "add")) addUp(makerOf(g), n, gate.inputs[1]);
  }

  /// An addition whose later operand is a data gradient's that nobody else reads, with gates behind it or none: `last` is what the
  /// new node stands for.
  void addUp(size_t n, size_t last, ValueId bits) {
    const Node& add = graph_.nodes[n];
    ValueId sum = add.inputs[0], residual = add.inputs[1];
    const auto place = [&](ValueId id) { return graph_.value(id).kind == ValueKind::Result ? graph_.value(id).producer : NodeId{-1}; };
    if (place(residual) > place(sum)) std::swap(sum, residual);
    if (!isMadeBy(sum, "convDataGradient") || !pattern_.seen(sum, 1)) return;
    if (!(graph_.shape(residual) == graph_.shape(sum)) || !sameLayout(graph_.type(residual), graph_.type(sum))) return;
    const size_t maker = makerOf(sum);
    if (last == n) replace(fused(graph_.nodes[maker], residual, bits, add), last, {maker});
    else replace(fused(graph_.nodes[maker], residual, bits, graph_.nodes[last]), last, {maker, n});
  }

  static Node fused(const Node& gradient, ValueId residual, ValueId bits, const Node& last) {
    Node out = gradient;
    out.op = &op("fusedConvDataGradient");
    out.inputs.insert(out.inputs.end(), {residual, bits});
    out.outputs = last.outputs;
    out.attributes.set("elements", bits == kNone ? int64_t{0} : last.attributes.integer("elements"));
    return out;
  }

  /// `node` in the place of the one at `at`, and of others, if a kernel takes it.
  void replace(Node node, size_t at, std::initializer_list<size_t> others) {
    if (!takesAsItLies(graph_, node, context_)) return;
    graph_.nodes[at] = std::move(node);
    for (const size_t other : others) gone_[other] = 1;
    changed_ = true;
  }

  Graph& graph_;
  const PassContext& context_;
  Pattern pattern_;
  std::vector<char> gone_;
  bool changed_ = false;
};

}  // namespace

/// A convolution writes the bits of the gates behind it while its results are in registers, and a data gradient reads them when it
/// stores its own, behind the addition of another gradient: else each of the three would move all of it through memory once more.
bool fuseGates(Graph& graph, const PassContext& context) {
  if (!isForProcessor(context)) return false;
  return Fusing(graph, context).run();
}

}  // namespace ascribe::passes
