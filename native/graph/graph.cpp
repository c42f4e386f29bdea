#include "graph/graph.h"

#include <algorithm>

#include "graph/op.h"

namespace ascribe {

const HostTensor* Graph::constant(ValueId id) const {
  if (id == kNone) return nullptr;
  const Value& v = value(id);
  return v.kind == ValueKind::Constant ? &constants[static_cast<size_t>(v.storage)] : nullptr;
}

const HostTensor* Graph::known(ValueId id) const {
  if (const HostTensor* fixed = constant(id)) return fixed;
  return id == kNone || value(id).capacity < 0 ? nullptr : &constants[static_cast<size_t>(value(id).capacity)];
}

const Node* Graph::producer(ValueId id) const {
  if (id == kNone || value(id).producer < 0) return nullptr;
  return &nodes[static_cast<size_t>(value(id).producer)];
}

ValueId Graph::find(std::string_view name) const {
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i].name == name) return static_cast<ValueId>(i);
  for (size_t i = 0; i < values.size(); ++i)
    if (std::find(values[i].aliases.begin(), values[i].aliases.end(), name) != values[i].aliases.end())
      return static_cast<ValueId>(i);
  return kNone;
}

namespace {
ValueId append(Graph& graph, Value value) {
  graph.values.push_back(std::move(value));
  return static_cast<ValueId>(graph.values.size() - 1);
}
}  // namespace

ValueId Graph::addInput(std::string name, DType dtype, std::vector<DeclaredDim> dims) {
  Value v;
  v.name = std::move(name);
  v.kind = ValueKind::Input;
  v.type.dtype = dtype;
  v.declared = std::move(dims);
  const ValueId id = append(*this, std::move(v));
  inputs.push_back(id);
  return id;
}

ValueId Graph::addInput(std::string name, DType dtype, const Shape& shape) {
  std::vector<DeclaredDim> dims;
  for (int64_t dim : shape) dims.push_back({dim, {}});
  const ValueId id = addInput(std::move(name), dtype, std::move(dims));
  value(id).type.shape = shape;
  return id;
}

ValueId Graph::addConstant(HostTensor tensor, std::string name) {
  Value v;
  v.name = std::move(name);
  v.kind = ValueKind::Constant;
  v.type = {tensor.dtype(), tensor.shape()};
  v.storage = static_cast<int32_t>(constants.size());
  constants.push_back(std::move(tensor));
  return append(*this, std::move(v));
}

ValueId Graph::addParameter(std::string name, HostTensor source) {
  Value v;
  v.name = name;
  v.kind = ValueKind::Parameter;
  const DType stored = source.dtype();
  v.type = {stored == DType::F16 || stored == DType::BF16 ? DType::F32 : stored, source.shape()};
  v.storage = static_cast<int32_t>(parameters.size());
  const ValueId id = append(*this, std::move(v));
  parameters.push_back({std::move(name), id, std::move(source), 0});
  return id;
}

ValueId Graph::addState(std::string name, DType dtype, const Shape& shape) {
  Value v;
  v.name = name;
  v.kind = ValueKind::State;
  v.type = {dtype, shape};
  for (int64_t dim : shape) v.declared.push_back({dim, {}});
  v.storage = static_cast<int32_t>(states.size());
  const ValueId id = append(*this, std::move(v));
  states.push_back({std::move(name), id});
  return id;
}

ValueId Graph::addNode(const OpSchema& schema, std::vector<ValueId> operands, Attributes attributes, int outputCount,
                       std::string name) {
  Node node{&schema, std::move(operands), {}, std::move(attributes), std::move(name)};
  const ValueId first = static_cast<ValueId>(values.size());
  for (int i = 0; i < outputCount; ++i) {
    Value v;
    v.producer = static_cast<NodeId>(nodes.size());
    node.outputs.push_back(append(*this, std::move(v)));
  }
  nodes.push_back(std::move(node));
  return first;
}

std::vector<int> countUses(const Graph& graph) {
  std::vector<int> uses(graph.values.size(), 0);
  for (const Node& node : graph.nodes)
    for (ValueId id : node.inputs)
      if (id != kNone) ++uses[static_cast<size_t>(id)];
  for (ValueId id : graph.outputs) ++uses[static_cast<size_t>(id)];
  for (size_t i = 0; i < graph.values.size(); ++i)
    if (graph.values[i].pinned) ++uses[i];
  return uses;
}

void numberProducers(Graph& graph) {
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    for (const ValueId id : graph.nodes[n].outputs) graph.value(id).producer = static_cast<NodeId>(n);
}

void dropNodes(Graph& graph, std::span<const char> gone) {
  std::vector<Node> kept;
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    if (!gone[n]) kept.push_back(std::move(graph.nodes[n]));
  graph.nodes = std::move(kept);
  numberProducers(graph);
}

void removeDeadNodes(Graph& graph) {
  std::vector<char> live(graph.values.size(), 0);
  for (ValueId id : graph.outputs) live[static_cast<size_t>(id)] = 1;
  for (size_t i = 0; i < graph.values.size(); ++i)
    if (graph.values[i].pinned) live[i] = 1;
  std::vector<char> gone(graph.nodes.size(), 0);
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    bool needed = node.op->impure && node.op->name != "randomUniform" && node.op->name != "randomNormal";
    for (ValueId id : node.outputs) needed = needed || live[static_cast<size_t>(id)];
    gone[n] = !needed;
    if (!needed) continue;
    for (ValueId id : node.inputs)
      if (id != kNone) live[static_cast<size_t>(id)] = 1;
  }
  dropNodes(graph, gone);
}

namespace {
std::string textOf(int64_t v) { return std::to_string(v); }
std::string textOf(const std::string& v) { return v; }
std::string textOf(double v) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", v);
  return buffer;
}
template <class T>
std::string textOf(const std::vector<T>& list) {
  std::string out = "[";
  for (size_t i = 0; i < list.size(); ++i) out += (i ? "," : "") + textOf(list[i]);
  return out + "]";
}
std::string textOf(const Attribute& attribute) {
  return std::visit([](const auto& v) { return textOf(v); }, attribute);
}
}  // namespace

std::string dump(const Graph& graph) {
  constexpr const char* layouts[] = {"", ":channelsLast", ":blocked8", ":blocked16"};
  const auto label = [&](ValueId id) -> std::string {
    if (id == kNone) return "-";
    const Value& v = graph.value(id);
    return (v.name.empty() ? "%" + std::to_string(id) : v.name);
  };
  std::string out;
  for (const Node& node : graph.nodes) {
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const Value& v = graph.value(node.outputs[i]);
      out += (i ? ", " : "") + label(node.outputs[i]) + " " + std::string(nameOf(v.type.dtype)) + v.type.shape.text() +
             layouts[static_cast<size_t>(v.type.layout)] +
             (v.type.layout != Layout::Plain && v.type.channelAxis != 1 ? "@" + std::to_string(v.type.channelAxis) : "") +
             (v.pinned ? "!" : "");
    }
    out += " = " + node.op->name + "(";
    for (size_t i = 0; i < node.inputs.size(); ++i) out += (i ? ", " : "") + label(node.inputs[i]);
    out += ")";
    for (const auto& [key, value] : node.attributes.entries()) out += " " + key + "=" + textOf(value);
    out += "\n";
  }
  return out;
}

}  // namespace ascribe
