#include "graph/verify.h"

#include <algorithm>
#include <unordered_set>

#include "graph/op.h"
#include "runtime/error.h"

namespace ascribe {

namespace {

std::string where(const Node& node) {
  return "node " + (node.name.empty() ? std::string("(unnamed)") : node.name) + " (" + node.op->name + "): ";
}

const char* nameOf(AttributeKind kind) {
  constexpr const char* names[] = {"an integer", "a number", "a text", "a list of integers", "a list of numbers"};
  return names[static_cast<size_t>(kind)];
}

/// JavaScript has one number type, so whole numbers arrive where reals are meant and the other way round.
bool coerce(Attribute& attribute, AttributeKind kind) {
  if (attribute.index() == static_cast<size_t>(kind)) return true;
  if (kind == AttributeKind::Real && std::holds_alternative<int64_t>(attribute)) {
    attribute = static_cast<double>(std::get<int64_t>(attribute));
    return true;
  }
  if (kind == AttributeKind::Reals && std::holds_alternative<std::vector<int64_t>>(attribute)) {
    const auto& list = std::get<std::vector<int64_t>>(attribute);
    attribute = std::vector<double>(list.begin(), list.end());
    return true;
  }
  if (kind == AttributeKind::Integers && std::holds_alternative<std::vector<double>>(attribute) &&
      std::get<std::vector<double>>(attribute).empty()) {
    attribute = std::vector<int64_t>{};
    return true;
  }
  return false;
}

}  // namespace

void verifyNode(const Graph& graph, Node& node) {
  const OpSchema& schema = *node.op;
  const int inputs = static_cast<int>(node.inputs.size()), outputs = static_cast<int>(node.outputs.size());
  if (inputs < schema.minInputs || (schema.maxInputs >= 0 && inputs > schema.maxInputs))
    throw Error("MODEL_INVALID", where(node) + "has " + std::to_string(inputs) + " operands, expected " +
                                     std::to_string(schema.minInputs) +
                                     (schema.maxInputs < 0 ? " or more" : " to " + std::to_string(schema.maxInputs)));
  if (outputs < schema.minOutputs || (schema.maxOutputs >= 0 && outputs > schema.maxOutputs))
    throw Error("MODEL_INVALID", where(node) + "has " + std::to_string(outputs) + " outputs");
  // Of any number of operands none may be left out, but for a loop's limit and condition.
  const int optional = schema.name == "loop" ? 2 : 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    const int at = static_cast<int>(i);
    if (id == kNone && (at < schema.minInputs || (schema.maxInputs < 0 && at >= optional)))
      throw Error("MODEL_INVALID", where(node) + "operand " + std::to_string(i) + " is missing");
    if (id < kNone || id >= static_cast<ValueId>(graph.values.size()))
      throw Error("MODEL_INVALID", where(node) + "operand " + std::to_string(i) + " does not exist");
  }
  Attributes checked;
  for (const auto& [key, value] : node.attributes.entries()) {
    const auto spec = std::find_if(schema.attributes.begin(), schema.attributes.end(),
                                   [&, &key = key](const AttributeSpec& s) { return s.name == key; });
    if (spec == schema.attributes.end()) throw Error("MODEL_INVALID", where(node) + "has no attribute called " + key);
    Attribute coerced = value;
    if (!coerce(coerced, spec->kind))
      throw Error("MODEL_INVALID", where(node) + "attribute " + key + " must be " + nameOf(spec->kind));
    checked.set(key, std::move(coerced));
  }
  for (const AttributeSpec& spec : schema.attributes) {
    if (checked.has(spec.name)) continue;
    if (!spec.fallback) throw Error("MODEL_INVALID", where(node) + "attribute " + spec.name + " is missing");
    checked.set(spec.name, *spec.fallback);
  }
  node.attributes = std::move(checked);
}

void verify(Graph& graph) {
  std::vector<std::string> problems;
  const ValueId count = static_cast<ValueId>(graph.values.size());
  std::vector<char> defined(graph.values.size(), 0);
  std::unordered_set<std::string> names;
  for (ValueId id = 0; id < count; ++id) {
    const Value& v = graph.value(id);
    if (v.kind != ValueKind::Result) defined[static_cast<size_t>(id)] = 1;
    if (!v.name.empty() && !names.insert(v.name).second) problems.push_back("two values are called " + v.name);
  }
  for (Node& node : graph.nodes) {
    try {
      verifyNode(graph, node);
    } catch (const Error& error) {
      problems.emplace_back(error.what());
      continue;
    }
    for (ValueId id : node.inputs)
      if (id != kNone && !defined[static_cast<size_t>(id)])
        problems.push_back(where(node) + "uses " + graph.value(id).name + " before it is computed (a cycle or a wrong order)");
    for (ValueId id : node.outputs) {
      if (id < 0 || id >= count) {
        problems.push_back(where(node) + "writes a value that does not exist");
        continue;
      }
      if (defined[static_cast<size_t>(id)]) problems.push_back(where(node) + "writes " + graph.value(id).name + " a second time");
      defined[static_cast<size_t>(id)] = 1;
    }
  }
  for (ValueId id : graph.outputs)
    if (id < 0 || id >= count || !defined[static_cast<size_t>(id)])
      problems.push_back("output " + (id < 0 || id >= count ? std::to_string(id) : graph.value(id).name) + " is never computed");
  if (problems.empty()) return;
  std::string text = problems.size() == 1 ? "" : std::to_string(problems.size()) + " problems: ";
  for (size_t i = 0; i < problems.size() && i < 20; ++i) text += (i ? "; " : "") + problems[i];
  if (problems.size() > 20) text += "; …";
  throw Error("MODEL_INVALID", text);
}

bool belongsToCompiler(std::string_view op) {
  if (op == "stopGradient") return false;  // a function of the language, not a half of one
  return op.ends_with("Grad") || op.ends_with("Gradient") || op == "fusedConv" || op == "fusedMatMul" || op == "reorder" ||
         op == "storedMatMul" || op == "storedGather" || op == "gateBits" || op == "maxPoolTaps" || op == "separableConv" ||
         op == "gatedLayer" || op == "joinedMatMul" || op == "gatedConv" || op == "rotary";
}

}  // namespace ascribe
