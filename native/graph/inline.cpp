#include "graph/inline.h"

#include <algorithm>

#include "graph/convert.h"
#include "graph/op.h"
#include "graph/specialise.h"
#include "runtime/error.h"

namespace ascribe {

namespace {

/// The body typed for these operands, its shape arithmetic folded.
Graph typed(const Graph& graph, const Graph& body, std::span<const ValueId> operands) {
  Graph out = body;
  SpecialiseOptions options;
  for (ValueId id : operands)
    if (isFloating(graph.type(id).dtype)) options.precision = graph.type(id).dtype;
  if (options.precision == DType::F16 || options.precision == DType::BF16) options.precision = DType::F32;
  if (options.precision != DType::F32)
    for (HostTensor& constant : out.constants)
      if (isFloating(constant.dtype())) constant = convert(constant, options.precision);
  for (Value& v : out.values) {
    if (v.kind == ValueKind::Constant) v.type.dtype = out.constants[static_cast<size_t>(v.storage)].dtype();
    if (v.kind == ValueKind::Parameter && isFloating(v.type.dtype) && options.precision != DType::F32) v.type.dtype = options.precision;
  }
  for (size_t i = 0; i < operands.size(); ++i) out.value(out.inputs[i]).type = graph.type(operands[i]);
  inferAndFold(out, options);
  return out;
}

ValueId outer(Graph& graph, const Graph& body, const Value& v) {
  if (v.kind == ValueKind::Constant) return graph.addConstant(body.constants[static_cast<size_t>(v.storage)]);
  if (v.kind != ValueKind::Parameter) throw Error("MODEL_INVALID", "a subgraph uses " + v.name + ", which is not its own");
  const auto same = std::find_if(graph.parameters.begin(), graph.parameters.end(), [&](const Parameter& p) { return p.name == v.name; });
  if (same != graph.parameters.end()) return same->value;
  // Its bytes come from the plan's parameters.
  const ValueId id = graph.addParameter(v.name, {});
  graph.value(id).type = v.type;
  return id;
}

/// Moves the body's own subgraphs into the graph, which may have others of the same names; returns what stands before
/// the names now.
std::string adoptSubgraphs(Graph& graph, const Graph& body) {
  if (body.subgraphs.empty()) return {};
  std::string prefix;
  const auto isTaken = [&](const auto& entry) { return graph.subgraphs.contains(prefix + entry.first); };
  for (size_t n = graph.subgraphs.size();; ++n) {
    prefix = std::to_string(n) + "/";
    if (std::none_of(body.subgraphs.begin(), body.subgraphs.end(), isTaken)) break;
  }
  for (const auto& [name, subgraph] : body.subgraphs) graph.subgraphs.emplace(prefix + name, subgraph);
  return prefix;
}

}  // namespace

std::vector<ValueId> inlineGraph(Graph& graph, const Graph& source, std::span<const ValueId> operands) {
  if (source.inputs.size() != operands.size())
    throw Error("MODEL_INVALID", "a subgraph takes " + std::to_string(source.inputs.size()) + " inputs and is given " + std::to_string(operands.size()));
  const Graph body = typed(graph, source, operands);
  const std::string prefix = adoptSubgraphs(graph, body);
  std::vector<ValueId> mapped(body.values.size(), kNone);
  for (size_t i = 0; i < operands.size(); ++i) mapped[static_cast<size_t>(body.inputs[i])] = operands[i];
  const auto map = [&](ValueId id) {
    if (id == kNone) return kNone;
    ValueId& to = mapped[static_cast<size_t>(id)];
    if (to == kNone) to = outer(graph, body, body.value(id));
    return to;
  };
  for (const Node& node : body.nodes) {
    std::vector<ValueId> inputs;
    for (ValueId id : node.inputs) inputs.push_back(map(id));
    Attributes attributes = node.attributes;
    for (const char* subgraph : kSubgraphAttributes)
      if (attributes.has(subgraph)) attributes.set(subgraph, prefix + attributes.text(subgraph));
    const ValueId first = graph.addNode(*node.op, std::move(inputs), std::move(attributes), static_cast<int>(node.outputs.size()), node.name);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      mapped[static_cast<size_t>(node.outputs[i])] = first + static_cast<ValueId>(i);
      graph.value(first + static_cast<ValueId>(i)).type = body.type(node.outputs[i]);
    }
  }
  std::vector<ValueId> outputs;
  for (ValueId id : body.outputs) outputs.push_back(map(id));
  return outputs;
}

}  // namespace ascribe
