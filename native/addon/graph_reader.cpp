#include "addon/graph_reader.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "addon/storage.h"
#include "addon/util/reader.h"
#include "addon/util/tensor.h"
#include "graph/op.h"
#include "graph/verify.h"

namespace ascribe::addon {

namespace {

/// Bodies may hold others; a description that contains itself must end.
constexpr int kMaximumDepth = 16;

std::vector<DeclaredDim> readDims(const Reader& reader) {
  const Napi::Array list = reader.array("shape");
  if (list.Length() > Shape::kMaxRank)
    throw Error("INPUT_SHAPE", reader.name() + " has rank " + std::to_string(list.Length()));
  std::vector<DeclaredDim> out;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value dim = list.Get(i);
    if (dim.IsString())
      out.push_back({-1, dim.As<Napi::String>().Utf8Value()});
    else
      out.push_back({toInteger(dim, reader.path("shape") + "[" + std::to_string(i) + "]", 0), {}});
  }
  return out;
}

void readValue(Graph& graph, Napi::Value description, uint32_t index) {
  const Reader reader(description, "values[" + std::to_string(index) + "]");
  const size_t kind = reader.choice("kind", {"input", "constant", "parameter", "state", "result"});
  Value value;
  value.name = kind == 0 || kind == 2 || kind == 3 ? reader.text("name") : reader.maybeText("name").value_or("");
  switch (kind) {
    case 0:
      value.kind = ValueKind::Input;
      value.type.dtype = toDType(reader.value("dtype"), reader.path("dtype"));
      value.declared = readDims(reader);
      break;
    case 1: {
      HostTensor tensor = reader.has("source") ? toSource(reader.value("source"), reader.path("source"))
                                               : copyTensor(description, reader.name());
      value.kind = ValueKind::Constant;
      value.type = {tensor.dtype(), tensor.shape()};
      value.storage = static_cast<int32_t>(graph.constants.size());
      graph.constants.push_back(std::move(tensor));
      break;
    }
    case 2:
      value.kind = ValueKind::Parameter;
      value.type = {toDType(reader.value("dtype"), reader.path("dtype")), toShape(reader.value("shape"), reader.path("shape"))};
      value.storage = static_cast<int32_t>(graph.parameters.size());
      graph.parameters.push_back({value.name, static_cast<ValueId>(index), {}, 0});
      break;
    case 3:
      value.kind = ValueKind::State;
      value.type.dtype = toDType(reader.value("dtype"), reader.path("dtype"));
      value.declared = readDims(reader);
      value.storage = static_cast<int32_t>(graph.states.size());
      graph.states.push_back({value.name, static_cast<ValueId>(index)});
      break;
    default:
      value.aliases = reader.texts("aliases");
  }
  graph.values.push_back(std::move(value));
}

Attribute readAttribute(Napi::Value value, const std::string& name) {
  const auto isInteger = [](double v) { return v == std::trunc(v) && std::abs(v) <= static_cast<double>(kSafeInteger); };
  if (value.IsString()) return value.As<Napi::String>().Utf8Value();
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (isInteger(number)) return static_cast<int64_t>(number);
    return number;
  }
  if (!value.IsArray()) failType(name, "a number, a text or a list of numbers", value);
  const auto list = value.As<Napi::Array>();
  std::vector<double> reals(list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value item = list.Get(i);
    if (!item.IsNumber()) failType(name + "[" + std::to_string(i) + "]", "a number", item);
    reals[i] = item.As<Napi::Number>().DoubleValue();
  }
  if (std::all_of(reals.begin(), reals.end(), isInteger)) return std::vector<int64_t>(reals.begin(), reals.end());
  return reals;
}

std::vector<ValueId> readIds(const Reader& reader, const char* key, size_t count, int64_t minimum) {
  std::vector<ValueId> out;
  const Napi::Array list = reader.array(key);
  out.reserve(list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value item = list.Get(i);
    const double id = item.IsNumber() ? item.As<Napi::Number>().DoubleValue() : NAN;
    if (!(id >= static_cast<double>(minimum) && id < static_cast<double>(count)) || id != std::trunc(id))
      throw Error("MODEL_INVALID", reader.path(key) + "[" + std::to_string(i) + "] is " + describe(item) + ", not the index of a value");
    out.push_back(static_cast<ValueId>(id));
  }
  return out;
}

/// Unknown operations are gathered, so that one error lists all of them.
void readNode(Graph& graph, Napi::Value description, uint32_t index, std::map<std::string, int>& unknown) {
  const Reader reader(description, "nodes[" + std::to_string(index) + "]");
  const std::string name = reader.text("op");
  Node node;
  node.op = belongsToCompiler(name) ? nullptr : findOp(name);
  if (node.op == nullptr) {
    ++unknown[name];
    return;
  }
  node.name = reader.maybeText("name").value_or("");
  node.inputs = readIds(reader, "inputs", graph.values.size(), -1);
  node.outputs = readIds(reader, "outputs", graph.values.size(), 0);
  for (ValueId id : node.outputs) {
    Value& value = graph.value(id);
    if (value.kind != ValueKind::Result)
      throw Error("MODEL_INVALID", "node " + node.name + " (" + name + ") writes " + value.name + ", which is not a result");
    value.producer = static_cast<NodeId>(graph.nodes.size());
  }
  for (const auto& [key, value] : entries(reader.value("attributes"), reader.path("attributes")))
    node.attributes.set(key, readAttribute(value, "attribute " + key + " of " + reader.name()));
  graph.nodes.push_back(std::move(node));
}

Graph readGraph(Napi::Value description, const std::string& name, int depth) {
  if (depth > kMaximumDepth) throw Error("MODEL_INVALID", "subgraphs are nested more than " + std::to_string(kMaximumDepth) + " deep");
  const Reader reader(description, name);
  Graph graph;
  const Napi::Array values = reader.array("values"), nodes = reader.array("nodes");
  graph.values.reserve(values.Length());
  graph.nodes.reserve(nodes.Length());
  for (uint32_t i = 0; i < values.Length(); ++i) {
    const Napi::HandleScope scope(description.Env());
    readValue(graph, values.Get(i), i);
  }
  std::map<std::string, int> unknown;
  for (uint32_t i = 0; i < nodes.Length(); ++i) {
    const Napi::HandleScope scope(description.Env());
    readNode(graph, nodes.Get(i), i, unknown);
  }
  if (!unknown.empty()) {
    std::string list;
    for (const auto& [op, count] : unknown) list += (list.empty() ? "" : ", ") + op + " (" + std::to_string(count) + ")";
    throw Error("MODEL_UNSUPPORTED_OP", "the graph language has no operations called " + list);
  }
  graph.inputs = readIds(reader, "inputs", graph.values.size(), 0);
  for (ValueId id : graph.inputs)
    if (graph.value(id).kind != ValueKind::Input) throw Error("MODEL_INVALID", name + ".inputs names a value that is not an input");
  graph.outputs = readIds(reader, "outputs", graph.values.size(), 0);
  if (reader.has("subgraphs"))
    for (const auto& [key, body] : entries(reader.value("subgraphs"), reader.path("subgraphs")))
      graph.subgraphs[key] = std::make_shared<const Graph>(readGraph(body, name + ".subgraphs." + key, depth + 1));
  verify(graph);
  return graph;
}

}  // namespace

Graph readGraph(Napi::Value description) { return readGraph(description, "graph", 0); }

}  // namespace ascribe::addon
