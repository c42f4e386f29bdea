#include "graph/passes/pattern.h"

#include <algorithm>

#include "graph/op.h"
#include "kernels/kernel.h"

namespace ascribe::passes {

const Node* Pattern::made(ValueId id, std::string_view op) const {
  if (id == kNone) return nullptr;
  const Node* node = graph_.producer(id);
  return node && node->op->name == op && node->outputs[0] == id ? node : nullptr;
}

bool Pattern::seen(ValueId id, int times) const {
  return !graph_.value(id).pinned && uses_[static_cast<size_t>(id)] == times;
}

std::optional<double> Pattern::scalar(ValueId id) const {
  if (id == kNone) return std::nullopt;
  const HostTensor* constant = graph_.constant(id);
  if (!constant || !constant->data() || constant->shape().count() != 1 || !isFloating(constant->dtype())) return std::nullopt;
  return constant->real(0);
}

bool Pattern::isScalar(ValueId id, double expected) const {
  const std::optional<double> value = scalar(id);
  return value && near(*value, expected);
}

Pattern::Product Pattern::product(ValueId id) const {
  Product out;
  collect(id, true, out);
  return out;
}

void Pattern::collect(ValueId id, bool whole, Product& out) const {
  const bool open = whole || seen(id, 1);
  if (const Node* node = open ? made(id, "mul") : nullptr) {
    // A number that is larger than one element in rank would change the shape; those multiply as values.
    for (size_t i = 0; i < 2; ++i) {
      const std::optional<double> number = scalar(node->inputs[i]);
      if (number && graph_.shape(node->inputs[1 - i]) == graph_.shape(id)) {
        out.factor *= *number;
        return collect(node->inputs[1 - i], false, out);
      }
    }
    collect(node->inputs[0], false, out);
    return collect(node->inputs[1], false, out);
  }
  if (const Node* node = open ? made(id, "div") : nullptr) {
    const std::optional<double> number = scalar(node->inputs[1]);
    if (number && *number != 0 && graph_.shape(node->inputs[0]) == graph_.shape(id)) {
      out.factor /= *number;
      return collect(node->inputs[0], false, out);
    }
  }
  out.terms.push_back(id);
}

ValueId Pattern::other(const Node& node, ValueId known) {
  return node.inputs[0] == known ? node.inputs[1] : node.inputs[1] == known ? node.inputs[0] : kNone;
}

bool takesAsItLies(const Graph& graph, const Node& node, const PassContext& context) {
  std::vector<ValueType> inputs, outputs;
  std::vector<const HostTensor*> constants;
  for (const ValueId id : node.inputs) {
    inputs.push_back(id == kNone ? ValueType{} : graph.type(id));
    constants.push_back(graph.constant(id));
  }
  for (const ValueId id : node.outputs) outputs.push_back(graph.type(id));
  return takesLayout({node, inputs, outputs, constants}, context.backends);
}

bool isForProcessor(const PassContext& context) {
  return std::find(context.backends.begin(), context.backends.end(), "cuda") == context.backends.end();
}

bool hasFastKernel(std::string_view op, const PassContext& context) {
  for (const KernelEntry* entry : kernelsOf(op))
    if (entry->backend != "reference" && std::find(context.backends.begin(), context.backends.end(), entry->backend) != context.backends.end()) return true;
  return false;
}

}  // namespace ascribe::passes
