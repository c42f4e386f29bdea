#pragma once
#include <unordered_set>
#include <vector>

#include "graph/specialise.h"

namespace ascribe {

/// Puts the bodies of `if` and `loop` nodes in their place while a graph is specialised, one node at a time and in
/// order, so that conditions and counts that follow from shapes are known when their node is reached. A branch whose
/// condition is known is all that is left of an `if`; else both are computed and their results selected. A loop is
/// unrolled: how often it runs must be known.
class ControlFlow {
 public:
  ControlFlow(Graph& graph, const SpecialiseOptions& options) : graph_(graph), options_(options) {}

  static bool is(const Node& node);
  /// Nodes that stand for `node`, to be typed next. Its operands are typed.
  std::vector<Node> expand(const Node& node);

 private:
  struct Spliced {
    std::vector<Node> nodes;
    std::vector<ValueId> outputs;
  };
  Spliced splice(const Node& node, std::string_view attribute, const std::vector<ValueId>& operands, size_t outputs);
  std::vector<Node> expandIf(const Node& node);
  std::vector<Node> select(const Node& node);
  std::vector<Node> expandLoop(const Node& node);
  ValueId mapped(const Graph& body, const Value& v);
  Node identity(ValueId from, ValueId to) const;
  ValueId fresh();

  Graph& graph_;
  const SpecialiseOptions& options_;
  std::unordered_set<std::string> names_;
  size_t spliced_ = 0, copies_ = 0;
};

}  // namespace ascribe
