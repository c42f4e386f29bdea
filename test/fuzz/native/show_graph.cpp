#include "show_graph.h"

#include <algorithm>
#include <cstdio>

namespace ascribe::fuzz {

void showGraph(const Graph& graph, const std::string& name) {
  std::fprintf(stderr, "%s: inputs", name.c_str());
  for (ValueId id : graph.inputs) {
    std::fprintf(stderr, " %s %s[", graph.value(id).name.c_str(), std::string(nameOf(graph.type(id).dtype)).c_str());
    for (const DeclaredDim& dim : graph.value(id).declared) std::fprintf(stderr, "%s,", dim.size < 0 ? dim.symbol.c_str() : std::to_string(dim.size).c_str());
    std::fprintf(stderr, "]");
  }
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    if (value.kind != ValueKind::Constant) continue;
    const HostTensor& tensor = graph.constants[static_cast<size_t>(value.storage)];
    std::fprintf(stderr, "\n  %%%zu constant %s%s", i, std::string(nameOf(tensor.dtype())).c_str(), tensor.shape().text().c_str());
    for (int64_t e = 0; e < std::min<int64_t>(tensor.shape().count(), 8); ++e) std::fprintf(stderr, " %g", tensor.real(e));
  }
  for (const Parameter& parameter : graph.parameters) {
    const ValueType& type = graph.type(parameter.value);
    std::fprintf(stderr, "\n  %%%d parameter %s %s%s", parameter.value, parameter.name.c_str(), std::string(nameOf(type.dtype)).c_str(), type.shape.text().c_str());
  }
  for (const State& state : graph.states) std::fprintf(stderr, "\n  %%%d state", state.value);
  std::fprintf(stderr, "\n%s  outputs", dump(graph).c_str());
  for (ValueId id : graph.outputs) std::fprintf(stderr, " %%%d", id);
  std::fprintf(stderr, "\n");
  for (const auto& [key, body] : graph.subgraphs) showGraph(*body, name + "." + key);
}

}  // namespace ascribe::fuzz
