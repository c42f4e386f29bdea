#include <string>

#include "graph/op.h"
#include "graph/passes/all.h"

namespace ascribe::passes {

namespace {

/// Below this a product is moved, not computed: nothing is gained. Tables of rotary angles are made by products over one
/// number, whose positions bf16 could not tell apart from 256 on.
constexpr int64_t leastDepth = 16;

/// Terms of each sum of the node's products; 0 for a node that has none, or none with a kernel for bf16.
int64_t productDepth(const Graph& graph, const Node& node) {
  const std::string& name = node.op->name;
  const auto shape = [&](size_t i) -> const Shape& { return graph.shape(node.inputs[i]); };
  if (name == "matMul" || name == "fusedMatMul" || name == "storedMatMul") {
    const Shape& b = shape(1);
    return b.rank() == 1 ? b[0] : node.attributes.integer("transposeB") ? b.at(-1) : b.at(-2);
  }
  if (name == "attention" || name == "attentionRows") return shape(0).at(-1);
  if (name == "attentionGrad") return shape(1).at(-1);
  const bool forward = name == "conv" || name == "fusedConv", backward = name == "convDataGradient" || name == "convTranspose";
  if (!forward && !backward) return 0;
  const Shape& w = shape(1);
  const int64_t channels = forward ? w[1] : w[0] / node.attributes.integer("group");
  // One channel a group: no product at all, rows of taps.
  return channels == 1 ? 0 : channels * w.count(2, w.rank());
}

}  // namespace

/// Marks the nodes whose products are to round their factors to bf16. Sums, and everything else, stay f32.
bool bf16Products(Graph& graph, const PassContext& context) {
  if (context.specialise.products != DType::BF16) return false;
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (node.inputs.empty() || node.inputs[0] == kNone || graph.type(node.inputs[0]).dtype != DType::F32) continue;
    if (productDepth(graph, node) < leastDepth) continue;
    node.attributes.set("products", std::string("bf16"));
    changed = true;
  }
  return changed;
}

}  // namespace ascribe::passes
