#include <algorithm>
#include <map>
#include <tuple>

#include "graph/layout.h"
#include "graph/op.h"
#include "graph/passes/all.h"
#include "kernels/stored_signature.h"

namespace ascribe::passes {

namespace {

bool isOneOf(const Node& node, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), node.op->name) != names.end();
}
/// Nodes whose kernels are fast in the blocked layout and nowhere else.
bool isAnchor(const Node& node) { return isOneOf(node, {"conv", "fusedConv", "convDataGradient", "convWeightGradient"}); }
/// Nodes that run as well in one layout as in the other.
bool isCarrier(const Node& node) {
  return node.op->elementwise || isOneOf(node, {"concat", "slice", "expandLike", "maxPool", "maxPoolGrad", "averagePool", "averagePoolGrad", "globalAveragePool", "interpolate"});
}
/// Nodes that read either layout and give what both agree on, if they can.
bool isReduction(const Node& node) { return isOneOf(node, {"sumTo", "scaleGrad"}); }
bool isShapeOnly(const Node& node, size_t operand) {
  return (node.op->shapeOnly | node.op->hostOperands) >> std::min<size_t>(operand, 31) & 1;
}

/// A node's types as they would be; what kernels are asked about before anything changes.
struct Proposal {
  std::vector<ValueType> inputs, outputs;
};

class Assignment {
 public:
  Assignment(Graph& graph, const PassContext& context) : graph_(graph), context_(context), fixed_(graph.values.size(), 0) {
    for (size_t i = 0; i < graph.values.size(); ++i) fixed_[i] = graph.values[i].pinned || graph.values[i].runLength;
    for (ValueId id : graph.outputs) fixed_[static_cast<size_t>(id)] = 1;
  }

  bool run() {
    std::vector<Node> old = std::move(graph_.nodes);
    graph_.nodes.clear();
    findWanted(old);
    bool changed = false;
    for (Node& node : old) {
      const std::optional<Proposal> proposal = propose(node);
      changed = changed || proposal;
      if (proposal) emitBlocked(node, *proposal);
      else emitPlain(node);
    }
    numberProducers(graph_);
    return changed;
  }

 private:
  bool isFixed(ValueId id) const { return static_cast<size_t>(id) < fixed_.size() && fixed_[static_cast<size_t>(id)]; }

  /// Values that a convolution reads, be it through carriers.
  void findWanted(const std::vector<Node>& nodes) {
    wanted_.assign(graph_.values.size(), 0);
    for (size_t n = nodes.size(); n-- > 0;) {
      const Node& node = nodes[n];
      const bool passesOn = (isCarrier(node) || node.op->view) && wanted_[static_cast<size_t>(node.outputs[0])];
      if (!isAnchor(node) && !passesOn) continue;
      for (size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i] != kNone && !isShapeOnly(node, i)) wanted_[static_cast<size_t>(node.inputs[i])] = 1;
    }
  }

  ValueType blockedType(ValueId id, Layout layout, int channelAxis) const {
    ValueType type = graph_.type(id);
    type.layout = layout;
    type.channelAxis = channelAxis;
    return type;
  }
  Proposal asItLies(const Node& node) const {
    Proposal p;
    for (ValueId id : node.inputs) p.inputs.push_back(id == kNone ? ValueType{} : graph_.type(id));
    for (ValueId id : node.outputs) p.outputs.push_back(graph_.type(id));
    return p;
  }
  bool taken(const Node& node, const Proposal& p) const {
    std::vector<const HostTensor*> constants;
    for (ValueId id : node.inputs) constants.push_back(graph_.constant(id));
    const NodeSignature signature{node, p.inputs, p.outputs, constants};
    const bool padded = std::any_of(p.outputs.begin(), p.outputs.end(), hasPaddedChannels);
    if (padded && isCarrier(node) && storedSignature(signature) && !keepsZero(signature)) return false;
    return takesLayout(signature, context_.backends);
  }

  std::optional<Proposal> propose(const Node& node) const {
    for (ValueId id : node.outputs)
      if (graph_.value(id).runLength) return std::nullopt;
    if (isAnchor(node)) return proposeAnchor(node);
    if (node.op->view) return proposeView(node);
    if (isReduction(node)) return proposeReduction(node);
    if (node.op->name == "window") return proposeWindow(node);
    return isCarrier(node) ? proposeCarrier(node) : std::nullopt;
  }

  std::optional<Proposal> proposeAnchor(const Node& node) const {
    const bool weights = node.op->name == "convWeightGradient";
    const int spatial = graph_.shape(node.inputs[weights ? 2 : 1]).rank() - 2;
    const auto blocked = [&](ValueId id, Layout layout) { return blockedType(id, layout, graph_.shape(id).rank() - spatial - 1); };
    const Proposal lying = asItLies(node);
    if (std::any_of(lying.inputs.begin(), lying.inputs.end(), [](const ValueType& t) { return t.dtype != DType::F32; })) return std::nullopt;
    const auto isFew = [&](ValueId id) { return graph_.shape(id)[graph_.shape(id).rank() - spatial - 1] <= fewChannels; };
    // Gradients of images: most of a block would be padding, which costs more than the way back to planes.
    if (node.op->name == "convDataGradient" && isFew(node.outputs[0])) {
      Proposal planes = lying;
      planes.inputs[0] = blocked(node.inputs[0], context_.channelLayout);
      return taken(node, planes) ? std::optional(planes) : std::nullopt;
    }
    // Narrow blocks where the kernels of the wide ones do not take the shape.
    for (const Layout layout : {context_.channelLayout, Layout::Blocked8}) {
      Proposal p = lying;
      for (size_t i : {size_t{0}, weights ? size_t{1} : size_t{3}})
        if (i < node.inputs.size() && node.inputs[i] != kNone) p.inputs[i] = blocked(node.inputs[i], layout);
      if (!weights) p.outputs[0] = blocked(node.outputs[0], layout);
      if (node.op->name != "convDataGradient" && isFew(node.inputs[0])) {
        // Images are read as the planes they are.
        Proposal planes = p;
        planes.inputs[0].layout = Layout::Plain;
        if (taken(node, planes)) return planes;
      }
      if (taken(node, p)) return p;
      if (layout == Layout::Blocked8) break;
    }
    return std::nullopt;
  }

  /// Views that change nothing from the channels on.
  std::optional<Proposal> proposeView(const Node& node) const {
    Proposal p = asItLies(node);
    const ValueType& from = p.inputs[0];
    ValueType& to = p.outputs[0];
    const int axis = from.channelAxis + to.shape.rank() - from.shape.rank();
    if (from.layout == Layout::Plain || axis < 1 || isFixed(node.outputs[0])) return std::nullopt;
    for (int i = axis; i < to.shape.rank(); ++i)
      if (to.shape[i] != from.shape[i - axis + from.channelAxis]) return std::nullopt;
    to.layout = from.layout;
    to.channelAxis = axis;
    return p;
  }

  /// Read in the blocks of the gradient; the result is plain where channels stay and places go.
  std::optional<Proposal> proposeReduction(const Node& node) const {
    Proposal p = asItLies(node);
    const ValueType& g = p.inputs[0];
    if (g.layout == Layout::Plain) return std::nullopt;
    if (node.op->name == "scaleGrad") {
      const int axis = g.channelAxis - g.shape.rank() + p.inputs[1].shape.rank();
      if (axis < 1 || graph_.value(node.inputs[1]).runLength) return std::nullopt;
      p.inputs[1] = blockedType(node.inputs[1], g.layout, axis);
    }
    if (taken(node, p)) return p;
    // A sum over what stands before the channels alone has blocks as well.
    const int channels = p.outputs[0].shape.rank() - (g.shape.rank() - g.channelAxis);
    if (node.op->name != "sumTo" || channels < 1 || isFixed(node.outputs[0])) return std::nullopt;
    p.outputs[0] = blockedType(node.outputs[0], g.layout, channels);
    return taken(node, p) ? std::optional(p) : std::nullopt;
  }

  /// The result lies as the patch does; the pictures around it are plain.
  std::optional<Proposal> proposeWindow(const Node& node) const {
    Proposal p = asItLies(node);
    if (p.inputs.size() < 3 || node.inputs[2] == kNone || p.inputs[2].layout == Layout::Plain || p.inputs[2].channelAxis != 1) return std::nullopt;
    p.outputs[0] = blockedType(node.outputs[0], p.inputs[2].layout, 1);
    return taken(node, p) ? std::optional(p) : std::nullopt;
  }

  std::optional<Proposal> proposeCarrier(const Node& node) const {
    Proposal p = asItLies(node);
    const int rank = p.outputs[0].shape.rank();
    int axis = -1;
    Layout layout = context_.channelLayout;
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      if (isShapeOnly(node, i) || p.inputs[i].layout == Layout::Plain) continue;
      axis = p.inputs[i].channelAxis + rank - p.inputs[i].shape.rank();
      layout = p.inputs[i].layout;
      break;
    }
    // The gradient of a global pooling: small before it is spread, so this is the place to change over.
    if (axis < 0 && node.op->name == "expandLike" && wanted_[static_cast<size_t>(node.outputs[0])] && p.inputs[1].shape.rank() >= 3)
      axis = 1 + static_cast<int>(node.attributes.integer("leading"));
    if (axis < 1 || axis >= rank - 1) return std::nullopt;
    for (size_t i = 0; i < p.outputs.size(); ++i) p.outputs[i] = blockedType(node.outputs[i], layout, axis);
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      ValueType& operand = p.inputs[i];
      if (node.inputs[i] == kNone || isShapeOnly(node, i) || readableBeside(operand, p.outputs[0])) continue;
      const int own = axis - rank + operand.shape.rank();
      if (own < 1 || graph_.value(node.inputs[i]).runLength) return std::nullopt;
      operand = blockedType(node.inputs[i], layout, own);
    }
    if (!taken(node, p)) return std::nullopt;
    return p;
  }

  /// The value as it must lie, by a reorder if need be. One for all readers.
  ValueId inLayout(ValueId id, const ValueType& type) {
    if (id == kNone || sameLayout(graph_.type(id), type)) return id;
    const auto key = std::tuple(id, type.layout, type.layout == Layout::Plain ? 0 : type.channelAxis);
    const auto found = versions_.find(key);
    if (found != versions_.end()) return found->second;
    const ValueId out = addReorder(id, type);
    versions_[key] = out;
    versions_[{out, graph_.type(id).layout, graph_.type(id).layout == Layout::Plain ? 0 : graph_.type(id).channelAxis}] = id;
    return out;
  }
  ValueId addReorder(ValueId id, const ValueType& type) {
    const int axis = type.layout == Layout::Plain ? graph_.type(id).channelAxis : type.channelAxis;
    const ValueId out = graph_.addNode(op("reorder"), {id}, {{"layout", std::string(nameOf(type.layout))}, {"channelAxis", int64_t{axis}}});
    graph_.value(out).type = graph_.type(id);
    graph_.value(out).type.layout = type.layout;
    graph_.value(out).type.channelAxis = axis;
    return out;
  }

  void emitPlain(Node& node) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNone || isShapeOnly(node, i)) continue;
      ValueType plain = graph_.type(node.inputs[i]);
      plain.layout = Layout::Plain;
      node.inputs[i] = inLayout(node.inputs[i], plain);
    }
    graph_.nodes.push_back(std::move(node));
  }

  void emitBlocked(Node& node, const Proposal& p) {
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNone && !isShapeOnly(node, i)) node.inputs[i] = inLayout(node.inputs[i], p.inputs[i]);
    std::vector<std::pair<ValueId, ValueId>> outward;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      ValueId& id = node.outputs[i];
      if (p.outputs[i].layout != Layout::Plain && isFixed(id)) {
        // What must stay plain is a copy; readers that can go on with the blocks.
        Value inner;
        graph_.values.push_back(std::move(inner));
        const auto made = static_cast<ValueId>(graph_.values.size() - 1);
        outward.emplace_back(made, id);
        versions_[{id, p.outputs[i].layout, p.outputs[i].channelAxis}] = made;
        id = made;
      }
      graph_.value(id).type = p.outputs[i];
    }
    graph_.nodes.push_back(std::move(node));
    for (const auto& [inner, outer] : outward) {
      const int axis = graph_.type(inner).channelAxis;
      Node reorder{&op("reorder"), {inner}, {outer}, {{"layout", std::string(nameOf(Layout::Plain))}, {"channelAxis", int64_t{axis}}}, {}};
      graph_.nodes.push_back(std::move(reorder));
    }
  }

  static constexpr int64_t fewChannels = 4;
  Graph& graph_;
  const PassContext& context_;
  std::vector<char> fixed_, wanted_;
  std::map<std::tuple<ValueId, Layout, int>, ValueId> versions_;
};

}  // namespace

/// Gives the values between convolutions, forwards and backwards, the layout that convolution kernels want, and sets
/// explicit reorders where it begins and ends. Inputs, outputs, pinned values and what follows run lengths stay plain.
bool assignLayouts(Graph& graph, const PassContext& context) {
  if (context.channelLayout == Layout::Plain || std::none_of(graph.nodes.begin(), graph.nodes.end(), isAnchor)) return false;
  return Assignment(graph, context).run();
}

}  // namespace ascribe::passes
