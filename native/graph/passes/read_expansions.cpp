#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

/// What is expanded only to be added to or multiplied by a whole value (the gradient of a global pooling, say) is read where it
/// lies: both broadcast by themselves, and the expansion is as large as the other operand.
bool readExpansions(Graph& graph, const PassContext&) {
  const Pattern pattern(graph);
  bool changed = false;
  for (Node& node : graph.nodes) {
    if ((node.op->name != "add" && node.op->name != "mul") || graph.value(node.outputs[0]).runLength) continue;
    for (size_t i = 0; i < 2; ++i) {
      const Node* expansion = pattern.inner(node.inputs[i], "expandLike");
      const ValueId other = node.inputs[1 - i];
      // Of equal rank, so that axes in front of the expansion's shape stay where they are.
      if (!expansion || !(graph.shape(other) == graph.shape(node.outputs[0])) || graph.shape(expansion->inputs[0]).rank() != graph.shape(other).rank()) continue;
      node.inputs[i] = expansion->inputs[0];
      changed = true;
      break;
    }
  }
  return changed;
}

}  // namespace ascribe::passes
