#include <utility>

#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

/// What a max pool reads has the value of a window where the window's gradient goes, so its gate is open or closed there as it is for
/// the pooled value: gradients pass the gates before they are scattered, where they are as few as windows. Gates that close to 0 alone:
/// sums of what windows give to one place would be scaled otherwise in their last bits.
bool gatePooled(Graph& graph, const PassContext& context) {
  if (!isForProcessor(context)) return false;
  const Pattern pattern(graph);
  bool changed = false;
  for (Node& gate : graph.nodes) {
    if (gate.op->name != "reluGrad" && gate.op->name != "clipGrad") continue;
    const ValueId scattered = gate.inputs[0];
    const Node* found = pattern.inner(scattered, "maxPoolGrad");
    const Node* pool = found == nullptr ? nullptr : graph.producer(found->inputs[1]);
    if (pool == nullptr || pool->op->name != "maxPool" || pool->inputs[0] != gate.inputs[1] || pool->outputs.size() != 2 || pool->outputs[1] != found->inputs[1]) continue;
    if (graph.value(scattered).runLength || graph.value(gate.outputs[0]).runLength) continue;
    Node& gradient = graph.nodes[static_cast<size_t>(graph.value(scattered).producer)];
    // Both nodes change places: the value between is the gated one.
    graph.value(scattered).type = graph.type(gradient.inputs[0]);
    gate.inputs = {gradient.inputs[0], pool->outputs[0]};
    gradient.inputs[0] = scattered;
    std::swap(gate, gradient);
    std::swap(gate.outputs, gradient.outputs);
    changed = true;
  }
  return changed;
}

}  // namespace ascribe::passes
