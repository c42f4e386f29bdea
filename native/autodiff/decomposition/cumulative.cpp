#include "autodiff/rule.h"

/// A running product as the products that it is made of: every place has its own, over what it covers.
namespace ascribe {
namespace {
using namespace calculus;

std::vector<ValueId> cumProd(Builder& b, const Node& node) {
  const Term x{&b, node.inputs[0]};
  const int64_t axis = node.attributes.integer("axis");
  const bool exclusive = node.attributes.integer("exclusive") != 0, reverse = node.attributes.integer("reverse") != 0;
  const Shape shape = b.shape(x);
  const auto range = [&](int64_t fresh) {  // 0, 1, … along one of two axes
    const Term zero{&b, b.constant(HostTensor::scalar(DType::I64, 0))}, one{&b, b.constant(HostTensor::scalar(DType::I64, 1))};
    const Term size{&b, b.constant(HostTensor::scalar(DType::I64, static_cast<double>(shape[static_cast<int>(axis)])))};
    return unsqueeze(Term{&b, b.node("range", {zero, size, one})}, {fresh});
  };
  const Term from = range(0), to = range(1);  // [1, n] and [n, 1]
  Term covered = reverse ? (exclusive ? from > to : from >= to) : (exclusive ? from < to : from <= to);
  Shape wide;  // [1…, n, n, 1…]
  for (int i = 0; i <= shape.rank(); ++i) wide.push(i == axis || i == axis + 1 ? shape[static_cast<int>(axis)] : 1);
  const Term factors = where(reshape(covered, wide), unsqueeze(x, {axis}), number(x, 1));
  return {apply("prod", factors, {{"axes", std::vector<int64_t>{axis + 1}}, {"keepDims", int64_t{0}}})};
}

const bool registered = [] {
  RegisterDecomposition("cumProd", cumProd);
  return true;
}();

}  // namespace
}  // namespace ascribe
