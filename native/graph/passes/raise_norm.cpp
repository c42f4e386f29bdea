#include <algorithm>

#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {

struct Norm {
  ValueId x = kNone;
  int64_t axis = 0;  // from the end
  double epsilon = 0;
  bool centred = true;
};

/// The first of the trailing axes that a mean is taken over, counted from the end; 0 where it is no such mean.
int64_t trailingAxis(const Graph& graph, const Node& mean) {
  const int rank = graph.shape(mean.inputs[0]).rank();
  std::vector<int64_t> axes = mean.attributes.integers("axes");
  if (mean.attributes.integer("keepDims") == 0 || axes.empty() || static_cast<int>(axes.size()) > rank) return 0;
  std::sort(axes.begin(), axes.end());
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] != rank - static_cast<int64_t>(axes.size() - i)) return 0;
  return -static_cast<int64_t>(axes.size());
}

/// sqrt(variance + epsilon) as a root or a power.
const Node* rootOf(const Pattern& p, ValueId value) {
  if (const Node* root = p.inner(value, "sqrt")) return root;
  const Node* power = p.inner(value, "pow");
  return power && p.isScalar(power->inputs[1], 0.5) ? power : nullptr;
}

/// The value whose square a node takes, as x * x or x ^ 2.
ValueId squareOf(const Pattern& p, ValueId value) {
  if (const Node* power = p.inner(value, "pow"); power && p.isScalar(power->inputs[1], 2)) return power->inputs[0];
  if (const Node* times = p.inner(value, "mul"); times && times->inputs[0] == times->inputs[1]) return times->inputs[0];
  return kNone;
}

/// x - mean(x), and how often its reads are explained by the pattern.
bool isCentred(const Pattern& p, ValueId d, Norm& norm) {
  const Node* sub = p.made(d, "sub");
  const Node* mean = sub ? p.made(sub->inputs[1], "mean") : nullptr;
  if (!mean || mean->inputs[0] != sub->inputs[0]) return false;
  norm.x = sub->inputs[0];
  norm.axis = trailingAxis(p.graph(), *mean);
  return norm.axis != 0;
}

/// numerator / sqrt(mean(square) + epsilon), where the square is of the numerator.
bool matchRoot(const Pattern& p, ValueId numerator, ValueId root, Norm& norm) {
  const Node* rooted = rootOf(p, root);
  const Node* add = rooted ? p.inner(rooted->inputs[0], "add") : nullptr;
  if (!add) return false;
  for (size_t i = 0; i < 2; ++i) {
    const std::optional<double> epsilon = p.scalar(add->inputs[i]);
    const Node* variance = epsilon ? p.inner(add->inputs[1 - i], "mean") : nullptr;
    if (!variance || *epsilon < 0) continue;
    const int64_t axis = trailingAxis(p.graph(), *variance);
    const ValueId squared = squareOf(p, variance->inputs[0]);
    if (axis == 0 || squared == kNone) continue;
    norm.epsilon = *epsilon;
    const bool byProduct = p.made(variance->inputs[0], "mul") != nullptr;
    const int squareReads = byProduct ? 2 : 1;
    Norm centred = norm;
    if (isCentred(p, numerator, centred) && centred.axis == axis) {
      const ValueId mean = p.made(numerator, "sub")->inputs[1];
      Norm again = norm;
      const bool shared = squared == numerator;
      const bool twice = !shared && isCentred(p, squared, again) && again.x == centred.x && again.axis == axis;
      if (!shared && !twice) continue;
      if (!p.seen(numerator, shared ? 1 + squareReads : 1) || (twice && !p.seen(squared, squareReads))) continue;
      const bool oneMean = shared || p.made(squared, "sub")->inputs[1] == mean;
      if (!p.seen(mean, shared ? 1 : oneMean ? 2 : 1)) continue;
      norm = centred;
      norm.centred = true;
      return true;
    }
    if (squared == numerator) {
      norm.x = numerator;
      norm.axis = axis;
      norm.centred = false;
      return true;
    }
  }
  return false;
}

bool match(const Pattern& p, const Node& node, Norm& norm) {
  if (node.op->name == "div") return matchRoot(p, node.inputs[0], node.inputs[1], norm);
  if (node.op->name != "mul") return false;
  for (size_t i = 0; i < 2; ++i) {
    const Node* inverse = p.inner(node.inputs[i], "reciprocal");
    const Node* quotient = p.inner(node.inputs[i], "div");
    const ValueId root = inverse ? inverse->inputs[0] : quotient && p.isScalar(quotient->inputs[0], 1) ? quotient->inputs[1] : kNone;
    if (root != kNone && matchRoot(p, node.inputs[1 - i], root, norm)) return true;
  }
  return false;
}

/// The one node that reads a value, if it is of this op; then `end` moves to it and `operand` is what it brings.
bool absorb(const Pattern& p, const std::vector<int>& reader, size_t& end, const char* name, const Shape& normalised, ValueId& operand) {
  const Graph& graph = p.graph();
  const ValueId value = graph.nodes[end].outputs[0];
  const int next = reader[static_cast<size_t>(value)];
  if (next < 0 || !p.seen(value, 1) || graph.nodes[static_cast<size_t>(next)].op->name != name) return false;
  const ValueId brought = Pattern::other(graph.nodes[static_cast<size_t>(next)], value);
  if (brought == kNone) return false;
  const ValueKind kind = graph.value(brought).kind;
  if ((kind != ValueKind::Constant && kind != ValueKind::Parameter) || graph.shape(brought) != normalised) return false;
  operand = brought;
  end = static_cast<size_t>(next);
  return true;
}

}  // namespace

/// Layer norm and RMS norm from means, squares and roots, with the scale and bias that follow.
bool raiseNorm(Graph& graph, const PassContext& context) {
  if (!hasFastKernel("layerNorm", context)) return false;
  const Pattern pattern(graph);
  std::vector<int> reader(graph.values.size(), -1);
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    for (ValueId id : graph.nodes[n].inputs)
      if (id != kNone) reader[static_cast<size_t>(id)] = static_cast<int>(n);
  bool changed = false;
  std::vector<std::pair<size_t, Node>> raised;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    Norm norm;
    if (!match(pattern, graph.nodes[n], norm)) continue;
    const Shape& shape = graph.shape(norm.x);
    const Shape normalised(shape.dims().subspan(static_cast<size_t>(shape.rank() + norm.axis)));
    size_t end = n;
    ValueId scale = kNone, bias = kNone;
    if (absorb(pattern, reader, end, "mul", normalised, scale) && norm.centred) absorb(pattern, reader, end, "add", normalised, bias);
    Node node = graph.nodes[end];
    node.op = &op(norm.centred ? "layerNorm" : "rmsNorm");
    node.inputs = {norm.x};
    if (scale != kNone) node.inputs.push_back(scale);
    if (bias != kNone) node.inputs.push_back(bias);
    node.attributes = {{"axis", norm.axis}, {"epsilon", norm.epsilon}};
    raised.emplace_back(end, std::move(node));
    changed = true;
  }
  for (auto& [n, node] : raised) graph.nodes[n] = std::move(node);
  return changed;
}

}  // namespace ascribe::passes
