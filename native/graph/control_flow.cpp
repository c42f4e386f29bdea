#include "graph/control_flow.h"

#include <algorithm>

#include "graph/convert.h"
#include "graph/inline.h"
#include "graph/op.h"
#include "runtime/error.h"

namespace ascribe {
namespace {

/// Beyond these an unrolled graph takes longer to compile than anybody waits.
constexpr int64_t kMostTrips = 4096;
constexpr size_t kMostNodes = 1 << 20;

std::string where(const Node& node) { return "node " + node.name + " (" + node.op->name + "): "; }

/// The one element of a condition or count, if it is known.
const HostTensor* single(const Graph& graph, ValueId id, DType dtype, const Node& node) {
  if (graph.type(id).dtype != dtype || graph.shape(id).count() != 1)
    throw Error("MODEL_INVALID", where(node) + "a condition is one truth value, a count one 64-bit integer");
  return graph.constant(id);
}
bool truth(const HostTensor& tensor) { return *static_cast<const uint8_t*>(tensor.data()) != 0; }

}  // namespace

bool ControlFlow::is(const Node& node) { return node.op->name == "if" || node.op->name == "loop"; }

std::vector<Node> ControlFlow::expand(const Node& node) {
  if (node.op->name == "loop") return expandLoop(node);
  return node.attributes.integer("selected") != 0 ? select(node) : expandIf(node);
}

ValueId ControlFlow::fresh() {
  graph_.values.emplace_back();
  return static_cast<ValueId>(graph_.values.size() - 1);
}

Node ControlFlow::identity(ValueId from, ValueId to) const { return {&op("identity"), {from}, {to}, {}, {}}; }

/// What a value of the body that no node computes is in the graph.
ValueId ControlFlow::mapped(const Graph& body, const Value& v) {
  const auto computed = [&](DType dtype) { return options_.precision != DType::F32 && isFloating(dtype) ? options_.precision : dtype; };
  if (v.kind == ValueKind::Constant) {
    HostTensor tensor = body.constants[static_cast<size_t>(v.storage)];
    if (computed(tensor.dtype()) != tensor.dtype()) tensor = convert(tensor, options_.precision);
    return graph_.addConstant(std::move(tensor));
  }
  if (v.kind != ValueKind::Parameter) throw Error("MODEL_INVALID", "a subgraph uses " + v.name + ", which is not its own");
  const auto same = std::find_if(graph_.parameters.begin(), graph_.parameters.end(), [&](const Parameter& p) { return p.name == v.name; });
  if (same != graph_.parameters.end()) return same->value;
  const ValueId id = fresh();
  Value& made = graph_.value(id);
  made.name = v.name;
  made.kind = ValueKind::Parameter;
  made.type = {computed(v.type.dtype), v.type.shape};
  made.storage = static_cast<int32_t>(graph_.parameters.size());
  graph_.parameters.push_back({v.name, id, {}, 0});
  return id;
}

ControlFlow::Spliced ControlFlow::splice(const Node& node, std::string_view attribute, const std::vector<ValueId>& operands, size_t outputs) {
  const std::string& key = node.attributes.text(attribute);
  const auto found = graph_.subgraphs.find(key);
  if (found == graph_.subgraphs.end()) throw Error("MODEL_INVALID", where(node) + "no subgraph is called " + key);
  const std::shared_ptr<const Graph> body = found->second;
  if (body->inputs.size() != operands.size() || body->outputs.size() != outputs)
    throw Error("MODEL_INVALID", where(node) + "the subgraph " + key + " takes " + std::to_string(body->inputs.size()) + " values and gives " +
                                     std::to_string(body->outputs.size()) + ", expected " + std::to_string(operands.size()) + " and " + std::to_string(outputs));
  spliced_ += body->nodes.size();
  if (spliced_ > kMostNodes) throw Error("MODEL_UNSUPPORTED_OP", where(node) + "unrolled, the model has more than " + std::to_string(kMostNodes) + " nodes");
  if (names_.empty())
    for (const Value& v : graph_.values) names_.insert(v.name);

  // Every copy has subgraphs of its own, whatever theirs are called.
  const std::string prefix = key + "#" + std::to_string(copies_++) + "/";
  for (const auto& [name, inner] : body->subgraphs) graph_.subgraphs.emplace(prefix + name, inner);
  std::vector<ValueId> map(body->values.size(), kNone);
  for (size_t i = 0; i < operands.size(); ++i) map[static_cast<size_t>(body->inputs[i])] = operands[i];
  const auto at = [&](ValueId id) {
    if (id == kNone) return kNone;
    ValueId& to = map[static_cast<size_t>(id)];
    if (to == kNone) to = mapped(*body, body->value(id));
    return to;
  };
  Spliced out;
  for (const Node& inner : body->nodes) {
    Node copy{inner.op, {}, {}, inner.attributes, inner.name};
    for (ValueId id : inner.inputs) copy.inputs.push_back(at(id));
    for (ValueId id : inner.outputs) {
      const ValueId to = map[static_cast<size_t>(id)] = fresh();
      const std::string& name = body->value(id).name;
      copy.outputs.push_back(to);
      if (!name.empty() && names_.insert(name).second) graph_.value(to).name = name;
    }
    for (const char* subgraph : kSubgraphAttributes)
      if (copy.attributes.has(subgraph)) copy.attributes.set(subgraph, prefix + copy.attributes.text(subgraph));
    out.nodes.push_back(std::move(copy));
  }
  for (ValueId id : body->outputs) out.outputs.push_back(at(id));
  return out;
}

/// (condition, captured…) -> the results of one body, or of both where the condition depends on data.
std::vector<Node> ControlFlow::expandIf(const Node& node) {
  const HostTensor* known = single(graph_, node.inputs[0], DType::Bool, node);
  const std::vector<ValueId> captured(node.inputs.begin() + 1, node.inputs.end());
  if (known != nullptr) {
    Spliced body = splice(node, truth(*known) ? "thenBranch" : "elseBranch", captured, node.outputs.size());
    for (size_t i = 0; i < node.outputs.size(); ++i) body.nodes.push_back(identity(body.outputs[i], node.outputs[i]));
    return std::move(body.nodes);
  }
  Spliced yes = splice(node, "thenBranch", captured, node.outputs.size()), no = splice(node, "elseBranch", captured, node.outputs.size());
  std::vector<Node> nodes = std::move(yes.nodes);
  std::move(no.nodes.begin(), no.nodes.end(), std::back_inserter(nodes));
  Node chosen{node.op, {node.inputs[0]}, node.outputs, node.attributes, node.name};
  chosen.attributes.set("selected", int64_t{1});
  chosen.inputs.insert(chosen.inputs.end(), yes.outputs.begin(), yes.outputs.end());
  chosen.inputs.insert(chosen.inputs.end(), no.outputs.begin(), no.outputs.end());
  nodes.push_back(std::move(chosen));
  return nodes;
}

/// (condition, results of one body…, of the other…), all computed.
std::vector<Node> ControlFlow::select(const Node& node) {
  const size_t count = node.outputs.size();
  if (node.inputs.size() != 1 + 2 * count) throw Error("MODEL_INVALID", where(node) + "operands and results do not fit each other");
  std::vector<Node> nodes;
  const ValueId condition = fresh();
  nodes.push_back({&op("reshape"), {node.inputs[0], graph_.addConstant(HostTensor::ofIntegers({}))}, {condition}, {{"allowZero", int64_t{0}}}, node.name});
  for (size_t i = 0; i < count; ++i) {
    const ValueId yes = node.inputs[1 + i], no = node.inputs[1 + count + i];
    if (!(graph_.shape(yes) == graph_.shape(no)) || graph_.type(yes).dtype != graph_.type(no).dtype)
      throw Error("MODEL_UNSUPPORTED_OP", where(node) + "its condition depends on data, and its branches give " + graph_.shape(yes).text() + " and " + graph_.shape(no).text(),
                  "Export the model with the branch that is wanted.");
    nodes.push_back({&op("where"), {condition, yes, no}, {node.outputs[i]}, {}, node.name});
  }
  return nodes;
}

/// (limit?, condition?, carried…, captured…, results so far: one of each kind a trip…) -> carried and stacked results.
/// One trip at a time: a copy of the body, and what is left of the loop behind it.
std::vector<Node> ControlFlow::expandLoop(const Node& node) {
  const auto attribute = [&](const char* name) { return static_cast<size_t>(std::max<int64_t>(0, node.attributes.integer(name))); };
  const size_t carried = attribute("carried"), captured = attribute("captured"), done = attribute("done");
  const size_t fixed = 2 + carried + captured;
  const size_t stacked = node.outputs.size() - std::min(node.outputs.size(), carried);
  if (node.outputs.size() < carried || node.inputs.size() != fixed + stacked * done)
    throw Error("MODEL_INVALID", where(node) + "operands and results do not fit what it carries");
  const auto knownOr = [&](ValueId id, DType dtype, const char* what) -> const HostTensor* {
    if (id == kNone) return nullptr;
    const HostTensor* known = single(graph_, id, dtype, node);
    if (known == nullptr) throw Error("MODEL_UNSUPPORTED_OP", where(node) + what + " depends on data", "Export the model with a fixed number of trips.");
    return known;
  };
  const HostTensor* limit = knownOr(node.inputs[0], DType::I64, "how often it runs");
  const HostTensor* condition = knownOr(node.inputs[1], DType::Bool, "whether it goes on");
  const bool goesOn = (limit == nullptr || static_cast<int64_t>(done) < limit->integers()[0]) && (condition == nullptr || truth(*condition));
  const std::vector<ValueId> state(node.inputs.begin() + 2, node.inputs.begin() + 2 + static_cast<ptrdiff_t>(carried));
  std::vector<Node> nodes;
  if (!goesOn) {
    for (size_t i = 0; i < carried; ++i) nodes.push_back(identity(state[i], node.outputs[i]));
    for (size_t s = 0; s < stacked; ++s) {
      if (done == 0) throw Error("MODEL_UNSUPPORTED_OP", where(node) + "it does not run at all, so that its stacked results have no shape");
      Node joined{&op("concat"), {}, {node.outputs[carried + s]}, {{"axis", int64_t{0}}}, node.name};
      for (size_t trip = 0; trip < done; ++trip) {
        const ValueId row = fresh();
        nodes.push_back({&op("unsqueeze"), {node.inputs[fixed + trip * stacked + s]}, {row}, {{"axes", std::vector<int64_t>{0}}}, node.name});
        joined.inputs.push_back(row);
      }
      nodes.push_back(std::move(joined));
    }
    return nodes;
  }
  if (done >= static_cast<size_t>(kMostTrips)) throw Error("MODEL_UNSUPPORTED_OP", where(node) + "it runs more than " + std::to_string(kMostTrips) + " times");
  std::vector<ValueId> operands{graph_.addConstant(HostTensor::scalar(DType::I64, static_cast<double>(done))),
                                graph_.addConstant(HostTensor::scalar(DType::Bool, 1))};
  operands.insert(operands.end(), node.inputs.begin() + 2, node.inputs.begin() + static_cast<ptrdiff_t>(fixed));
  Spliced body = splice(node, "body", operands, 1 + carried + stacked);
  Node rest{node.op, {node.inputs[0], body.outputs[0]}, node.outputs, node.attributes, node.name};
  rest.inputs.insert(rest.inputs.end(), body.outputs.begin() + 1, body.outputs.begin() + 1 + static_cast<ptrdiff_t>(carried));
  rest.inputs.insert(rest.inputs.end(), node.inputs.begin() + 2 + static_cast<ptrdiff_t>(carried), node.inputs.end());
  rest.inputs.insert(rest.inputs.end(), body.outputs.begin() + 1 + static_cast<ptrdiff_t>(carried), body.outputs.end());
  rest.attributes.set("done", static_cast<int64_t>(done) + 1);
  nodes = std::move(body.nodes);
  nodes.push_back(std::move(rest));
  return nodes;
}

}  // namespace ascribe
