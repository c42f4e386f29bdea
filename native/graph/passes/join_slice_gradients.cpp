#include <algorithm>

#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {

/// The sliceGrads of a tree of additions that nobody else looks into; false where the tree has other leaves.
bool collect(const Pattern& p, ValueId id, bool isRoot, std::vector<const Node*>& leaves) {
  if (!isRoot && !p.seen(id, 1)) return false;
  if (const Node* add = p.made(id, "add"))
    return collect(p, add->inputs[0], false, leaves) && collect(p, add->inputs[1], false, leaves);
  const Node* leaf = isRoot ? nullptr : p.made(id, "sliceGrad");
  if (leaf) leaves.push_back(leaf);
  return leaf != nullptr;
}

/// Elements [begin, end) of one axis, everything along the others.
struct Part {
  int axis = -1;
  int64_t begin = 0, end = 0;
  ValueId gradient = kNone;
};
std::optional<Part> partOf(const Graph& graph, const Node& node) {
  const auto &begin = node.attributes.integers("begin"), &step = node.attributes.integers("step");
  const Shape &whole = graph.shape(node.outputs[0]), &part = graph.shape(node.inputs[0]);
  Part out;
  out.gradient = node.inputs[0];
  for (size_t i = 0; i < begin.size(); ++i) {
    const int axis = static_cast<int>(i) + 1;  // behind the cotangent's
    if (step[i] != 1) return std::nullopt;
    if (begin[i] == 0 && part[axis] == whole[axis]) continue;
    if (out.axis >= 0) return std::nullopt;
    out.axis = axis;
    out.begin = begin[i];
    out.end = begin[i] + part[axis];
  }
  return out.axis < 0 ? std::nullopt : std::optional(out);
}

/// The parts in order, if they lie side by side and leave nothing out.
bool areWhole(std::vector<Part>& parts, int64_t size) {
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.begin < b.begin; });
  int64_t at = 0;
  for (const Part& part : parts) {
    if (part.axis != parts[0].axis || part.begin != at) return false;
    at = part.end;
  }
  return at == size;
}

}  // namespace

/// Gradients of slices that make up the whole (queries, keys and values out of one product) are put side by side:
/// each would be a tensor of zeros but for its part, and all of them would be added.
bool joinSliceGradients(Graph& graph, const PassContext&) {
  const Pattern pattern(graph);
  bool changed = false;
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    Node& root = graph.nodes[n];
    if (root.op->name != "add" || graph.value(root.outputs[0]).runLength) continue;
    std::vector<const Node*> leaves;
    if (!collect(pattern, root.outputs[0], true, leaves)) continue;
    std::vector<Part> parts;
    for (const Node* leaf : leaves)
      if (const auto part = partOf(graph, *leaf)) parts.push_back(*part);
    if (parts.size() != leaves.size() || !areWhole(parts, graph.shape(root.outputs[0])[parts[0].axis])) continue;
    root.op = &op("concat");
    root.inputs.clear();
    for (const Part& part : parts) root.inputs.push_back(part.gradient);
    root.attributes = {{"axis", int64_t{parts[0].axis}}};
    changed = true;
  }
  return changed;
}

}  // namespace ascribe::passes
