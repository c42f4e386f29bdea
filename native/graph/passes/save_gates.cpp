#include <algorithm>
#include <limits>

#include "graph/layout.h"
#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {

/// The open interval of a gate's saved results in which the gradient goes through whole, and the slope outside of it.
struct Interval {
  double low = 0, high = std::numeric_limits<double>::infinity(), slope = 0;
  bool operator==(const Interval&) const = default;
};

std::optional<Interval> intervalOf(const Node& node) {
  const std::string& name = node.op->name;
  if (name == "reluGrad") return Interval{};
  if (name == "clipGrad") return Interval{node.attributes.real("min"), node.attributes.real("max"), 0};
  if (name == "leakyReluGrad") return Interval{.slope = node.attributes.real("alpha")};
  return std::nullopt;
}

/// Smaller values cost a node more time than bits save memory.
constexpr int64_t kFewElements = 4096;

/// Who reads the bytes of a value.
struct Readers {
  size_t last = 0;  // of those that are no gates
  std::vector<size_t> gates;
  bool isKept = false;
};

class Saving {
 public:
  explicit Saving(Graph& graph) : graph_(graph), readers_(graph.values.size()) {
    for (size_t n = 0; n < graph.nodes.size(); ++n) note(n);
    for (size_t i = 0; i < graph.values.size(); ++i) {
      const Value& value = graph.values[i];
      if (value.pinned || value.runLength || value.kind != ValueKind::Result) readers_[i].isKept = true;
    }
    for (const ValueId id : graph.outputs) readers(id).isKept = true;
  }

  bool run() {
    std::vector<Node> old = std::move(graph_.nodes);
    graph_.nodes.clear();
    bool changed = false;
    for (Node& node : old) {
      const std::vector<ValueId> outputs = node.outputs;
      graph_.nodes.push_back(std::move(node));
      for (const ValueId id : outputs) changed = save(id, old) || changed;
    }
    numberProducers(graph_);
    return changed;
  }

 private:
  Readers& readers(ValueId id) { return readers_[static_cast<size_t>(id)]; }

  void note(size_t n) {
    const Node& node = graph_.nodes[n];
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == kNone || (node.op->shapeOnly >> std::min<size_t>(i, 31) & 1)) continue;
      Readers& r = readers(id);
      // A view lives as long as whoever reads it; it is left alone, as are its operand's bytes.
      if (node.op->view) r.isKept = true;
      if (i == 1 && intervalOf(node) && liesAlike(node)) {
        firstGate_ = std::min(firstGate_, n);
        r.gates.push_back(n);
      } else {
        r.last = std::max(r.last, n);
      }
    }
    if (node.op->view) readers(node.outputs[0]).isKept = true;
  }

  /// Element i of the saved value meets elements i, i + count, … of the gradient, where they lie.
  bool liesAlike(const Node& gate) const {
    const ValueType &g = graph_.type(gate.inputs[0]), &y = graph_.type(gate.inputs[1]);
    const bool sameBlocks = y.layout == Layout::Plain || g.channelAxis == y.channelAxis + 1;
    return g.dtype == DType::F32 && y.dtype == DType::F32 && g.layout == y.layout && sameBlocks && g.shape.rank() == y.shape.rank() + 1 &&
           storedShape(g).count() == g.shape[0] * storedShape(y).count();
  }

  /// Writes the bits down behind the node that made `id`, which is in the graph already, and turns its gates to them.
  bool save(ValueId id, std::vector<Node>& old) {
    const Readers r = readers(id);
    // Values that somebody reads while the gradient comes back are there for the gates too, or nearly as long.
    if (r.isKept || r.gates.empty() || r.last >= firstGate_ || storedShape(graph_.type(id)).count() < kFewElements) return false;
    const Interval interval = *intervalOf(old[r.gates[0]]);
    if (std::any_of(r.gates.begin(), r.gates.end(), [&](size_t n) { return !(*intervalOf(old[n]) == interval); })) return false;
    const int64_t elements = storedShape(graph_.type(id)).count();
    const ValueId bits = graph_.addNode(op("gateBits"), {id}, {{"elements", elements}, {"low", interval.low}, {"high", interval.high}});
    graph_.value(bits).type = {DType::U8, Shape{(elements + 7) / 8}};
    for (const size_t n : r.gates) {
      old[n].op = &op("bitGateGrad");
      old[n].inputs[1] = bits;
      old[n].attributes = {{"elements", elements}, {"alpha", interval.slope}};
    }
    return true;
  }

  Graph& graph_;
  std::vector<Readers> readers_;
  size_t firstGate_ = std::numeric_limits<size_t>::max();
};

}  // namespace

/// The gates of ReLU, clip and leaky ReLU need one bit of each result, not the result: it is written down where the
/// result is made, and the result's bytes go to others as soon as the forward pass has done with them.
bool saveGatesAsBits(Graph& graph, const PassContext& context) {
  if (!isForProcessor(context) || !hasFastKernel("gateBits", context)) return false;
  return Saving(graph).run();
}

}  // namespace ascribe::passes
