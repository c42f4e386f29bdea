#include "graph/passes/recompute_segments.h"

#include <algorithm>
#include <cmath>

#include "graph/layout.h"
#include "graph/op.h"

namespace ascribe::passes {

namespace {

/// A share of what waits that is not worth a second run of what made it.
constexpr size_t kSmallShare = 1024;

size_t bytesOfValue(const Graph& graph, ValueId id) {
  const ValueType& type = graph.type(id);
  return bytesOf(type.dtype, storedShape(type).count());
}

}  // namespace

double workOf(const Graph& graph, const Node& node) {
  double written = 0, factors = 1;
  for (ValueId id : node.outputs) written += static_cast<double>(graph.shape(id).count());
  if (node.op->opClass != OpClass::Bilinear && node.op->name != "attention") return written;
  // [M, K] by [K, N]: the root of the product of all three sizes is M K N.
  for (size_t i = 0; i < std::min<size_t>(node.inputs.size(), 2); ++i)
    if (node.inputs[i] != kNone) factors *= static_cast<double>(graph.shape(node.inputs[i]).count());
  return written + std::sqrt(factors * written);
}

WaitingValues::WaitingValues(const Graph& graph, const std::vector<char>& steady) : graph_(graph), rootOf_(graph.values.size()), roots_(graph.values.size()) {
  for (size_t i = 0; i < rootOf_.size(); ++i) rootOf_[i] = static_cast<ValueId>(i);
  for (const Node& node : graph.nodes)
    if (node.op->view) rootOf_[static_cast<size_t>(node.outputs[0])] = rootOf_[static_cast<size_t>(node.inputs[0])];
  findTurn();
  followReads(steady);
  addUp();
}

bool WaitingValues::reads(const Node& node, size_t operand) const {
  return node.inputs[operand] != kNone && !(node.op->shapeOnly >> std::min<size_t>(operand, 31) & 1);
}

/// The node while which most bytes lie idle, between two of their readers.
void WaitingValues::findTurn() {
  const size_t count = graph_.nodes.size();
  std::vector<ptrdiff_t> change(count + 1, 0);
  std::vector<size_t> seen(graph_.values.size(), count);
  const auto visit = [&](ValueId id, size_t n) {
    const auto root = static_cast<size_t>(rootOf_[static_cast<size_t>(id)]);
    if (graph_.values[root].kind != ValueKind::Result) return;
    if (seen[root] < n) {
      const auto bytes = static_cast<ptrdiff_t>(bytesOfValue(graph_, static_cast<ValueId>(root)));
      change[seen[root] + 1] += bytes;
      change[n] -= bytes;
    }
    seen[root] = n;
  };
  for (size_t n = 0; n < count; ++n) {
    const Node& node = graph_.nodes[n];
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (reads(node, i)) visit(node.inputs[i], n);
    for (ValueId id : node.outputs) visit(id, n);
  }
  ptrdiff_t idle = 0, most = 0;
  for (size_t n = 0; n < count; ++n) {
    idle += change[n];
    if (idle > most) most = idle, turn_ = n;
  }
}

void WaitingValues::followReads(const std::vector<char>& steady) {
  // What lies in a state is written over.
  std::vector<char> inState(graph_.values.size(), 0);
  for (size_t i = 0; i < graph_.values.size(); ++i) inState[i] = graph_.values[i].kind == ValueKind::State;
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    const Node& node = graph_.nodes[n];
    const bool readsState = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return id != kNone && inState[static_cast<size_t>(id)]; });
    const bool again = n < turn_ && !node.op->impure && !readsState && !steady[n];
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!reads(node, i)) continue;
      Root& root = roots_[static_cast<size_t>(rootOf_[static_cast<size_t>(node.inputs[i])])];
      if (n < turn_) root.lastRead = std::max(root.lastRead, n);
      else root.readsAfter = true;
    }
    for (ValueId id : node.outputs) {
      inState[static_cast<size_t>(id)] = (node.op->impure || node.op->view) && readsState;
      Root& root = roots_[static_cast<size_t>(rootOf_[static_cast<size_t>(id)])];
      if (rootOf_[static_cast<size_t>(id)] == id) root = {bytesOfValue(graph_, id), n, n, !again, false};
      else root.isFixed = root.isFixed || !again;
    }
  }
  const auto fix = [&](ValueId id) { roots_[static_cast<size_t>(rootOf_[static_cast<size_t>(id)])].isFixed = true; };
  for (size_t i = 0; i < graph_.values.size(); ++i)
    if (graph_.values[i].pinned) fix(static_cast<ValueId>(i));
  for (ValueId id : graph_.outputs) fix(id);
}

void WaitingValues::addUp() {
  size_t all = 0;
  for (const Root& root : roots_)
    if (!root.isFixed && root.readsAfter) all += root.bytes;
  for (Root& root : roots_) root.isFixed = root.isFixed || root.bytes * kSmallShare < all;
  waiting_.assign(turn_ + 1, 0);
  crossing_.assign(turn_ + 2, 0);
  std::vector<ptrdiff_t> change(turn_ + 2, 0);
  for (const Root& root : roots_) {
    if (root.isFixed) continue;
    if (root.readsAfter) waiting_[root.maker + 1] += root.bytes;
    change[root.maker + 1] += static_cast<ptrdiff_t>(root.bytes);
    change[std::max(root.lastRead, root.maker) + 1] -= static_cast<ptrdiff_t>(root.bytes);
  }
  ptrdiff_t across = 0;
  for (size_t n = 0; n <= turn_; ++n) {
    if (n > 0) waiting_[n] += waiting_[n - 1];
    crossing_[n] = static_cast<size_t>(across += change[n]);
  }
}

std::vector<size_t> WaitingValues::cuts(size_t count) const {
  std::vector<size_t> out;
  const double all = static_cast<double>(waiting_.back()), share = all / static_cast<double>(count);
  for (size_t i = 1, n = 1; i < count; ++i) {
    const double aim = share * static_cast<double>(i);
    size_t best = 0;
    for (; n < turn_ && static_cast<double>(waiting_[n]) < aim + share / 2; ++n) {
      if (static_cast<double>(waiting_[n]) < aim - share / 2) continue;
      const auto distance = [&](size_t at) { return std::abs(static_cast<double>(waiting_[at]) - aim); };
      if (best == 0 || crossing_[n] < crossing_[best] || (crossing_[n] == crossing_[best] && distance(n) < distance(best))) best = n;
    }
    if (best != 0) out.push_back(best);
  }
  return out;
}

Graph WaitingValues::recomputed(const std::vector<size_t>& cuts, size_t segments, Copies& copies) const {
  const auto segmentOf = [&](size_t n) { return static_cast<size_t>(std::upper_bound(cuts.begin(), cuts.end(), n) - cuts.begin()); };
  const auto isThere = [&](ValueId id) {
    const auto at = static_cast<size_t>(rootOf_[static_cast<size_t>(id)]);
    const Root& root = roots_[at];
    if (graph_.values[at].kind != ValueKind::Result || root.isFixed || root.maker >= turn_) return true;
    const size_t segment = segmentOf(root.maker);
    return segment >= segments || segmentOf(root.lastRead) != segment;
  };

  Graph out = graph_;
  out.nodes.clear();
  std::vector<ValueId> copyOf(graph_.values.size(), kNone);
  const auto copyNode = [&](size_t n) {
    Node node = graph_.nodes[n];
    for (ValueId& id : node.inputs)
      if (id != kNone && copyOf[static_cast<size_t>(id)] != kNone) id = copyOf[static_cast<size_t>(id)];
    for (ValueId& id : node.outputs) {
      Value value = graph_.value(id);
      // Names are those of the first; this one is for people.
      if (value.name.empty()) value.name.append("%").append(std::to_string(id));
      value.name += " again";
      value.aliases.clear();
      out.values.push_back(std::move(value));
      copyOf[static_cast<size_t>(id)] = static_cast<ValueId>(out.values.size() - 1);
      copies.emplace_back(copyOf[static_cast<size_t>(id)], id);
      id = copyOf[static_cast<size_t>(id)];
    }
    out.nodes.push_back(std::move(node));
  };
  /// Everything that a node needs and that is not there, in the order in which it was made at first.
  const auto copyWhatIsNeeded = [&](const Node& reader) {
    std::vector<size_t> needed;
    std::vector<const Node*> open{&reader};
    while (!open.empty()) {
      const Node& node = *open.back();
      open.pop_back();
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (!reads(node, i) || isThere(node.inputs[i]) || copyOf[static_cast<size_t>(node.inputs[i])] != kNone) continue;
        const auto maker = static_cast<size_t>(graph_.value(node.inputs[i]).producer);
        if (std::find(needed.begin(), needed.end(), maker) != needed.end()) continue;
        needed.push_back(maker);
        open.push_back(&graph_.nodes[maker]);
      }
    }
    std::sort(needed.begin(), needed.end());
    for (size_t n : needed) copyNode(n);
  };
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    Node node = graph_.nodes[n];
    if (n >= turn_) {
      copyWhatIsNeeded(node);
      for (ValueId& id : node.inputs)
        if (id != kNone && copyOf[static_cast<size_t>(id)] != kNone) id = copyOf[static_cast<size_t>(id)];
    }
    out.nodes.push_back(std::move(node));
  }
  removeDeadNodes(out);
  return out;
}

}  // namespace ascribe::passes
