#include "autodiff/rule.h"
#include "graph/inline.h"
#include "runtime/error.h"

namespace ascribe {
namespace {

/// The backward body takes (inputs…, outputs…, cotangents…) and yields one gradient an input. Inputs and outputs come
/// as they are, cotangents and gradients with the leading axis K, as in every rule: numpy broadcasting lets
/// elementwise bodies and matrix products be written as if K were not there.
void customDerivative(VjpContext& c) {
  const Node node = c.node();
  const std::string name = node.attributes.text("backward");
  const auto found = c.b.graph().subgraphs.find(name);
  if (found == c.b.graph().subgraphs.end()) throw Error("MODEL_INVALID", "node " + node.name + " (customDerivative): no subgraph is called " + name);
  const std::shared_ptr<const Graph> body = found->second;
  std::vector<ValueId> operands(node.inputs);
  operands.insert(operands.end(), node.outputs.begin(), node.outputs.end());
  int64_t cotangents = 1;
  for (size_t i = 0; i < node.outputs.size(); ++i)
    if (c.cotangent(i) != kNone) cotangents = c.b.shape(c.cotangent(i))[0];
  for (size_t i = 0; i < node.outputs.size(); ++i)
    operands.push_back(c.cotangent(i) != kNone ? c.cotangent(i) : calculus::zeros(result(c, i), prepend(cotangents, c.outputShape(i))).id);
  const std::vector<ValueId> gradients = inlineGraph(c.b.graph(), *body, operands);
  if (gradients.size() != node.inputs.size())
    throw Error("MODEL_INVALID", "node " + node.name + " (customDerivative): its backward body yields " + std::to_string(gradients.size()) +
                                     " gradients for " + std::to_string(node.inputs.size()) + " inputs");
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (!c.wants(i)) continue;
    const Shape expected = prepend(cotangents, c.shape(i));
    if (c.b.shape(gradients[i]) != expected)
      throw Error("MODEL_INVALID", "node " + node.name + " (customDerivative): gradient " + std::to_string(i) + " has shape " +
                                       c.b.shape(gradients[i]).text() + ", expected " + expected.text());
    c.gradient(i, gradients[i]);
  }
}

const bool registered = [] {
  rule("customDerivative", customDerivative);
  return true;
}();

}  // namespace
}  // namespace ascribe
