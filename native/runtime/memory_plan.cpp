#include "runtime/memory_plan.h"

#include <algorithm>
#include <limits>

#include "graph/layout.h"
#include "graph/op.h"
#include "runtime/error.h"

namespace ascribe {

namespace {

constexpr size_t kAlignment = 64;
size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

struct Life {
  size_t first = std::numeric_limits<size_t>::max(), last = 0, bytes = 0, offset = 0;
};

bool isStateUpdate(const Node& node) { return node.op->name == "assignState" || node.op->name == "appendState"; }

/// The value whose bytes another one shares.
class Roots {
 public:
  explicit Roots(size_t count) : parent_(count) {
    for (size_t i = 0; i < count; ++i) parent_[i] = static_cast<ValueId>(i);
  }
  ValueId of(ValueId id) const {
    while (parent_[static_cast<size_t>(id)] != id) id = parent_[static_cast<size_t>(id)];
    return id;
  }
  void share(ValueId id, ValueId with) { parent_[static_cast<size_t>(id)] = of(with); }

 private:
  std::vector<ValueId> parent_;
};

void place(std::vector<Life*>& lives, size_t& arenaBytes) {
  std::sort(lives.begin(), lives.end(), [](const Life* a, const Life* b) { return a->bytes != b->bytes ? a->bytes > b->bytes : a->first < b->first; });
  std::vector<const Life*> placed;
  for (Life* life : lives) {
    std::vector<const Life*> overlapping;
    for (const Life* other : placed)
      if (other->first <= life->last && life->first <= other->last) overlapping.push_back(other);
    std::sort(overlapping.begin(), overlapping.end(), [](const Life* a, const Life* b) { return a->offset < b->offset; });
    size_t best = std::numeric_limits<size_t>::max(), bestGap = best, cursor = 0;
    for (const Life* other : overlapping) {
      if (other->offset > cursor && other->offset - cursor >= life->bytes && other->offset - cursor < bestGap) {
        bestGap = other->offset - cursor;
        best = cursor;
      }
      cursor = std::max(cursor, other->offset + other->bytes);
    }
    life->offset = best == std::numeric_limits<size_t>::max() ? cursor : best;
    arenaBytes = std::max(arenaBytes, life->offset + life->bytes);
    placed.push_back(life);
  }
}

}  // namespace

size_t bytesOf(const ValueType& type) {
  return bytesOf(type.dtype, storedShape(type).count());
}

MemoryPlan planMemory(const Graph& graph, const std::vector<char>& steady) {
  MemoryPlan plan;
  plan.places.resize(graph.values.size());
  Roots roots(graph.values.size());
  std::vector<Life> lives(graph.values.size());
  std::vector<char> keep(graph.values.size(), 0);
  for (const Node& node : graph.nodes)
    if (node.op->view) roots.share(node.outputs[0], node.inputs[0]);
    else if (isStateUpdate(node)) {
      roots.share(node.outputs[0], node.inputs[0]);
      // Else a run would write into what its caller owns, or into a mapped file.
      const Value& root = graph.value(roots.of(node.outputs[0]));
      if (root.kind != ValueKind::State)
        throw Error("MODEL_INVALID", "node " + node.name + " (" + node.op->name + ") writes into " + (root.name.empty() ? std::string("a value") : root.name) + ", which is no state");
    }

  const auto touch = [&](ValueId id, size_t step) {
    Life& life = lives[static_cast<size_t>(roots.of(id))];
    life.first = std::min(life.first, step);
    life.last = std::max(life.last, step);
    life.bytes = std::max(life.bytes, aligned(bytesOf(graph.type(id))));
  };
  const auto forEachUse = [&](auto&& visit) {
    for (size_t step = 0; step < graph.nodes.size(); ++step) {
      const Node& node = graph.nodes[step];
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i] != kNone && !(node.op->shapeOnly >> std::min<size_t>(i, 31) & 1)) visit(node.inputs[i], step);
      for (ValueId id : node.outputs) visit(id, step);
    }
    for (ValueId id : graph.outputs) visit(id, graph.nodes.size());
    for (size_t i = 0; i < graph.values.size(); ++i)
      if (graph.values[i].pinned) visit(static_cast<ValueId>(i), graph.nodes.size());
  };
  forEachUse(touch);
  // What a repeated run does not make again must outlive everything.
  const auto isSteady = [&](size_t step) { return step < steady.size() && steady[step]; };
  forEachUse([&](ValueId id, size_t step) {
    const ValueId root = roots.of(id);
    const NodeId maker = graph.value(root).producer;
    if (graph.value(root).kind != ValueKind::Result || isSteady(step) || maker < 0 || !isSteady(static_cast<size_t>(maker))) return;
    lives[static_cast<size_t>(root)].first = 0;
    lives[static_cast<size_t>(root)].last = graph.nodes.size();
  });

  // In place: the operand's last reader is this node, and operand and result are the same number of the same-sized elements.
  for (size_t step = 0; step < graph.nodes.size(); ++step) {
    const Node& node = graph.nodes[step];
    if (!node.op->elementwise || node.op->view || node.outputs.size() != 1) continue;
    const ValueId out = node.outputs[0];
    for (ValueId id : node.inputs) {
      if (id == kNone || roots.of(id) == roots.of(out)) continue;
      const ValueId root = roots.of(id);
      const bool owned = graph.value(root).kind == ValueKind::Result;
      if (!owned || lives[static_cast<size_t>(root)].last != step || !(graph.shape(id) == graph.shape(out)) ||
          sizeOf(graph.type(id).dtype) != sizeOf(graph.type(out).dtype) || !sameLayout(graph.type(id), graph.type(out)))
        continue;
      // The same buffer read a second time at another index (a broadcast operand) would see what was just written.
      bool readOtherwise = false;
      for (ValueId other : node.inputs)
        readOtherwise = readOtherwise || (other != kNone && roots.of(other) == root && !(graph.shape(other) == graph.shape(out)));
      if (readOtherwise) continue;
      Life &mine = lives[static_cast<size_t>(roots.of(out))], &theirs = lives[static_cast<size_t>(root)];
      theirs.first = std::min(theirs.first, mine.first);
      theirs.last = std::max(theirs.last, mine.last);
      theirs.bytes = std::max(theirs.bytes, mine.bytes);
      roots.share(roots.of(out), root);
      break;
    }
  }

  std::vector<Life*> arena;
  for (size_t i = 0; i < graph.values.size(); ++i)
    if (roots.of(static_cast<ValueId>(i)) == static_cast<ValueId>(i) && graph.values[i].kind == ValueKind::Result &&
        lives[i].first != std::numeric_limits<size_t>::max())
      arena.push_back(&lives[i]);
  place(arena, plan.arenaBytes);

  std::vector<size_t> inputIndex(graph.values.size(), 0);
  for (size_t i = 0; i < graph.inputs.size(); ++i) inputIndex[static_cast<size_t>(graph.inputs[i])] = i;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const ValueId root = roots.of(static_cast<ValueId>(i));
    const Value& v = graph.value(root);
    OperandRef& ref = plan.places[i];
    ref.value = static_cast<ValueId>(i);
    switch (v.kind) {
      case ValueKind::Input: ref.place = OperandRef::Place::Input, ref.index = inputIndex[static_cast<size_t>(root)]; break;
      case ValueKind::Constant: ref.place = OperandRef::Place::Weights, ref.index = static_cast<size_t>(v.storage); break;
      case ValueKind::Parameter: ref.place = OperandRef::Place::Parameter, ref.index = static_cast<size_t>(v.storage); break;
      case ValueKind::State: ref.place = OperandRef::Place::State, ref.index = static_cast<size_t>(v.storage); break;
      case ValueKind::Result: ref.place = OperandRef::Place::Arena, ref.index = lives[static_cast<size_t>(root)].offset; break;
    }
  }
  return plan;
}

}  // namespace ascribe
