#include "autodiff/decomposition/attention.h"

#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// softmax(scale · q kᵀ + mask), query i reading keys 0 … i where causal.
Term probabilities(Term q, Term k, ValueId mask, const Attributes& attributes) {
  Builder& b = *q.builder;
  Term scores = product(q, k, false, true) * attributes.real("scale");
  if (mask != kNone) scores = scores + Term{&b, mask};
  if (attributes.integer("causal")) {
    const int64_t queries = b.shape(scores).at(-2), keys = b.shape(scores).at(-1);
    HostTensor seen(DType::Bool, Shape{queries, keys});
    for (int64_t i = 0; i < queries; ++i)
      for (int64_t j = 0; j < keys; ++j) static_cast<uint8_t*>(seen.mutableData())[i * keys + j] = j <= i;
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

const bool registered = [] {
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
