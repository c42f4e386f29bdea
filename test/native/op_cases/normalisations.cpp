#include "op_cases/families.h"

namespace ascribe::test {

std::vector<OpCase> normalisationCases() {
  std::vector<OpCase> cases;
  const Operand variance = real({4}, .4, 2);
  const auto channels = [](int64_t n) { return real({n}); };
  for (const Shape& x : {Shape{3, 4}, Shape{3, 4, 2}, Shape{2, 4, 2, 2}}) {
    cases.push_back({"batchNorm", x.text(), {real(x), channels(4), channels(4), channels(4), variance}});
    for (const int outputs : {1, 3})
      cases.push_back({"batchNormTrain", x.text() + (outputs == 3 ? ", statistics" : ""), {real(x), channels(4), channels(4), channels(4), variance}, {{"epsilon", .1}, {"momentum", .7}}, outputs});
    cases.push_back({"batchNormTrainGrad", x.text(), {real(prepend(2, x)), real(x), channels(4)}, {{"epsilon", .1}}});
  }
  cases.push_back(valuesOnly({"batchNorm", "odd", {real({2, 19, 7, 11}), channels(19), channels(19), channels(19), real({19}, .4, 2)}, {{"epsilon", 1e-3}}}));
  cases.push_back(timed({"batchNorm", "timed", {real({8, 64, 56, 56}), channels(64), channels(64), channels(64), real({64}, .4, 2)}}));

  for (const bool plain : {false, true}) {
    const std::string op = plain ? "layerNorm" : "rmsNorm";
    const auto norm = [&](const std::string& note, const Shape& x, const Shape& scale, int64_t axis, int affine) {
      const Attributes how{{"axis", axis}, {"epsilon", 1e-2}};
      std::vector<Operand> operands{real(x)}, gradient{real(prepend(2, x)), real(x)};
      if (affine > 0) operands.push_back(real(scale)), gradient.push_back(real(scale));
      if (affine > 1 && plain) operands.push_back(real(scale));
      const bool small = x.count() <= 24;
      cases.push_back({op, note, operands, how, 1, small ? Derivatives::Second : Derivatives::Unchecked});
      Attributes fromEnd = how;
      fromEnd.set("axis", axis < 0 ? axis : axis - x.rank());
      cases.push_back({op + "Grad", note, gradient, fromEnd, 1, small ? Derivatives::Second : Derivatives::Unchecked});
    };
    norm("rows", {2, 3, 4}, {4}, -1, 2);
    norm("without affine", {2, 3, 4}, {4}, -1, 0);
    norm("scale alone", {2, 3, 4}, {4}, -1, 1);
    norm("two axes", {2, 3, 4}, {3, 4}, 1, 2);
    norm("broadcast scale", {2, 3, 4}, {1, 4}, 1, 1);
    norm("odd", {5, 7, 19}, {19}, -1, 2);
    norm("long rows", {3, 1031}, {1031}, -1, 2);
    norm("empty", {0, 3}, {3}, -1, 2);
    OpCase measured = timed({op, "timed", {real({8, 197, 768}), real({768})}});
    if (plain) measured.operands.push_back(real({768}));
    cases.push_back(measured);
    cases.push_back(timed({op + "Grad", "timed", {real({1, 8, 197, 768}), real({8, 197, 768}), real({768})}}));
  }

  for (const int64_t groups : {0, 1, 2}) {
    const Attributes how{{"groups", groups}, {"epsilon", 1e-2}}, resolved{{"groups", groups ? groups : 4}, {"epsilon", 1e-2}};
    const std::string note = groups ? std::to_string(groups) + " groups" : "instance";
    const Shape x{2, 4, 2, 2};
    cases.push_back({"groupNorm", note, {real(x), channels(4), channels(4)}, how});
    cases.push_back({"groupNorm", note + ", without affine", {real(x)}, how});
    cases.push_back({"groupNormGrad", note, {real(prepend(2, x)), real(x), channels(4)}, resolved});
    cases.push_back(valuesOnly({"groupNorm", note + ", odd", {real({3, 4, 5, 7}), channels(4), channels(4)}, how}));
    cases.push_back(valuesOnly({"groupNormGrad", note + ", odd", {real({2, 3, 4, 5, 7}), real({3, 4, 5, 7}), channels(4)}, resolved}));
  }
  cases.push_back(timed({"groupNorm", "timed", {real({4, 64, 56, 56}), channels(64), channels(64)}, {{"groups", int64_t{8}}}}));

  for (const int64_t size : {1, 3, 4}) {
    const Attributes how{{"size", size}, {"alpha", .5}, {"beta", .6}, {"bias", 1.5}};
    const std::string note = "size " + std::to_string(size);
    cases.push_back({"lrn", note, {real({2, 5, 2, 2})}, how});
    cases.push_back({"lrnGrad", note, {real({2, 2, 5, 2, 2}), real({2, 5, 2, 2})}, how, 1, Derivatives::First});
    cases.push_back(valuesOnly({"lrn", note + ", odd", {real({3, 19, 5, 7}, -9, 9)}, how}));
  }
  return cases;
}

}  // namespace ascribe::test
