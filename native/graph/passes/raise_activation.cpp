#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {

/// An activation in place of the product that spells it out.
struct Raised {
  const char* op = nullptr;
  Attributes attributes;
  ValueId x = kNone;
};

/// c * x, nobody else seeing what lies between.
bool isScaled(const Pattern& p, ValueId value, double factor, ValueId x) {
  if (!p.seen(value, 1)) return false;
  const Pattern::Product product = p.product(value);
  return product.terms.size() == 1 && product.terms[0] == x && Pattern::near(product.factor, factor);
}

/// x³ as a power or as products.
bool isCube(const Pattern& p, const Pattern::Product& product, double factor, ValueId x) {
  if (!Pattern::near(product.factor, factor)) return false;
  if (product.terms.size() == 3) return product.terms[0] == x && product.terms[1] == x && product.terms[2] == x;
  if (product.terms.size() == 2 && (product.terms[0] == x || product.terms[1] == x)) {
    const Node* square = p.inner(product.terms[0] == x ? product.terms[1] : product.terms[0], "pow");
    return square && square->inputs[0] == x && p.isScalar(square->inputs[1], 2);
  }
  const Node* power = product.terms.size() == 1 ? p.inner(product.terms[0], "pow") : nullptr;
  return power && power->inputs[0] == x && p.isScalar(power->inputs[1], 3);
}

/// erf(x / sqrt 2)
bool isGaussian(const Pattern& p, ValueId value, ValueId x) {
  const Node* erf = p.inner(value, "erf");
  return erf && isScaled(p, erf->inputs[0], 0.7071067811865476, x);
}
/// tanh(sqrt(2 / pi) (x + 0.044715 x³))
bool isTanh(const Pattern& p, ValueId value, ValueId x) {
  const Node* tanh = p.inner(value, "tanh");
  if (!tanh || !p.seen(tanh->inputs[0], 1)) return false;
  const Pattern::Product scaled = p.product(tanh->inputs[0]);
  if (scaled.terms.size() != 1 || !Pattern::near(scaled.factor, 0.7978845608028654)) return false;
  const Node* add = p.inner(scaled.terms[0], "add");
  if (!add) return false;
  const ValueId cubic = Pattern::other(*add, x);
  return cubic != kNone && p.seen(cubic, 1) && isCube(p, p.product(cubic), 0.044715, x);
}

/// `half` (1 + e), where e is the erf or tanh of a GELU of x; null if it is something else.
const char* gaussianGate(const Pattern& p, ValueId gate, double& half, ValueId x) {
  const Node* add = p.inner(gate, "add");
  if (!add) return nullptr;
  for (size_t i = 0; i < 2; ++i) {
    const std::optional<double> offset = p.scalar(add->inputs[i]);
    if (!offset || p.graph().shape(add->inputs[1 - i]) != p.graph().shape(gate) || !p.seen(add->inputs[1 - i], 1)) continue;
    // Written as half + half e, or as 1 + e.
    const Pattern::Product scaled = p.product(add->inputs[1 - i]);
    if (scaled.terms.size() != 1 || !Pattern::near(scaled.factor, *offset)) continue;
    half = *offset;
    // product() looks through what it takes apart, so the term is seen once where it was taken out of nothing.
    if (isGaussian(p, scaled.terms[0], x)) return "none";
    if (isTanh(p, scaled.terms[0], x)) return "tanh";
  }
  return nullptr;
}

Raised match(const Pattern& p, ValueId out) {
  const Pattern::Product product = p.product(out);
  if (product.terms.size() != 2) return {};
  for (size_t i = 0; i < 2; ++i) {
    const ValueId x = product.terms[i], gate = product.terms[1 - i];
    if (p.graph().shape(x) != p.graph().shape(out) || p.graph().shape(gate) != p.graph().shape(out)) continue;
    double half = 0;
    if (const char* approximate = gaussianGate(p, gate, half, x); approximate && Pattern::near(product.factor * half, 0.5))
      return {"gelu", {{"approximate", std::string(approximate)}}, x};
    if (Pattern::near(product.factor, 1)) {
      if (const Node* sigmoid = p.inner(gate, "sigmoid"); sigmoid && sigmoid->inputs[0] == x) return {"silu", {}, x};
      if (const Node* hard = p.inner(gate, "hardSigmoid"); hard && hard->inputs[0] == x && Pattern::near(hard->attributes.real("alpha"), 1.0 / 6) &&
                                                           Pattern::near(hard->attributes.real("beta"), 0.5))
        return {"hardSwish", {}, x};
      if (const Node* tanh = p.inner(gate, "tanh"); tanh && p.inner(tanh->inputs[0], "softplus") && p.made(tanh->inputs[0], "softplus")->inputs[0] == x)
        return {"mish", {}, x};
    }
    if (Pattern::near(product.factor, 1.0 / 6)) {
      const Node* clip = p.inner(gate, "clip");
      if (!clip || clip->attributes.real("min") != 0 || clip->attributes.real("max") != 6) continue;
      const Node* add = p.inner(clip->inputs[0], "add");
      if (add && Pattern::other(*add, x) != kNone && p.isScalar(Pattern::other(*add, x), 3)) return {"hardSwish", {}, x};
    }
  }
  return {};
}

}  // namespace

/// GELU (erf and tanh), SiLU, hard swish and mish from the products that exporters write for them.
bool raiseActivation(Graph& graph, const PassContext& context) {
  if (!hasFastKernel("gelu", context)) return false;
  const Pattern pattern(graph);
  std::vector<std::pair<size_t, Raised>> found;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const std::string& name = graph.nodes[n].op->name;
    if (name != "mul" && name != "div") continue;
    if (Raised raised = match(pattern, graph.nodes[n].outputs[0]); raised.op) found.emplace_back(n, std::move(raised));
  }
  for (auto& [n, raised] : found) {
    graph.nodes[n].op = &op(raised.op);
    graph.nodes[n].inputs = {raised.x};
    graph.nodes[n].attributes = std::move(raised.attributes);
  }
  return !found.empty();
}

}  // namespace ascribe::passes
