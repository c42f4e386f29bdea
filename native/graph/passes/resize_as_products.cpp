#include <algorithm>

#include "graph/builder.h"
#include "graph/op.h"
#include "graph/passes/all.h"
#include "kernels/reference/resize.h"

namespace ascribe::passes {

namespace {

using reference::Contribution;
using Axis = std::vector<Contribution>;

/// Every result is one element as it is.
bool copies(const Axis& axis) {
  return std::all_of(axis.begin(), axis.end(), [](const Contribution& c) { return c.from.size() == 1 && c.weight[0] == 1; });
}
bool isIdentity(const Axis& axis, int64_t size) {
  if (static_cast<int64_t>(axis.size()) != size || !copies(axis)) return false;
  for (size_t i = 0; i < axis.size(); ++i)
    if (axis[i].from[0] != static_cast<int64_t>(i)) return false;
  return true;
}
/// [out, in], or its transpose.
HostTensor matrixOf(const Axis& axis, int64_t size, bool transposed) {
  const auto outs = static_cast<int64_t>(axis.size());
  HostTensor out(DType::F32, transposed ? Shape{size, outs} : Shape{outs, size});
  auto* data = static_cast<float*>(out.mutableData());
  std::fill(data, data + outs * size, 0.0f);
  for (int64_t o = 0; o < outs; ++o)
    for (size_t t = 0; t < axis[static_cast<size_t>(o)].from.size(); ++t) {
      const int64_t i = axis[static_cast<size_t>(o)].from[t];
      float& weight = data[transposed ? i * outs + o : o * size + i];
      weight = static_cast<float>(static_cast<double>(weight) + axis[static_cast<size_t>(o)].weight[t]);
    }
  return out;
}

/// `x` with one axis taken through the matrix, or its transpose for the gradient.
ValueId alongAxis(Builder& b, ValueId x, int axis, const Axis& weights, int64_t size, bool backwards) {
  const Shape shape = b.shape(x);
  if (!backwards && copies(weights)) {
    std::vector<int64_t> places;
    for (const Contribution& c : weights) places.push_back(c.from[0]);
    return b.node("gather", {x, b.integers(places)}, {{"axis", int64_t{axis}}});
  }
  Shape result = shape;
  result[axis] = backwards ? size : static_cast<int64_t>(weights.size());
  const int64_t outer = shape.count(0, axis), inner = shape.count(axis + 1, shape.rank());
  // The left factor is [results, elements]; behind the last axis there is nothing to keep apart, so rows go through a right one.
  const ValueId product = inner == 1 ? b.node("matMul", {b.reshape(x, {outer, shape[axis]}), b.constant(matrixOf(weights, size, !backwards))})
                                     : b.node("matMul", {b.constant(matrixOf(weights, size, backwards)), b.reshape(x, {outer, shape[axis], inner})});
  return b.reshape(product, result);
}

/// The grid of a device's product ends here.
constexpr int64_t kMostMatrices = 65535;

/// What takes the node's place, in front of it; kNone where it stays as it is.
ValueId rewritten(Builder& b, const Node& node) {
  const bool backwards = node.op->name == "resizeGrad";
  if ((!backwards && node.op->name != "resize") || b.dtype(node.outputs[0]) != DType::F32 || b.graph().value(node.outputs[0]).runLength) return kNone;
  const Shape &from = b.shape(node.inputs[0]), &to = b.shape(node.outputs[0]);
  if (from.count() == 0 || to.count() == 0) return kNone;
  const int leading = backwards ? 1 : 0;
  const Shape x = backwards ? Shape(to.dims().subspan(1)) : from, y = backwards ? Shape(from.dims().subspan(1)) : to;
  const auto axes = reference::contributions(node, x, y);
  for (int axis = 0; axis < x.rank(); ++axis) {
    const Axis& weights = axes[static_cast<size_t>(axis)];
    const bool leaves = std::any_of(weights.begin(), weights.end(), [](const Contribution& c) { return c.from.empty(); });
    if (leaves || std::max(from.count(0, axis + leading), to.count(0, axis + leading)) > kMostMatrices) {
      if (leaves || x.count(axis + 1, x.rank()) != 1 || y.count(axis + 1, y.rank()) != 1) return kNone;
    }
  }
  ValueId value = node.inputs[0];
  for (int axis = x.rank(); axis-- > 0;)
    if (!isIdentity(axes[static_cast<size_t>(axis)], x[axis])) value = alongAxis(b, value, axis + leading, axes[static_cast<size_t>(axis)], x[axis], backwards);
  return value;
}

}  // namespace

/// A resize is linear, and each axis goes by itself: on a device it is a product with a small matrix for each axis, or a
/// gather where it takes elements as they are, and so is its gradient.
bool resizeAsProducts(Graph& graph, const PassContext& context) {
  if (std::find(context.backends.begin(), context.backends.end(), "cuda") == context.backends.end()) return false;
  bool changed = false;
  std::vector<Node> old = std::move(graph.nodes);
  graph.nodes.clear();
  Builder b(graph);
  for (Node& node : old) {
    if (const ValueId value = rewritten(b, node); value != kNone) {
      changed = true;
      // The value keeps its name, its readers and whether it is pinned.
      const auto dims = b.shape(node.outputs[0]).dims();
      node.op = &op("reshape");
      node.inputs = {value, b.integers({dims.begin(), dims.end()})};
      node.attributes = {};
    }
    for (ValueId id : node.outputs) graph.value(id).producer = static_cast<NodeId>(graph.nodes.size());
    graph.nodes.push_back(std::move(node));
  }
  return changed;
}

}  // namespace ascribe::passes
