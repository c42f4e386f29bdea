#pragma once
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "graph/passes/pass.h"

namespace ascribe::passes {

/// What raising passes ask of a graph: who made a value, who else sees it, which numbers are in it.
class Pattern {
 public:
  explicit Pattern(const Graph& graph) : graph_(graph), uses_(countUses(graph)) {}

  /// The node with this op that made a value; null if another did.
  const Node* made(ValueId id, std::string_view op) const;
  /// Read `times` times in all, by nodes alone, and pinned by nobody: those who read it may be replaced together.
  bool seen(ValueId id, int times) const;
  /// The one element of a constant.
  std::optional<double> scalar(ValueId id) const;
  bool isScalar(ValueId id, double expected) const;
  /// Made by `op` and read by nobody but the node that asked.
  const Node* inner(ValueId id, std::string_view op) const { return seen(id, 1) ? made(id, op) : nullptr; }

  /// A value as a number times other values: multiplications and divisions by numbers that nobody else sees are
  /// taken apart. The value itself may be seen by anybody.
  struct Product {
    double factor = 1;
    std::vector<ValueId> terms;
  };
  Product product(ValueId id) const;
  /// `factor * x` with exactly these: within the rounding of numbers that were written in single precision.
  static bool near(double value, double expected) { return std::abs(value - expected) <= 2e-6 * std::abs(expected); }
  /// For an operation of two operands in either order: the other one, where one is `known`.
  static ValueId other(const Node& node, ValueId known);

  const Graph& graph() const { return graph_; }

 private:
  void collect(ValueId id, bool whole, Product& out) const;
  const Graph& graph_;
  std::vector<int> uses_;
};

/// Raising is for kernels that take the raised op; the plain loops of the reference keep what the model says.
bool hasFastKernel(std::string_view op, const PassContext& context);
/// A kernel of the plan takes the node as its operands and results lie.
bool takesAsItLies(const Graph& graph, const Node& node, const PassContext& context);
/// Values below it stay in the caches between two nodes: joining those gains nothing.
inline constexpr int64_t kFewBytes = 2 << 20;
/// Puts the node that `replacementOf` gives for another one, if any, in its place; true if there was one.
template <class ReplacementOf>
bool replaceNodes(Graph& graph, ReplacementOf&& replacementOf) {
  bool changed = false;
  for (Node& node : graph.nodes)
    if (std::optional<Node> other = replacementOf(node)) {
      node = *std::move(other);
      changed = true;
    }
  return changed;
}
/// Some fused ops have kernels for processors alone.
bool isForProcessor(const PassContext& context);

}  // namespace ascribe::passes
