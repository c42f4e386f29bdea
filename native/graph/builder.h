#pragma once
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/op.h"

namespace ascribe {

/// Appends nodes to a specialised graph, inferring types at once. Autodiff rules and raising passes write with it.
class Builder {
 public:
  explicit Builder(Graph& graph) : graph_(graph) {}

  Graph& graph() { return graph_; }
  const Shape& shape(ValueId id) const { return graph_.shape(id); }
  DType dtype(ValueId id) const { return graph_.type(id).dtype; }

  ValueId node(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {});
  std::vector<ValueId> nodes(std::string_view op, std::vector<ValueId> inputs, int outputs, Attributes attributes = {});

  ValueId constant(HostTensor tensor) { return graph_.addConstant(std::move(tensor)); }
  ValueId scalar(DType dtype, double value) { return graph_.addConstant(HostTensor::scalar(dtype, value)); }
  ValueId integers(const std::vector<int64_t>& values) { return graph_.addConstant(HostTensor::ofIntegers(values)); }

  ValueId add(ValueId a, ValueId b) { return node("add", {a, b}); }
  ValueId sub(ValueId a, ValueId b) { return node("sub", {a, b}); }
  ValueId mul(ValueId a, ValueId b) { return node("mul", {a, b}); }
  ValueId div(ValueId a, ValueId b) { return node("div", {a, b}); }
  ValueId neg(ValueId a) { return node("neg", {a}); }
  /// a * c with c of a's dtype.
  ValueId scale(ValueId a, double c) { return mul(a, scalar(dtype(a), c)); }
  ValueId offset(ValueId a, double c) { return add(a, scalar(dtype(a), c)); }
  ValueId reshape(ValueId a, const Shape& to);
  /// `a` seen with the shape of `like`, its first `leading` axes kept.
  ValueId reshapeLike(ValueId a, ValueId like, int leading = 0);
  /// Sums broadcast axes away until `a` has the shape of `like`, its first `leading` axes kept.
  ValueId sumTo(ValueId a, ValueId like, int leading = 0);
  ValueId transpose(ValueId a, const std::vector<int64_t>& permutation);
  ValueId sum(ValueId a, const std::vector<int64_t>& axes, bool keepDims);

 private:
  Graph& graph_;
};

/// Infers the output types of a node whose operands are typed; errors name the node.
void inferNode(Graph& graph, Node& node);

}  // namespace ascribe
