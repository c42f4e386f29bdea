#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {

class Fusion {
 public:
  explicit Fusion(const Graph& graph) : graph_(graph), pattern_(graph) {}

  /// The turn that ends in this concatenation; no node where it is none.
  std::optional<Node> turn(const Node& joined) const {
    if (joined.op->name != "concat" || joined.inputs.size() != 2) return {};
    const Shape& shape = graph_.shape(joined.outputs[0]);
    if (shape.rank() != 4 || joined.attributes.integer("axis") != 3 || graph_.type(joined.outputs[0]).dtype != DType::F32) return {};
    const Node *real = pattern_.inner(joined.inputs[0], "sub"), *imaginary = pattern_.inner(joined.inputs[1], "add");
    if (real == nullptr || imaginary == nullptr) return {};
    // a cos - b sin, b cos + a sin: which factor is which is told by who meets whom twice.
    const Node *first = pattern_.inner(real->inputs[0], "mul"), *second = pattern_.inner(real->inputs[1], "mul");
    const Node *third = pattern_.inner(imaginary->inputs[0], "mul"), *fourth = pattern_.inner(imaginary->inputs[1], "mul");
    if (first == nullptr || second == nullptr || third == nullptr || fourth == nullptr) return {};
    const ValueId a = first->inputs[0], cosine = first->inputs[1], b = second->inputs[0], sine = second->inputs[1];
    if (third->inputs[0] != b || third->inputs[1] != cosine || fourth->inputs[0] != a || fourth->inputs[1] != sine) return {};
    const Node *low = half(a, 0, shape), *high = half(b, shape[3] / 2, shape);
    if (low == nullptr || high == nullptr || low->inputs[0] != high->inputs[0] || !isTable(cosine, shape) || !isTable(sine, shape)) return {};
    Node out;
    out.op = &op("rotary");
    out.inputs = {low->inputs[0], cosine, sine};
    out.outputs = joined.outputs;
    const Node* apart = pattern_.seen(low->inputs[0], 2) ? pattern_.made(low->inputs[0], "transpose") : nullptr;
    const bool isTransposed = apart != nullptr && apart->attributes.integers("permutation") == std::vector<int64_t>{0, 2, 1, 3};
    if (isTransposed) out.inputs[0] = apart->inputs[0];
    out.attributes.set("transposed", int64_t{isTransposed});
    return out;
  }

 private:
  /// The half of the last axis that begins at `begin`, read by both products alone.
  const Node* half(ValueId id, int64_t begin, const Shape& whole) const {
    const Node* slice = pattern_.seen(id, 2) ? pattern_.made(id, "slice") : nullptr;
    if (slice == nullptr || !(graph_.shape(slice->inputs[0]) == whole)) return nullptr;
    Shape expected = whole;
    expected[3] = whole[3] / 2;
    const auto &from = slice->attributes.integers("begin"), &step = slice->attributes.integers("step");
    return graph_.shape(id) == expected && from == std::vector<int64_t>{0, 0, 0, begin} && step == std::vector<int64_t>(4, 1) ? slice : nullptr;
  }
  /// Cosines or sines that are added to no axis, and one for each pair.
  bool isTable(ValueId id, const Shape& whole) const {
    const Shape& table = graph_.shape(id);
    Shape pairs = whole;
    pairs[3] = whole[3] / 2;
    return table.rank() >= 1 && table.rank() <= 4 && table.at(-1) == pairs[3] && broadcast(table, pairs) == pairs;
  }

  const Graph& graph_;
  Pattern pattern_;
};

}  // namespace

/// Rotary positions, two slices, four products, their difference and sum and a concatenation of each head's halves, become one
/// node, which reads heads where the projection has put them: each step went to memory and back.
bool fuseRotary(Graph& graph, const PassContext& context) {
  if (!isForProcessor(context) || !hasFastKernel("rotary", context)) return false;
  const Fusion fusion(graph);
  return replaceNodes(graph, [&](const Node& node) { return fusion.turn(node); });
}

}  // namespace ascribe::passes
