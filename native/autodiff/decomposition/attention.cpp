#include "autodiff/decomposition/attention.h"

#include <optional>

#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// softmax(scale · q kᵀ + mask); where causal a query reads the keys up to its own, the sequences aligned at their ends.
Term probabilities(Term q, Term k, ValueId mask, const Attributes& attributes) {
  Builder& b = *q.builder;
  Term scores = product(q, k, false, true) * attributes.real("scale");
  if (mask != kNone) scores = scores + Term{&b, mask};
  if (attributes.integer("causal")) {
    const int64_t queries = b.shape(scores).at(-2), keys = b.shape(scores).at(-1);
    HostTensor seen(DType::Bool, Shape{queries, keys});
    for (int64_t i = 0; i < queries; ++i)
      for (int64_t j = 0; j < keys; ++j) static_cast<uint8_t*>(seen.mutableData())[i * keys + j] = j - keys <= i - queries;
    scores = where({&b, b.constant(std::move(seen))}, scores, number(scores, -1e30));
  }
  return apply("softmax", scores, {{"axis", int64_t{-1}}});
}

std::vector<ValueId> decomposeAttentionGrad(Builder& b, const Node& node) {
  const auto term = [&](size_t i) { return Term{&b, node.inputs[i]}; };
  const Term g = term(0), q = term(1), k = term(2), v = term(3);
  const Term p = probabilities(q, k, node.inputs.size() > 4 ? node.inputs[4] : kNone, node.attributes);
  const Term dp = product(g, v, false, true);
  const Term ds = apply("softmaxGrad", dp, p, {{"axis", int64_t{-1}}}) * node.attributes.real("scale");
  return {product(ds, k), product(ds, q, true), product(p, g, true)};
}

/// Which of the keys a row at these positions sees: [R, T].
Term seenKeys(Term positions, int64_t keys, const Attributes& attributes) {
  Builder& b = *positions.builder;
  HostTensor all(b.dtype(positions), Shape{keys});
  for (int64_t key = 0; key < keys; ++key)
    if (all.dtype() == DType::I64) static_cast<int64_t*>(all.mutableData())[key] = key;
    else static_cast<int32_t*>(all.mutableData())[key] = static_cast<int32_t>(key);
  const Term places{&b, b.constant(std::move(all))}, rows = unsqueeze(positions, {1});
  const Term before = places <= rows;
  const int64_t window = attributes.integer("window");
  return window == 0 ? before : both(before, places > rows - window);
}

std::vector<ValueId> decomposeAttentionRows(Builder& b, const Node& node) {
  const auto given = [&](size_t i) { return node.inputs.size() > i && node.inputs[i] != kNone; };
  const Term q{&b, node.inputs[0]}, k{&b, node.inputs[1]};
  const Shape queries = b.shape(q), keys = b.shape(k);
  const int64_t items = queries[0], heads = queries[1], rows = queries[2], depth = queries[3], groups = keys[1], length = keys[2];
  const Shape whole{items, heads, rows, length};
  if (whole.count() == 0) return {zeros(q, node.attributes.integer("keepRows") ? Shape{items, rows, length} : Shape{items, length})};
  const Term grouped = reshape(q, {items, groups, heads / groups, rows, depth});
  Term scores = reshape(product(grouped, unsqueeze(k, {2}), false, true), whole) * node.attributes.real("scale");
  if (given(4)) scores = scores + Term{&b, node.inputs[4]};
  std::optional<Term> seen;
  if (node.attributes.integer("causal")) seen = seenKeys({&b, node.inputs[2]}, length, node.attributes);
  if (seen) scores = where(*seen, scores, number(scores, -1e30));
  Term p = apply("softmax", scores, {{"axis", int64_t{-1}}});
  // A row that sees nothing.
  if (seen) p = only(*seen, p);
  if (given(3)) p = p * reshape({&b, node.inputs[3]}, {heads, 1, 1});
  const bool keepsRows = node.attributes.integer("keepRows") != 0;
  return {reshape(sum(p, keepsRows ? std::vector<int64_t>{1} : std::vector<int64_t>{1, 2}), keepsRows ? Shape{items, rows, length} : Shape{items, length})};
}

std::vector<ValueId> decomposeObservedAttention(Builder& b, const Node& node) {
  const auto term = [&](size_t i) { return Term{&b, node.inputs[i]}; };
  const Term p = probabilities(term(0), term(1), node.inputs[3], node.attributes);
  const Shape q = b.shape(term(0));
  const Term weighted = p * reshape(term(4), {q[1], q[2], 1});
  return {product(p, term(2)), reshape(sum(weighted, {1, 2}), {q[0], b.shape(p).at(-1)})};
}

const bool registered = [] {
  RegisterDecomposition{"observedAttention", decomposeObservedAttention};
  RegisterDecomposition{"attentionRows", decomposeAttentionRows};
  RegisterDecomposition{"attention", decomposeAttention};
  RegisterDecomposition{"attentionGrad", decomposeAttentionGrad};
  return true;
}();

}  // namespace

std::vector<ValueId> decomposeAttention(Builder& b, const Node& node) {
  const Term q{&b, node.inputs[0]}, k{&b, node.inputs[1]}, v{&b, node.inputs[2]};
  return {product(probabilities(q, k, node.inputs.size() > 3 ? node.inputs[3] : kNone, node.attributes), v)};
}

}  // namespace ascribe
