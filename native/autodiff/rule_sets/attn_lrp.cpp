#include "autodiff/rule_sets/relevance.h"

/// AttnLRP as a backward pass: with these four changes, a value times its gradient is its relevance, anywhere in the
/// model. Source: Achtibat et al., "AttnLRP: attention-aware layer-wise relevance propagation for transformers" (2024);
/// the form that needs no relevance of its own is that of the authors' software. The variant cpLrp (Ali et al., "XAI for
/// transformers: better explanations through conservative propagation", 2022) sends nothing through softmaxes and gates.
namespace ascribe {
namespace {
using namespace relevance;

constexpr double kLeast = 1e-10;

/// An activation passes relevance as it is: its gradient is y / x.
void activation(VjpContext& c) { c.gradient(0, cotangent(c) * (result(c) / stabilised(operand(c, 0), kLeast))); }

bool isConservative(const VjpContext& c) { return c.facts().options.text("variant") == "cpLrp"; }

/// Whether a value is what one of these operations gave, seen through views and fixed factors.
bool comesFrom(const VjpContext& c, ValueId id, bool (*is)(std::string_view)) {
  const Graph& graph = c.b.graph();
  for (;;) {
    const NodeId n = graph.value(id).producer;
    if (n < 0) return false;
    const Node& node = graph.nodes[static_cast<size_t>(n)];
    if (is(node.op->name)) return true;
    bool passes = false;
    for (const char* name : {"identity", "dropout", "cast", "reshape", "transpose", "squeeze", "unsqueeze", "expand"}) passes = passes || node.op->name == name;
    if (!passes) return false;
    id = node.inputs[0];
  }
}
bool isSoftmax(std::string_view op) { return op == "softmax"; }
bool isGate(std::string_view op) {
  bool found = isSoftmax(op);
  for (const char* name : kActivations) found = found || op == name;
  return found;
}

/// Two factors that both move have half each. A gate and what it opens, queries and keys, weights and values alike.
void halved(VjpContext& c) {
  const VjpRule derivative = findVjp(c.node().op->name);
  const bool both = c.wants(0) && c.wants(1);
  c.delegate(derivative);
  if (!both) return;
  const std::vector<ValueId> found = c.gradients();
  if (isConservative(c)) {
    // What only weighs the other factor (attention, a gate) is a constant of the input, and the other has all.
    const auto weighs = c.node().op->name == "matMul" ? isSoftmax : isGate;
    const bool first = comesFrom(c, c.input(0), weighs), second = comesFrom(c, c.input(1), weighs);
    if (first != second) return c.gradient(first ? 0 : 1, kNone);
  }
  for (size_t i = 0; i < 2; ++i)
    if (found[i] != kNone) c.gradient(i, Term{&c.b, found[i]} * 0.5);
}

/// A divisor that moves is a norm's: a constant of the input.
void divided(VjpContext& c) {
  if (c.wants(0)) c.gradientReduced(0, cotangent(c) / operand(c, 1));
  else c.delegate(findVjp("div"));
}

const bool registered = [] {
  const auto put = [](std::string_view op, VjpRule body) { RegisterVjp(op, body, "attnLrp"); };
  for (const char* name : kActivations) put(name, activation);
  for (const char* name : {"mul", "matMul", "conv"}) put(name, halved);
  // These keep their derivative: a maximum gives all to who won, a softmax follows its Taylor expansion.
  for (const char* name : kLinear) put(name, [](VjpContext& c) { c.delegate(findVjp(c.node().op->name)); });
  for (const char* name : {"batchNorm", "convTranspose", "maxPool", "globalMaxPool", "reduceMax", "reduceMin", "max", "min", "where"})
    put(name, [](VjpContext& c) { c.delegate(findVjp(c.node().op->name)); });
  put("softmax", [](VjpContext& c) {
    if (!isConservative(c)) c.delegate(findVjp("softmax"));
  });
  put("div", divided);
  put("layerNorm", normWithFixedScale<true>);
  put("rmsNorm", normWithFixedScale<false>);
  put("groupNorm", groupNormWithFixedScale);
  put("attention", asItsParts);
  return true;
}();

}  // namespace
}  // namespace ascribe
