#pragma once
#include <concepts>
#include <type_traits>

#include "graph/builder.h"

/// Formulas as they stand on paper: every operator and function appends one node.
namespace ascribe::calculus {

struct Term {
  Builder* builder;
  ValueId id;
  operator ValueId() const { return id; }
};

/// Any arithmetic type, matched exactly: a term's conversion to its id must never make a formula of ids.
template <class C>
concept Number = std::is_arithmetic_v<C>;

inline Term apply(std::string_view op, Term x, Attributes attributes = {}) { return {x.builder, x.builder->node(op, {x.id}, std::move(attributes))}; }
inline Term apply(std::string_view op, Term x, Term y, Attributes attributes = {}) { return {x.builder, x.builder->node(op, {x.id, y.id}, std::move(attributes))}; }
/// The constant c in x's element type.
inline Term number(Term x, double c) { return {x.builder, x.builder->scalar(x.builder->dtype(x.id), c)}; }

inline Term operator-(Term x) { return apply("neg", x); }
inline Term operator+(Term x, Term y) { return apply("add", x, y); }
inline Term operator-(Term x, Term y) { return apply("sub", x, y); }
inline Term operator*(Term x, Term y) { return apply("mul", x, y); }
inline Term operator/(Term x, Term y) { return apply("div", x, y); }
template <Number C> Term operator+(Term x, C c) { return x + number(x, static_cast<double>(c)); }
template <Number C> Term operator+(C c, Term x) { return x + number(x, static_cast<double>(c)); }
template <Number C> Term operator-(Term x, C c) { return x - number(x, static_cast<double>(c)); }
template <Number C> Term operator-(C c, Term x) { return number(x, static_cast<double>(c)) - x; }
template <Number C> Term operator*(Term x, C c) { return x * number(x, static_cast<double>(c)); }
template <Number C> Term operator*(C c, Term x) { return x * number(x, static_cast<double>(c)); }
template <Number C> Term operator/(Term x, C c) { return x / number(x, static_cast<double>(c)); }
template <Number C> Term operator/(C c, Term x) { return number(x, static_cast<double>(c)) / x; }
inline Term operator<(Term x, Term y) { return apply("less", x, y); }
inline Term operator>(Term x, Term y) { return apply("greater", x, y); }
inline Term operator<=(Term x, Term y) { return apply("lessOrEqual", x, y); }
inline Term operator>=(Term x, Term y) { return apply("greaterOrEqual", x, y); }
template <Number C> Term operator<(Term x, C c) { return x < number(x, static_cast<double>(c)); }
template <Number C> Term operator>(Term x, C c) { return x > number(x, static_cast<double>(c)); }
template <Number C> Term operator<=(Term x, C c) { return x <= number(x, static_cast<double>(c)); }
template <Number C> Term operator>=(Term x, C c) { return x >= number(x, static_cast<double>(c)); }
inline Term equal(Term x, double c) { return apply("equal", x, number(x, static_cast<double>(c))); }
inline Term both(Term x, Term y) { return apply("and", x, y); }

inline Term exp(Term x) { return apply("exp", x); }
inline Term log(Term x) { return apply("log", x); }
inline Term sqrt(Term x) { return apply("sqrt", x); }
inline Term abs(Term x) { return apply("abs", x); }
inline Term sign(Term x) { return apply("sign", x); }
inline Term sin(Term x) { return apply("sin", x); }
inline Term cos(Term x) { return apply("cos", x); }
inline Term sinh(Term x) { return apply("sinh", x); }
inline Term cosh(Term x) { return apply("cosh", x); }
inline Term tanh(Term x) { return apply("tanh", x); }
inline Term erf(Term x) { return apply("erf", x); }
inline Term sigmoid(Term x) { return apply("sigmoid", x); }
inline Term softplus(Term x) { return apply("softplus", x); }
inline Term pow(Term x, Term y) { return apply("pow", x, y); }
inline Term minimum(Term x, double c) { return apply("min", x, number(x, static_cast<double>(c))); }
inline Term maximum(Term x, double c) { return apply("max", x, number(x, static_cast<double>(c))); }
inline Term where(Term condition, Term x, Term y) { return {x.builder, x.builder->node("where", {condition.id, x.id, y.id})}; }
/// x where the condition holds, 0 elsewhere, whatever x is there (0 · infinity would not do).
inline Term only(Term condition, Term x) { return where(condition, x, number(x, 0)); }

inline Term sum(Term x, const std::vector<int64_t>& axes) { return {x.builder, x.builder->sum(x.id, axes, true)}; }
inline Term mean(Term x, const std::vector<int64_t>& axes) { return apply("mean", x, {{"axes", axes}, {"keepDims", int64_t{1}}}); }
inline Term unsqueeze(Term x, const std::vector<int64_t>& axes) { return axes.empty() ? x : apply("unsqueeze", x, {{"axes", axes}}); }
/// Swaps the last two axes of the operands where told.
inline Term product(Term x, Term y, bool transposeX = false, bool transposeY = false) {
  return apply("matMul", x, y, {{"transposeA", int64_t{transposeX}}, {"transposeB", int64_t{transposeY}}});
}

/// [C] seen as [C, 1, …], so that it broadcasts along axis 1 of a tensor of this rank.
inline Term perChannel(Term x, int rank) {
  std::vector<int64_t> axes;
  for (int i = 0; i < rank - 2; ++i) axes.push_back(i + 1);
  return unsqueeze(x, axes);
}
/// The first `count` axes as one: kernels of fixed rank take several batch-like axes for one.
inline Term foldLeading(Term x, int count) {
  const Shape shape = x.builder->shape(x.id);
  if (count == 1) return x;
  std::vector<int64_t> to{shape.count(count, shape.rank()) == 0 ? shape.count(0, count) : -1};
  for (int i = count; i < shape.rank(); ++i) to.push_back(shape[i]);
  return {x.builder, x.builder->node("reshape", {x.id, x.builder->integers(to)}, {{"allowZero", int64_t{1}}})};
}
inline Term reshape(Term x, const Shape& to) { return {x.builder, x.builder->reshape(x.id, to)}; }
inline Term transpose(Term x, const std::vector<int64_t>& permutation) { return {x.builder, x.builder->transpose(x.id, permutation)}; }
inline Term expand(Term x, const Shape& to) {
  return x.builder->shape(x.id) == to ? x : Term{x.builder, x.builder->node("expand", {x.id, x.builder->integers({to.begin(), to.end()})})};
}
/// All elements 0, of this shape and x's element type.
inline Term zeros(Term x, const Shape& shape) { return expand(number(x, 0), shape); }

}  // namespace ascribe::calculus
