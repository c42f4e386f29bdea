#include <algorithm>

#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {

struct Attention {
  ValueId query = kNone, key = kNone, value = kNone, mask = kNone;
  double scale = 1;
  /// Set where the keys come transposed: how the value behind the transpose is to be laid out instead.
  ValueId keySource = kNone;
  std::vector<int64_t> keyPermutation;
};

/// What is left of a value when views and a dropout that does nothing are passed over.
ValueId plain(const Pattern& p, ValueId id) {
  for (;;) {
    const Node* node = p.inner(id, "identity");
    if (!node) node = p.inner(id, "dropout");
    if (!node) return id;
    id = node->inputs[0];
  }
}

/// The query or key itself, with the numbers that it is multiplied with.
ValueId scaled(const Pattern& p, ValueId id, double& scale) {
  const Pattern::Product product = p.product(id);
  if (product.terms.size() != 1 || (product.terms[0] != id && !p.seen(id, 1))) return id;
  scale *= product.factor;
  return product.terms[0];
}

/// scale * query keyᵀ
bool matchScores(const Pattern& p, ValueId scores, Attention& out) {
  if (!p.seen(scores, 1)) return false;
  const Pattern::Product product = p.product(scores);
  if (product.terms.size() != 1) return false;
  const Node* times = p.inner(product.terms[0], "matMul");
  if (!times || times->attributes.integer("transposeA") != 0) return false;
  out.scale = product.factor;
  out.query = scaled(p, times->inputs[0], out.scale);
  ValueId key = scaled(p, times->inputs[1], out.scale);
  if (times->attributes.integer("transposeB") != 0) {
    out.key = key;
    return true;
  }
  const Node* transpose = p.made(key, "transpose");
  if (!transpose || !p.seen(key, 1)) return false;
  std::vector<int64_t> permutation = transpose->attributes.integers("permutation");
  if (permutation.size() < 2) return false;
  std::swap(permutation[permutation.size() - 1], permutation[permutation.size() - 2]);
  out.keySource = scaled(p, transpose->inputs[0], out.scale);
  bool identity = true;
  for (size_t i = 0; i < permutation.size(); ++i) identity = identity && permutation[i] == static_cast<int64_t>(i);
  if (identity) out.key = out.keySource;
  else out.keyPermutation = std::move(permutation);
  return true;
}

bool match(const Pattern& p, const Node& node, Attention& out) {
  if (node.op->name != "matMul" || node.attributes.integer("transposeA") != 0 || node.attributes.integer("transposeB") != 0) return false;
  const Graph& graph = p.graph();
  const Node* softmax = p.inner(plain(p, node.inputs[0]), "softmax");
  if (!softmax || softmax->attributes.integer("axis") != -1) return false;
  out.value = node.inputs[1];
  if (!matchScores(p, softmax->inputs[0], out)) {
    const Node* add = p.inner(softmax->inputs[0], "add");
    if (!add) return false;
    size_t scores = 0;
    while (scores < 2 && !matchScores(p, add->inputs[scores], out)) ++scores;
    if (scores == 2) return false;
    out.mask = add->inputs[1 - scores];
    if (broadcast(graph.shape(out.mask), graph.shape(add->inputs[scores])) != graph.shape(add->inputs[scores])) return false;
  }
  // One rank, one set of leading axes: what the fused op asks for.
  const Shape &q = graph.shape(out.query), &v = graph.shape(out.value);
  if (q.rank() < 2 || v.rank() != q.rank()) return false;
  Shape k = graph.shape(out.key != kNone ? out.key : out.keySource);
  if (!out.keyPermutation.empty()) {
    Shape laid;
    for (int64_t axis : out.keyPermutation) laid.push(k[static_cast<int>(axis)]);
    k = laid;
  }
  if (k.rank() != q.rank()) return false;
  for (int i = 0; i < q.rank() - 2; ++i)
    if (k[i] != q[i] || v[i] != q[i]) return false;
  return graph.type(out.query).dtype == DType::F32;
}

}  // namespace

/// softmax(scale * query keyᵀ + mask) value becomes one op, in which the matrix of scores never exists as a whole.
/// Probabilities that somebody reads stay.
bool raiseAttention(Graph& graph, const PassContext& context) {
  if (!hasFastKernel("attention", context)) return false;
  std::vector<std::pair<size_t, Attention>> found;
  {
    const Pattern pattern(graph);
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      if (Attention attention; match(pattern, graph.nodes[n], attention)) found.emplace_back(n, std::move(attention));
  }
  if (found.empty()) return false;
  std::vector<Node> nodes;
  size_t next = 0;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (next == found.size() || found[next].first != n) {
      nodes.push_back(std::move(graph.nodes[n]));
      continue;
    }
    Attention& a = found[next++].second;
    if (a.key == kNone) {
      Node transpose;
      transpose.op = &op("transpose");
      transpose.inputs = {a.keySource};
      transpose.attributes = {{"permutation", a.keyPermutation}};
      a.key = static_cast<ValueId>(graph.values.size());
      graph.values.emplace_back();
      transpose.outputs = {a.key};
      nodes.push_back(std::move(transpose));
    }
    Node node = std::move(graph.nodes[n]);
    node.op = &op("attention");
    node.inputs = {a.query, a.key, a.value};
    if (a.mask != kNone) node.inputs.push_back(a.mask);
    node.attributes = {{"scale", a.scale}, {"causal", int64_t{0}}};
    nodes.push_back(std::move(node));
  }
  graph.nodes = std::move(nodes);
  numberProducers(graph);
  return true;
}

}  // namespace ascribe::passes
