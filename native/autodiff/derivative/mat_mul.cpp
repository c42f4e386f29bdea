#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// y = A B over matrices, each operand possibly read transposed; vectors are matrices of one row or column.
struct Product {
  Term a, b, g;
  bool transposeA, transposeB;
};

/// A's gradient is g Bᵀ, B's is Aᵀ g, each written so that it comes out as its operand lies.
Term gradientOfA(const Product& p) {
  return p.transposeA ? product(p.b, p.g, p.transposeB, true) : product(p.g, p.b, false, !p.transposeB);
}
Term gradientOfB(const Product& p) {
  return p.transposeB ? product(p.g, p.a, true, p.transposeA) : product(p.a, p.g, !p.transposeA, false);
}

Shape shapeOf(Term x) { return x.builder->shape(x.id); }

/// The first `keep` axes, then everything but the last axis as one, then the last.
Term rows(Term x, int keep) {
  const Shape shape = shapeOf(x);
  std::vector<int64_t> to(shape.begin(), shape.begin() + keep);
  const int64_t others = shape.count(0, keep) * shape.at(-1);
  to.push_back(others ? -1 : shape.count(keep, shape.rank() - 1));
  to.push_back(shape.at(-1));
  return {x.builder, x.builder->node("reshape", {x.id, x.builder->integers(to)}, {{"allowZero", int64_t{1}}})};
}

/// A matrix shared by a whole batch of products: one product over all rows instead of one a batch entry.
Term gradientOfSharedB(const Product& p) { return gradientOfB({rows(p.a, 0), p.b, rows(p.g, 1), false, p.transposeB}); }

/// [K, N, ...b]: one product an example, over what rows the example has.
Term gradientOfBPerExample(const Product& p) { return gradientOfB({rows(p.a, 1), p.b, rows(p.g, 2), false, p.transposeB}); }

void matMul(VjpContext& c) {
  const Shape shapeA = c.shape(0), shapeB = c.shape(1);
  const bool vectorA = shapeA.rank() == 1, vectorB = shapeB.rank() == 1;
  Product p{operand(c, 0), operand(c, 1), cotangent(c), c.attributes().integer("transposeA") && !vectorA,
            c.attributes().integer("transposeB") && !vectorB};
  if (vectorA) p.a = unsqueeze(p.a, {0});
  if (vectorB) p.b = unsqueeze(p.b, {1});
  if (vectorB) p.g = unsqueeze(p.g, {-1});
  if (vectorA) p.g = unsqueeze(p.g, {-2});

  for (size_t i = 0; i < 2; ++i)
    if (c.wants(i) && c.mode(i) == ParameterGradient::Factors) c.factors(i, c.input(1 - i), c.cotangent());
  if (c.wants(0) && c.mode(0) != ParameterGradient::Factors) {
    if (c.mode(0) == ParameterGradient::PerExample) c.gradientReduced(0, gradientOfA(p), p.a);
    else c.gradient(0, c.b.reshapeLike(c.b.sumTo(gradientOfA(p), p.a, 1), c.input(0), 1));
  }
  if (!c.wants(1) || c.mode(1) == ParameterGradient::Factors) return;
  const bool shared = shapeB.rank() <= 2 && shapeA.rank() > 2 && !p.transposeA;
  if (c.mode(1) == ParameterGradient::PerExample && shapeB.rank() <= 2 && shapeA.rank() >= 2 && !p.transposeA) {
    const Term each = gradientOfBPerExample(p);
    const Shape all = shapeOf(each);
    c.gradientPerExample(1, reshape(each, prepend(all[0], prepend(all[1], shapeB))));
  } else if (c.mode(1) == ParameterGradient::PerExample) {
    c.gradientReduced(1, gradientOfB(p), p.b);
  } else {
    const Term gradient = shared ? gradientOfSharedB(p) : gradientOfB(p);
    c.gradient(1, c.b.reshapeLike(c.b.sumTo(gradient, p.b, 1), c.input(1), 1));
  }
}

const bool registered = [] {
  rule("matMul", matMul);
  return true;
}();

}  // namespace
}  // namespace ascribe
