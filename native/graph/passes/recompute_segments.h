#pragma once
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace ascribe::passes {

using Copies = std::vector<std::pair<ValueId, ValueId>>;  // copy, original

/// The values of a lowered graph that wait from the way there for the way back, and cuts of the way there into segments.
class WaitingValues {
 public:
  /// `steady`: by node, see Recomputation. The graph outlives this.
  WaitingValues(const Graph& graph, const std::vector<char>& steady);

  /// None would be freed by making it twice.
  bool none() const { return waiting_.empty() || waiting_.back() == 0; }
  /// At most `count` - 1 nodes at which segments begin, in order: each segment has the same share of the bytes that wait,
  /// and where it ends few bytes go across.
  std::vector<size_t> cuts(size_t count) const;
  /// The graph in which the first `segments` of them run a second time, as far as the way back reads what they made, right
  /// before it does. What goes from one segment to another is kept.
  Graph recomputed(const std::vector<size_t>& cuts, size_t segments, Copies& copies) const;

 private:
  struct Root {
    size_t bytes = 0, maker = 0, lastRead = 0;  // before the turn
    bool isFixed = true, readsAfter = false;
  };
  bool reads(const Node& node, size_t operand) const;
  void findTurn();
  void followReads(const std::vector<char>& steady);
  void addUp();

  const Graph& graph_;
  std::vector<ValueId> rootOf_;  // the value whose bytes it shares
  std::vector<Root> roots_;      // by value
  size_t turn_ = 0;              // the way back begins at this node
  std::vector<size_t> waiting_;  // by node up to the turn: bytes made before it for the way back
  std::vector<size_t> crossing_;  // bytes made before it that it or a later node on the way there reads
};

/// Multiplications of a node, and numbers that it writes, as far as the sizes of its operands tell.
double workOf(const Graph& graph, const Node& node);

}  // namespace ascribe::passes
