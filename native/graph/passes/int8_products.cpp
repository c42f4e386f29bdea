#include <string>

#include "graph/op.h"
#include "graph/passes/all.h"

namespace ascribe::passes {

/// Marks the products with weights in blocks along the depth: their rows are to be rounded to 8 bits, a scale for each block
/// of 32. All else, and every sum of such blocks, stays f32.
bool int8Products(Graph& graph, const PassContext& context) {
  if (context.specialise.products != DType::I8) return false;
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (node.op->name != "storedMatMul" || !isBlocked(graph.type(node.inputs[1]).dtype) || graph.constant(node.inputs[1]) == nullptr) continue;
    if (node.attributes.integer("transposeA") || !node.attributes.integer("transposeB")) continue;
    node.attributes.set("activations", std::string("int8"));
    changed = true;
  }
  return changed;
}

}  // namespace ascribe::passes
