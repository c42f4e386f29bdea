#include <algorithm>

#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {

struct Reader {
  size_t node;
  size_t operand;
};

/// The one node that reads a value, if nothing else does and nobody pinned it.
const Reader* soleReader(const Graph& graph, const std::vector<std::vector<Reader>>& readers, const std::vector<int>& uses, ValueId id) {
  if (graph.value(id).pinned || uses[static_cast<size_t>(id)] != 1 || readers[static_cast<size_t>(id)].size() != 1) return nullptr;
  return &readers[static_cast<size_t>(id)][0];
}

/// What a convolution kernel can apply to a result while it is in registers.
bool activation(const Node& node, Attributes& fused, bool onHost) {
  const std::string& name = node.op->name;
  if (name == "relu") fused.set("activation", std::string("relu"));
  else if (name == "clip")
    fused.set("activation", std::string("clip")).set("alpha", node.attributes.real("min")).set("beta", node.attributes.real("max"));
  else if (name == "leakyRelu") fused.set("activation", std::string("leakyRelu")).set("alpha", node.attributes.real("alpha"));
  else if (name == "silu" && onHost) fused.set("activation", std::string("silu"));
  else return false;
  return true;
}

}  // namespace

/// conv, then optionally the addition of an equally shaped residual, then optionally an activation, become one node
/// where nothing else reads what lies between. Gates of the backward pass read the activation's result, so they do
/// not stand in the way.
bool fuseConvolution(Graph& graph, const PassContext& context) {
  if (std::find(context.backends.begin(), context.backends.end(), "cpu") == context.backends.end() &&
      std::find(context.backends.begin(), context.backends.end(), "onednn") == context.backends.end())
    return false;
  const bool onHost = isForProcessor(context);
  const std::vector<int> uses = countUses(graph);
  std::vector<std::vector<Reader>> readers(graph.values.size());
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    for (size_t i = 0; i < graph.nodes[n].inputs.size(); ++i)
      if (graph.nodes[n].inputs[i] != kNone) readers[static_cast<size_t>(graph.nodes[n].inputs[i])].push_back({n, i});

  bool changed = false;
  std::vector<char> gone(graph.nodes.size(), 0);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (gone[n] || graph.nodes[n].op->name != "conv" || graph.type(graph.nodes[n].outputs[0]).dtype != DType::F32) continue;
    Node fused = graph.nodes[n];
    fused.inputs.resize(4, kNone);
    fused.op = &op("fusedConv");
    fused.attributes.set("activation", std::string("none")).set("alpha", 0.0).set("beta", 0.0);
    size_t last = n;
    if (const Reader* reader = soleReader(graph, readers, uses, fused.outputs[0])) {
      const Node& add = graph.nodes[reader->node];
      const ValueId other = add.op->name == "add" ? add.inputs[reader->operand ^ 1] : kNone;
      // A residual that is computed later than this convolution moves the fused node behind it, which is where the
      // addition stands; two convolutions into one addition fuse only once.
      if (other != kNone && !gone[reader->node] && other != fused.outputs[0] &&
          graph.shape(other) == graph.shape(fused.outputs[0]) && graph.value(other).kind == ValueKind::Result) {
        fused.inputs[3] = other;
        gone[last] = 1;
        last = reader->node;
        fused.outputs = add.outputs;
      }
    }
    if (const Reader* reader = soleReader(graph, readers, uses, fused.outputs[0])) {
      const Node& next = graph.nodes[reader->node];
      if (!gone[reader->node] && activation(next, fused.attributes, onHost)) {
        gone[last] = 1;
        last = reader->node;
        fused.outputs = next.outputs;
      }
    }
    // The node takes the place of the last one it swallowed, and must not be visited there again.
    graph.nodes[last] = std::move(fused);
    gone[last] = 0;
    changed = true;
  }
  if (!changed) return false;
  dropNodes(graph, gone);
  return true;
}

}  // namespace ascribe::passes
