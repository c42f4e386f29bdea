#include <limits>

#include "op_cases/families.h"

namespace ascribe::test {

std::vector<OpCase> softmaxCases() {
  std::vector<OpCase> cases;
  for (const char* op : {"softmax", "logSoftmax"}) {
    for (const int64_t axis : {-1, 0, 1}) {
      const std::string note = "axis " + std::to_string(axis);
      cases.push_back({op, note, {real({2, 3, 4})}, {{"axis", axis}}});
      const Operand result = op == std::string("softmax") ? real({2, 3, 4}, .05, .6) : real({2, 3, 4}, -3, -.2);
      cases.push_back({std::string(op) + "Grad", note, {real({2, 2, 3, 4}), result}, {{"axis", axis < 0 ? axis : axis - 3}}});
      cases.push_back(valuesOnly({op, note + ", odd", {real({5, 7, 19}, -20, 20)}, {{"axis", axis}}}));
      cases.push_back(valuesOnly({std::string(op) + "Grad", note + ", odd", {real({3, 5, 7, 19}), real({5, 7, 19}, .01, .2)}, {{"axis", axis < 0 ? axis : axis - 3}}}));
    }
    cases.push_back({op, "one class", {real({3, 1})}});
    cases.push_back({op, "scalar", {real({})}, {}, 1, Derivatives::Unchecked});
    cases.push_back(valuesOnly({op, "empty", {real({0, 3})}}));
    cases.push_back(valuesOnly({op, "large scores", {real({3, 37}, 500, 900)}}));
    const double infinity = std::numeric_limits<double>::infinity();
    cases.push_back(valuesOnly({op, "masked scores", {given(DType::F32, {2, 3}, {0, -infinity, 1, -infinity, 2, -infinity})}}));
    cases.push_back(timed({op, "timed", {real({12, 197, 197}, -5, 5)}}));
  }
  cases.push_back(timed({"softmaxGrad", "timed", {real({1, 12, 197, 197}), real({12, 197, 197}, 0, .01)}}));

  const Operand q = real({2, 2, 3, 4}), k = real({2, 2, 5, 4}), v = real({2, 2, 5, 3}), mask = real({3, 5}), square = real({2, 2, 3, 4}), values = real({2, 2, 3, 3});
  const Attributes scaled{{"scale", .5}}, causal{{"scale", .5}, {"causal", int64_t{1}}};
  cases.push_back({"attention", "", {q, k, v}, scaled});
  cases.push_back({"attention", "mask", {q, k, v, mask}, scaled});
  cases.push_back({"attention", "fixed mask", {q, k, v, constant(mask)}, scaled});
  cases.push_back({"attention", "causal", {q, square, values}, causal});
  cases.push_back({"attention", "one head", {real({3, 4}), real({5, 4}), real({5, 2})}, scaled});
  const Operand g = real({2, 2, 2, 3, 3});
  cases.push_back({"attentionGrad", "", {g, q, k, v}, scaled, 3});
  cases.push_back({"attentionGrad", "mask", {g, q, k, v, constant(mask)}, scaled, 3});
  cases.push_back({"attentionGrad", "causal", {g, q, square, values}, causal, 3});
  cases.push_back(valuesOnly({"attention", "odd", {real({2, 3, 17, 20}), real({2, 3, 33, 20}), real({2, 3, 33, 11})}, scaled}));
  cases.push_back(valuesOnly({"attentionGrad", "odd", {real({2, 2, 3, 17, 11}), real({2, 3, 17, 20}), real({2, 3, 33, 20}), real({2, 3, 33, 11})}, scaled, 3}));
  cases.push_back(timed({"attention", "timed", {real({1, 6, 197, 64}), real({1, 6, 197, 64}), real({1, 6, 197, 64})}, {{"scale", .125}}}));
  cases.push_back(timed({"attentionGrad", "timed", {real({1, 1, 6, 197, 64}), real({1, 6, 197, 64}), real({1, 6, 197, 64}), real({1, 6, 197, 64})}, {{"scale", .125}}, 3}));
  return cases;
}

}  // namespace ascribe::test
