#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

/// sumTo(g * x), the gradient of a factor that was broadcast over x (a squeeze-and-excite's gate), becomes one node: the
/// product is as large as x and need not exist.
bool fuseScaleGradient(Graph& graph, const PassContext& context) {
  if (!isForProcessor(context) || !hasFastKernel("scaleGrad", context)) return false;
  const Pattern pattern(graph);
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (node.op->name != "sumTo" || graph.type(node.inputs[0]).dtype != DType::F32) continue;
    const Node* product = pattern.inner(node.inputs[0], "mul");
    if (!product) continue;
    // The larger rank, which has the cotangent axis, comes first; neither is broadcast.
    ValueId g = product->inputs[0], x = product->inputs[1];
    if (graph.shape(g).rank() < graph.shape(x).rank()) std::swap(g, x);
    const Shape& whole = graph.shape(node.inputs[0]);
    if (!(graph.shape(g) == whole) || graph.shape(x).count() != whole.count()) continue;
    const ValueId like = node.inputs[1];
    node.op = &op("scaleGrad");
    node.inputs = {g, x, like};
    changed = true;
  }
  return changed;
}

}  // namespace ascribe::passes
