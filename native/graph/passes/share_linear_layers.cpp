#include <algorithm>
#include <map>

#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {

bool isSteady(const Graph& graph, ValueId id) {
  return id != kNone && (graph.value(id).kind == ValueKind::Constant || graph.value(id).kind == ValueKind::Parameter);
}

bool isProduct(const Node& node) {
  const std::string& name = node.op->name;
  return name == "conv" || name == "convDataGradient" || name == "matMul" || name == "storedMatMul";
}

/// The operand in which a node is affine, each of the `rows` along this axis by itself, while everything else that it
/// reads is a weight; or none.
std::optional<size_t> movingOperand(const Graph& graph, const Node& node, int axis) {
  const std::string& name = node.op->name;
  if (node.outputs.size() != 1 || graph.value(node.outputs[0]).runLength) return std::nullopt;
  const auto steadyFrom = [&](size_t first, size_t last) {
    for (size_t i = first; i < std::min(last, node.inputs.size()); ++i)
      if (node.inputs[i] != kNone && !isSteady(graph, node.inputs[i])) return false;
    return true;
  };
  const auto rankOf = [&](size_t i) { return graph.shape(node.inputs[i]).rank(); };
  if (name == "conv") return axis == 0 && steadyFrom(1, 3) ? std::optional<size_t>(0) : std::nullopt;
  // [K, N, ...]; without K the rows are where convolutions have them.
  if (name == "convDataGradient") return axis == rankOf(0) - rankOf(2) && steadyFrom(1, 2) ? std::optional<size_t>(0) : std::nullopt;
  if (name == "matMul" || name == "storedMatMul") {
    const bool keepsRows = node.attributes.integer("transposeA") == 0 ? rankOf(0) >= axis + 2 : rankOf(0) >= axis + 3;
    return keepsRows && rankOf(1) == 2 && steadyFrom(1, 2) ? std::optional<size_t>(0) : std::nullopt;
  }
  if (name == "neg") return 0;
  if (name == "transpose") {
    const auto& permutation = node.attributes.integers("permutation");
    for (int i = 0; i <= axis; ++i)
      if (static_cast<size_t>(i) >= permutation.size() || permutation[static_cast<size_t>(i)] != i) return std::nullopt;
    return 0;
  }
  if (name != "add" && name != "sub" && name != "mul" && name != "div") return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    const ValueId weight = node.inputs[1 - i];
    if (!isSteady(graph, weight) || (name == "div" && i == 1)) continue;
    // Offsets are the same for every row, and move no axis.
    const Shape &moving = graph.shape(node.inputs[i]), &other = graph.shape(weight);
    const int own = other.rank() - moving.rank() + axis;  // where the rows stand in the weight
    bool separate = graph.shape(node.outputs[0]) == moving;
    for (int at = 0; at <= own && separate; ++at) separate = other[at] == 1;
    if (separate) return i;
  }
  return std::nullopt;
}

class Sharing {
 public:
  explicit Sharing(Graph& graph) : graph_(graph), readers_(graph.values.size()), kept_(graph.values.size(), 0) {
    for (size_t i = 0; i < graph.values.size(); ++i) kept_[i] = graph.values[i].pinned || graph.values[i].runLength;
    for (const ValueId id : graph.outputs) kept_[static_cast<size_t>(id)] = 1;
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      for (size_t i = 0; i < graph.nodes[n].inputs.size(); ++i)
        if (const ValueId id = graph.nodes[n].inputs[i]; id != kNone && !(graph.nodes[n].op->shapeOnly >> std::min<size_t>(i, 31) & 1))
          readers_[static_cast<size_t>(id)].push_back(n);
  }

  bool run() {
    bool changed = false;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      const std::string& name = graph_.nodes[n].op->name;
      if (name == "interpolate") changed = shareForwards(n) || changed;
      if (name == "sumTo") changed = shareBackwards(n) || changed;
    }
    if (!changed) return false;
    std::vector<Node> old = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (size_t n = 0; n < old.size(); ++n) {
      const auto before = added_.find(n);
      if (before != added_.end())
        for (Node& node : before->second) graph_.nodes.push_back(std::move(node));
      graph_.nodes.push_back(std::move(old[n]));
    }
    numberProducers(graph_);
    return true;
  }

 private:
  const std::vector<size_t>& readers(ValueId id) const { return readers_[static_cast<size_t>(id)]; }
  bool isOpen(ValueId id) const { return !kept_[static_cast<size_t>(id)] && readers(id).size() == 1; }

  /// The nodes that make, one behind the other, something affine of the interpolation's rows, up to the last product.
  bool shareForwards(size_t at) {
    std::vector<size_t> chain;
    size_t products = 0;
    for (ValueId id = graph_.nodes[at].outputs[0]; isOpen(id);) {
      const size_t n = readers(id)[0];
      const auto moving = movingOperand(graph_, graph_.nodes[n], 0);
      if (!moving || graph_.nodes[n].inputs[*moving] != id || graph_.nodes[n].op->name == "convDataGradient") break;
      chain.push_back(n);
      if (isProduct(graph_.nodes[n])) products = chain.size();
      id = graph_.nodes[n].outputs[0];
    }
    if (products == 0) return false;
    const std::vector<ValueId> ends(graph_.nodes[at].inputs.begin(), graph_.nodes[at].inputs.begin() + 2);
    const ValueId position = graph_.nodes[at].inputs[2];
    std::vector<ValueId> moved;
    for (ValueId end : ends) {
      ValueId before = graph_.nodes[at].outputs[0];
      for (size_t i = 0; i < chain.size(); ++i) {
        const Node& node = graph_.nodes[chain[i]];
        const ValueId result = node.outputs[0];
        end = copied(chain.back(), node, before, end, 0);
        before = result;
      }
      moved.push_back(end);
    }
    Node& last = graph_.nodes[chain.back()];
    last.op = &op("interpolate");
    last.inputs = {moved[0], moved[1], position};
    last.attributes = {};
    return true;
  }

  /// What a sum over rows [K, N, ...] -> [K, 1, ...] follows from by linear nodes is summed before them.
  bool shareBackwards(size_t at) {
    const Node sum = graph_.nodes[at];
    const Shape &whole = graph_.shape(sum.inputs[0]), &one = graph_.shape(sum.outputs[0]);
    if (sum.attributes.integer("leading") != 1 || whole.rank() != one.rank() || whole.rank() < 2 || one[1] != 1) return false;
    for (int i = 0; i < whole.rank(); ++i)
      if (i != 1 && whole[i] != one[i]) return false;
    std::vector<size_t> chain;
    size_t products = 0;
    for (ValueId id = sum.inputs[0]; isOpen(id) && graph_.value(id).kind == ValueKind::Result;) {
      const auto n = static_cast<size_t>(graph_.value(id).producer);
      const Node& node = graph_.nodes[n];
      // Sums of what has an offset have the offset as often as there are rows.
      const bool isLinear = node.op->name != "conv" && node.op->name != "add" && node.op->name != "sub" && node.op->name != "interpolate";
      const auto moving = isLinear ? movingOperand(graph_, node, 1) : std::nullopt;
      if (!moving) break;
      chain.push_back(n);
      if (isProduct(node)) products = chain.size();
      id = node.inputs[*moving];
    }
    if (products == 0) return false;
    const Node& first = graph_.nodes[chain[products - 1]];
    const ValueId rows = first.inputs[*movingOperand(graph_, first, 1)];
    ValueId total = summed(at, rows);
    ValueId before = rows;
    for (size_t i = products; i-- > 0;) {
      const Node& node = graph_.nodes[chain[i]];
      const ValueId result = node.outputs[0];
      total = copied(at, node, before, total, 1);
      before = result;
    }
    graph_.nodes[at].op = &op("identity");
    graph_.nodes[at].inputs = {total};
    graph_.nodes[at].attributes = {};
    return true;
  }

  ValueId make(size_t before, Node node, ValueType type) {
    Value value;
    value.type = std::move(type);
    graph_.values.push_back(std::move(value));
    const auto id = static_cast<ValueId>(graph_.values.size() - 1);
    node.outputs = {id};
    added_[before].push_back(std::move(node));
    return id;
  }

  /// The node over one row, which stands along this axis, in place of the operand `from`.
  ValueId copied(size_t before, const Node& node, ValueId from, ValueId to, int axis) {
    Node copy = node;
    std::replace(copy.inputs.begin(), copy.inputs.end(), from, to);
    if (node.op->name == "convDataGradient") copy.inputs[2] = oneRowLike(node.inputs[2]);
    ValueType type = graph_.type(node.outputs[0]);
    type.shape[axis] = 1;
    return make(before, std::move(copy), std::move(type));
  }

  ValueId summed(size_t before, ValueId rows) {
    ValueType type = graph_.type(rows);
    type.shape[1] = 1;
    const ValueId like = shapedLike(type.dtype, Shape(type.shape.dims().subspan(1)));
    return make(before, Node{&op("sumTo"), {rows, like}, {}, {{"leading", int64_t{1}}}, {}}, type);
  }

  ValueId oneRowLike(ValueId id) {
    Shape shape = graph_.shape(id);
    shape[0] = 1;
    return shapedLike(graph_.type(id).dtype, shape);
  }
  /// Something of which only the shape is read.
  ValueId shapedLike(DType dtype, const Shape& shape) { return graph_.addConstant(HostTensor(dtype, shape)); }

  Graph& graph_;
  std::vector<std::vector<size_t>> readers_;
  std::vector<char> kept_;
  std::map<size_t, std::vector<Node>> added_;
};

}  // namespace

/// A path between two examples goes straight through layers that are affine, from what they make of the one to what they
/// make of the other: so a first convolution or product is computed at both ends of an interpolation, and not at each of
/// its rows. Its gradient is summed over the rows before it goes back through the layer, where only the sum is wanted.
bool shareLinearLayers(Graph& graph, const PassContext&) { return Sharing(graph).run(); }

}  // namespace ascribe::passes
