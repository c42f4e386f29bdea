#include <algorithm>

#include "graph/builder.h"
#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {

/// The gradients of slices, and of gathers, of a tree of additions that nobody else looks into; false where the tree has other
/// leaves.
bool collect(const Pattern& p, ValueId id, bool isRoot, std::vector<NodeId>& leaves) {
  if (!isRoot && !p.seen(id, 1)) return false;
  if (const Node* add = p.made(id, "add"))
    return collect(p, add->inputs[0], false, leaves) && collect(p, add->inputs[1], false, leaves);
  if (isRoot || (!p.made(id, "sliceGrad") && !p.made(id, "gatherGrad"))) return false;
  leaves.push_back(p.graph().value(id).producer);
  return true;
}

/// Elements [begin, end) of one axis, everything along the others.
struct Part {
  int axis = -1;
  int64_t begin = 0, end = 0;
  ValueId gradient = kNone, result = kNone;
  bool lacksAxis = false;  // the gradient is that of one place, without its axis
};
/// What is read at one place, as a model of joined queries, keys and values says it.
std::optional<Part> placeOf(const Graph& graph, const Node& node) {
  const HostTensor* indices = graph.constant(node.inputs[1]);
  if (!indices || !indices->data() || indices->shape().count() != 1 || indices->shape().rank() > 1) return std::nullopt;
  const int axis = normaliseAxis(node.attributes.integer("axis"), graph.shape(node.inputs[2]).rank());
  const int64_t index = static_cast<int64_t>(indices->real(0)), begin = index < 0 ? index + graph.shape(node.inputs[2])[axis] : index;
  return Part{axis + 1, begin, begin + 1, node.inputs[0], node.outputs[0], indices->shape().rank() == 0};
}
std::optional<Part> partOf(const Graph& graph, const Node& node) {
  if (node.op->name == "gatherGrad") return placeOf(graph, node);
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
/// each would be a tensor of zeros but for its part, and all of them would be added. So are those of single places.
bool joinSliceGradients(Graph& graph, const PassContext&) {
  const Pattern pattern(graph);
  bool changed = false;
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    Node& root = graph.nodes[n];
    if (root.op->name != "add" || graph.value(root.outputs[0]).runLength) continue;
    std::vector<NodeId> leaves;
    if (!collect(pattern, root.outputs[0], true, leaves)) continue;
    std::vector<Part> parts;
    for (const NodeId leaf : leaves)
      if (auto part = partOf(graph, graph.nodes[static_cast<size_t>(leaf)])) parts.push_back(*part);
    if (parts.size() != leaves.size()) continue;
    const std::vector<Part> asFound = parts;
    if (!areWhole(parts, graph.shape(root.outputs[0])[parts[0].axis])) continue;
    for (size_t i = 0; i < leaves.size(); ++i) {
      if (!asFound[i].lacksAxis) continue;
      // The gradient with its axis, seen where it lies, takes the place of one that is zero elsewhere.
      Node& leaf = graph.nodes[static_cast<size_t>(leaves[i])];
      leaf.op = &op("unsqueeze");
      leaf.inputs = {asFound[i].gradient};
      leaf.attributes = {{"axes", std::vector<int64_t>{asFound[i].axis}}};
      inferNode(graph, leaf);
    }
    root.op = &op("concat");
    root.inputs.clear();
    for (const Part& part : parts) root.inputs.push_back(part.lacksAxis ? part.result : part.gradient);
    root.attributes = {{"axis", int64_t{parts[0].axis}}};
    changed = true;
  }
  return changed;
}

}  // namespace ascribe::passes
