#include <cstring>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "graph/op.h"
#include "graph/passes/all.h"

namespace ascribe::passes {

namespace {

/// One row of a value along an axis.
struct Row {
  int axis = 0;
  int64_t at = 0;
  bool operator==(const Row&) const = default;
};
/// What a node reads of its operands where one row of its result is wanted; nothing for those that it reads whole.
using Reads = std::vector<std::optional<Row>>;

class Narrowing {
 public:
  explicit Narrowing(Graph& graph) : graph_(graph), wanted_(graph.values.size()), states_(graph.values.size(), State::Unread) {}

  bool run() {
    for (size_t id = 0; id < graph_.values.size(); ++id)
      if (graph_.values[id].pinned || graph_.values[id].runLength) states_[id] = State::Whole;
    for (ValueId id : graph_.outputs) readWhole(id);
    // Readers stand behind what they read: going back, all of a value's readers are known when its maker is met.
    for (size_t n = graph_.nodes.size(); n-- > 0;) note(graph_.nodes[n]);
    if (narrowed_.empty()) return false;
    emit();
    return true;
  }

 private:
  enum class State : uint8_t { Unread, OneRow, Whole };

  void readWhole(ValueId id) {
    if (id != kNone) states_[static_cast<size_t>(id)] = State::Whole;
  }
  void read(ValueId id, const Row& row) {
    State& state = states_[static_cast<size_t>(id)];
    Row& wanted = wanted_[static_cast<size_t>(id)];
    if (state == State::Unread) std::tie(state, wanted) = std::pair(State::OneRow, row);
    else if (state == State::OneRow && !(wanted == row)) state = State::Whole;
  }

  void note(const Node& node) {
    if (const std::optional<Row> row = rowOfGather(node)) {
      read(node.inputs[0], *row);
      readWhole(node.inputs[1]);
      return;
    }
    const ValueId made = node.outputs[0];
    std::optional<Reads> reads;
    if (node.outputs.size() == 1 && states_[static_cast<size_t>(made)] == State::OneRow) reads = readsFor(node, wanted_[static_cast<size_t>(made)]);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNone) continue;
      if (reads && (*reads)[i]) read(node.inputs[i], *(*reads)[i]);
      else readWhole(node.inputs[i]);
    }
    if (reads) narrowed_[made] = std::move(*reads);
  }

  /// A node that takes one row out of a value.
  std::optional<Row> rowOfGather(const Node& node) const {
    if (node.op->name != "gather") return std::nullopt;
    const HostTensor* index = graph_.constant(node.inputs[1]);
    if (!index || index->shape().count() != 1) return std::nullopt;
    const Shape& shape = graph_.shape(node.inputs[0]);
    const int axis = normaliseAxis(node.attributes.integer("axis"), shape.rank());
    const int64_t given = index->integers()[0], at = given < 0 ? given + shape[axis] : given;
    // What lies outside is for the kernel to refuse.
    if (at < 0 || at >= shape[axis]) return std::nullopt;
    return Row{axis, at};
  }

  /// An operand that is broadcast against a result: its own row, or the whole where it has one for all.
  std::optional<Row> broadcastRow(ValueId operand, const Shape& result, const Row& row) const {
    const Shape& own = graph_.shape(operand);
    const int axis = row.axis - result.rank() + own.rank();
    if (axis < 0 || own[axis] == 1) return std::nullopt;
    return Row{axis, row.at};
  }

  /// Nothing where the node cannot give one row by itself.
  std::optional<Reads> readsFor(const Node& node, const Row& row) const {
    const std::string& name = node.op->name;
    const Shape& result = graph_.shape(node.outputs[0]);
    Reads reads(node.inputs.size());
    if (node.op->elementwise) {
      for (size_t i = 0; i < reads.size(); ++i)
        if (node.inputs[i] != kNone) reads[i] = broadcastRow(node.inputs[i], result, row);
      return reads;
    }
    if (name == "layerNorm" || name == "rmsNorm" || name == "softmax") {
      if (normaliseAxis(node.attributes.integer("axis"), result.rank()) <= row.axis) return std::nullopt;
      reads[0] = row;
      return reads;
    }
    if (name == "matMul") {
      // Rows of the left factor meet the whole right one.
      if (node.attributes.integer("transposeA") != 0 || graph_.shape(node.inputs[1]).rank() != 2 || row.axis >= result.rank() - 1 || result.rank() < 3) return std::nullopt;
      reads[0] = row;
      return reads;
    }
    if (name == "attention") {
      // Of causal queries the last sees all keys, as a query by itself does.
      const bool isAlone = node.attributes.integer("causal") == 0 || row.at == result.at(-2) - 1;
      if (!isAlone || row.axis != result.rank() - 2) return std::nullopt;
      reads[0] = row;
      if (node.inputs.size() > 3 && node.inputs[3] != kNone) reads[3] = broadcastRow(node.inputs[3], result, row);
      return reads;
    }
    if (name == "transpose") {
      reads[0] = Row{static_cast<int>(node.attributes.integers("permutation")[static_cast<size_t>(row.axis)]), row.at};
      return reads;
    }
    if (name == "reshape") {
      const Shape& from = graph_.shape(node.inputs[0]);
      if (row.axis >= from.rank()) return std::nullopt;
      for (int i = 0; i <= row.axis; ++i)
        if (from[i] != result[i]) return std::nullopt;
      reads[0] = row;
      return reads;
    }
    return std::nullopt;
  }

  /// The row of an operand: the operand itself where it has become that row.
  ValueId rowOf(ValueId id, const Row& row) {
    if (narrowed_.contains(id)) return id;
    const auto key = std::tuple(id, row.axis, row.at);
    const auto known = rows_.find(key);
    if (known != rows_.end()) return known->second;
    const auto one = [&](int64_t value) { return graph_.addConstant(HostTensor::ofIntegers({value})); };
    const ValueId out = graph_.addNode(op("slice"), {id, one(row.at), one(row.at + 1), one(row.axis)}, {});
    graph_.value(out).type = graph_.type(id);
    graph_.value(out).type.shape[row.axis] = 1;
    rows_[key] = out;
    return out;
  }

  void emit() {
    std::vector<Node> old = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (Node& node : old) {
      const auto found = narrowed_.find(node.outputs[0]);
      if (found != narrowed_.end()) narrow(node, found->second);
      else if (node.op->name == "gather" && narrowed_.contains(node.inputs[0])) {  // of the only row there is
        HostTensor first(graph_.type(node.inputs[1]).dtype, graph_.shape(node.inputs[1]));
        std::memset(first.mutableData(), 0, first.bytes());
        node.inputs[1] = graph_.addConstant(std::move(first));
      }
      for (ValueId id : node.outputs) graph_.value(id).producer = static_cast<NodeId>(graph_.nodes.size());
      graph_.nodes.push_back(std::move(node));
    }
  }

  void narrow(Node& node, const Reads& reads) {
    const ValueId made = node.outputs[0];
    for (size_t i = 0; i < reads.size(); ++i)
      if (reads[i]) node.inputs[i] = rowOf(node.inputs[i], *reads[i]);
    // Only now: rows that are taken add values, which may move all of them.
    Shape& shape = graph_.value(made).type.shape;
    shape[wanted_[static_cast<size_t>(made)].axis] = 1;
    if (node.op->name == "reshape") {
      const auto dims = shape.dims();
      node.inputs[1] = graph_.addConstant(HostTensor::ofIntegers({dims.begin(), dims.end()}));
    }
  }

  Graph& graph_;
  std::vector<Row> wanted_;
  std::vector<State> states_;
  std::map<ValueId, Reads> narrowed_;
  std::map<std::tuple<ValueId, int, int64_t>, ValueId> rows_;
};

}  // namespace

/// Where of a value one row alone is read (the class token behind the last layer), what makes it by rows makes that one:
/// norms, products, what goes element by element, and the queries of attention.
bool narrowRows(Graph& graph, const PassContext&) { return Narrowing(graph).run(); }

/// The same before differentiation, so that the gradient of a row is that row's as well; behind it all rows would be read,
/// by derivatives that are 0 in all but one. Not where a rule set is asked for, which says in what order it reads the
/// graph, nor factors of parameters, whose rows are those of the model.
bool narrowRowsOfDerivatives(Graph& graph, const PassContext&) {
  bool differentiates = false;
  for (const Node& node : graph.nodes) {
    if (node.op->name != "vjp") continue;
    if (node.attributes.text("rules") != "derivative" || node.attributes.text("parameters") != "summed") return false;
    differentiates = true;
  }
  return differentiates && Narrowing(graph).run();
}

}  // namespace ascribe::passes
