#include "op_cases/families.h"

namespace ascribe::test {

/// gradient [K, ...], saved [...]
std::vector<OpCase> gateCases() {
  std::vector<OpCase> cases;
  const auto gate = [&](const std::string& op, double low, double high, const Attributes& attributes = {}, const std::string& note = "") {
    const std::string prefix = note.empty() ? "" : note + ", ";
    // Saved values with a kink stay clear of it: between 0.05 and 1, spaced.
    cases.push_back({op, prefix + "two cotangents", {real({2, 2, 3}), low < 0 ? spaced({2, 3}) : real({2, 3}, low, high)}, attributes});
    cases.push_back({op, prefix + "one cotangent", {real({1, 2, 3}), low < 0 ? spaced({2, 3}) : real({2, 3}, low, high)}, attributes});
    cases.push_back(valuesOnly({op, prefix + "odd", {real({3, 5, 7, 11}), real({5, 7, 11}, low, high)}, attributes}));
    cases.push_back(valuesOnly({op, prefix + "empty", {real({2, 0, 3}), real({0, 3}, low, high)}, attributes}));
    cases.push_back(valuesOnly({op, prefix + "no cotangent", {real({0, 2, 3}), real({2, 3}, low, high)}, attributes}));
  };
  for (const char* op : {"sigmoidGrad", "tanhGrad"}) gate(op, .05, .95);  // of results
  for (const char* op : {"reluGrad", "leakyReluGrad", "eluGrad", "clipGrad", "geluGrad", "siluGrad", "hardSwishGrad", "hardSigmoidGrad"}) gate(op, -4, 4);
  gate("leakyReluGrad", -4, 4, {{"alpha", .3}}, "alpha");
  gate("eluGrad", -4, 4, {{"alpha", 2.}}, "alpha");
  gate("clipGrad", -4, 4, {{"min", -.2}, {"max", .1}}, "both sides");
  gate("geluGrad", -4, 4, {{"approximate", std::string("tanh")}}, "tanh");
  gate("hardSigmoidGrad", -4, 4, {{"alpha", .9}, {"beta", .3}}, "alpha and beta");
  cases.push_back({"reluGrad", "at zero", {real({1, 3}), given(DType::F32, {3}, {0, 1, -1})}, {}, 1, Derivatives::Unchecked});
  for (const char* op : {"reluGrad", "geluGrad", "siluGrad"}) cases.push_back(timed({op, "timed", {real({1, 8, 64, 56, 56}), real({8, 64, 56, 56}, -4, 4)}}));
  return cases;
}

}  // namespace ascribe::test
