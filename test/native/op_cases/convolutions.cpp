#include "op_cases/families.h"

namespace ascribe::test {
namespace {

struct Geometry {
  std::string note;
  Shape x, w;
  Integers strides, dilations, pads;
  int64_t group = 1;

  Attributes attributes() const { return {{"strides", strides}, {"dilations", dilations}, {"pads", pads}, {"group", group}}; }
  Shape result() const {
    Shape y{x[0], w[0]};
    const size_t n = strides.size();
    for (size_t i = 0; i < n; ++i) {
      const int axis = static_cast<int>(i) + 2;
      y.push((x[axis] + pads[i] + pads[n + i] - ((w[axis] - 1) * dilations[i] + 1)) / strides[i] + 1);
    }
    return y;
  }
};

const std::vector<Geometry>& small() {
  static const std::vector<Geometry> all = {
      {"one axis", {2, 2, 7}, {3, 2, 3}, {2}, {1}, {1, 0}},
      {"two axes", {2, 2, 5, 4}, {3, 2, 3, 2}, {2, 1}, {1, 2}, {1, 0, 0, 1}},
      {"pointwise", {2, 3, 2, 3}, {4, 3, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {"groups", {2, 4, 4, 4}, {6, 2, 2, 2}, {1, 2}, {1, 1}, {0, 1, 0, 1}, 2},
      {"depthwise", {1, 3, 4, 4}, {3, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 3},
      {"three axes", {1, 1, 3, 3, 3}, {2, 1, 2, 2, 2}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0, 0, 0, 0}},
      {"the last pixels unread", {1, 1, 6, 5}, {2, 1, 2, 2}, {3, 2}, {1, 1}, {0, 0, 0, 0}},
      {"stride over the kernel", {1, 2, 7, 7}, {2, 2, 1, 1}, {3, 3}, {1, 1}, {0, 0, 0, 0}},
  };
  return all;
}
/// Uneven channels, kernels that never touch data, depthwise with and without strides, deeper than one block.
const std::vector<Geometry>& odd() {
  static const std::vector<Geometry> all = {
      {"3x3", {2, 3, 13, 11}, {7, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
      {"3x5 uneven", {1, 5, 14, 9}, {20, 5, 3, 5}, {2, 1}, {1, 2}, {0, 3, 1, 2}},
      {"7x7 stem", {2, 3, 23, 23}, {16, 3, 7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}},
      {"1x1", {3, 17, 7, 7}, {33, 17, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {"1x1 strided", {2, 16, 9, 10}, {32, 16, 1, 1}, {2, 3}, {1, 1}, {0, 0, 0, 0}},
      {"blocks of 16", {2, 32, 9, 9}, {48, 32, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
      {"four groups", {2, 8, 9, 8}, {12, 2, 3, 3}, {1, 1}, {1, 1}, {1, 0, 1, 2}, 4},
      {"depthwise odd", {2, 6, 11, 19}, {6, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 6},
      {"depthwise strided", {2, 5, 12, 21}, {5, 1, 5, 3}, {2, 2}, {1, 1}, {2, 0, 1, 1}, 5},
      {"depthwise of 16", {1, 32, 14, 14}, {32, 1, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 32},
      {"channel multiplier", {1, 4, 8, 8}, {8, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 4},
      {"atrous", {1, 8, 15, 15}, {8, 8, 3, 3}, {1, 1}, {4, 4}, {4, 4, 4, 4}},
      {"padding beyond the kernel", {1, 2, 9, 9}, {2, 2, 2, 2}, {1, 1}, {1, 1}, {3, 2, 1, 4}},
      {"cropping", {1, 2, 9, 9}, {2, 2, 3, 3}, {1, 1}, {1, 1}, {-1, 0, 0, -2}},
      {"one axis odd", {2, 3, 31}, {5, 3, 4}, {2}, {3}, {5, 2}},
      {"three axes odd", {1, 2, 6, 7, 8}, {3, 2, 2, 3, 3}, {1, 2, 1}, {1, 1, 2}, {0, 1, 2, 1, 1, 2}},
      {"whole channels, dilated", {2, 16, 19, 18}, {32, 16, 3, 3}, {1, 1}, {2, 2}, {2, 1, 2, 3}},
      {"whole channels, strided", {2, 16, 37, 35}, {32, 16, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}},
      {"whole channels, three axes", {1, 16, 9, 8, 9}, {16, 16, 2, 3, 2}, {1, 2, 1}, {2, 1, 1}, {1, 1, 0, 0, 1, 1}},
      {"whole channels in groups", {2, 32, 17, 16}, {32, 16, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 2},
      {"depthwise of 5", {2, 3, 13, 9}, {3, 1, 5, 5}, {1, 1}, {1, 1}, {2, 1, 2, 3}, 3},
      {"depthwise of 5, strided", {2, 3, 13, 10}, {3, 1, 5, 5}, {2, 2}, {1, 1}, {2, 1, 2, 3}, 3},
      {"depthwise of 3, strided and uneven", {1, 5, 10, 13}, {5, 1, 3, 3}, {2, 2}, {1, 1}, {0, 1, 1, 0}, 5},
      {"whole tiles, 1x1", {3, 36, 12, 12}, {140, 36, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {"patches", {2, 5, 13, 12}, {7, 5, 4, 4}, {4, 4}, {1, 1}, {0, 0, 0, 0}},
      {"patches apart", {2, 5, 11, 12}, {7, 5, 2, 2}, {3, 3}, {1, 1}, {1, 0, 0, 1}},
      {"no examples", {0, 3, 5, 5}, {4, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
  };
  return all;
}

void forward(std::vector<OpCase>& cases, const Geometry& g, bool isSmall) {
  const auto push = [&](OpCase test) { cases.push_back(isSmall ? std::move(test) : valuesOnly(std::move(test))); };
  push({"conv", g.note, {real(g.x), real(g.w)}, g.attributes()});
  push({"conv", g.note + ", bias", {real(g.x), constant(real(g.w)), real({g.w[0]})}, g.attributes()});
  for (const char* activation : {"none", "relu", "clip", "leakyRelu", "silu"}) {
    Attributes fused = g.attributes();
    fused.set("activation", std::string(activation)).set("alpha", .125).set("beta", .75);
    OpCase test{"fusedConv", g.note + ", " + activation, {real(g.x), constant(real(g.w)), real({g.w[0]}), real(g.result())}, fused, 1, Derivatives::Unchecked};
    test.tolerance = 6e-6;  // of sums of hundreds of terms, which the clip then cuts down to below 1
    cases.push_back(test);
  }
}
void backward(std::vector<OpCase>& cases, const Geometry& g, bool isSmall) {
  const auto push = [&](OpCase test) { cases.push_back(isSmall ? std::move(test) : valuesOnly(std::move(test))); };
  const Shape y = g.result();
  for (const int64_t cotangents : {0, 2}) {  // 0: without the cotangent axis
    const Shape gradient = cotangents ? prepend(cotangents, y) : y;
    push({"convDataGradient", g.note + (cotangents ? ", two cotangents" : ""), {real(gradient), constant(real(g.w)), real(g.x)}, g.attributes()});
  }
  for (const int64_t perExample : {0, 1}) {
    Attributes how = g.attributes();
    how.set("perExample", perExample);
    OpCase test{"convWeightGradient", g.note + (perExample ? ", per example" : ""), {real(g.x), real(prepend(2, y)), real(g.w)}, how};
    test.tolerance = 4e-6;
    if (perExample) test.derivatives = Derivatives::Refused, cases.push_back(test);
    else push(test);
  }
  push({"convTranspose", g.note, {real(y), constant(real(g.w)), real({g.w[1] * g.group})}, g.attributes()});
}

void automatic(std::vector<OpCase>& cases) {
  for (const char* mode : {"sameUpper", "sameLower", "valid"})
    for (const int64_t stride : {1, 2}) {
      const Attributes how{{"autoPad", std::string(mode)}, {"strides", Integers{stride, stride}}};
      const std::string note = std::string(mode) + " by " + std::to_string(stride);
      cases.push_back({"conv", note, {real({1, 2, 5, 4}), real({3, 2, 2, 3})}, how});
      cases.push_back({"convTranspose", note, {real({1, 2, 3, 4}), real({2, 3, 3, 2})}, how});
    }
  cases.push_back({"convTranspose", "output padding", {real({2, 3, 3, 2}), real({3, 2, 3, 2}), real({2})},
                   {{"strides", Integers{2, 2}}, {"pads", Integers{1, 0, 0, 1}}, {"outputPadding", Integers{1, 0}}}});
  cases.push_back({"convTranspose", "output shape", {real({1, 2, 3, 3}), real({2, 2, 3, 3})}, {{"strides", Integers{3, 2}}, {"outputShape", Integers{10, 8}}}});
}

}  // namespace

std::vector<OpCase> convolutionCases() {
  std::vector<OpCase> cases;
  for (const Geometry& g : small()) forward(cases, g, true), backward(cases, g, true);
  for (const Geometry& g : odd()) forward(cases, g, false), backward(cases, g, false);
  automatic(cases);
  const Geometry measured[] = {
      {"timed, 3x3", {1, 64, 56, 56}, {64, 64, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
      {"timed, 1x1", {1, 64, 56, 56}, {256, 64, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {"timed, depthwise", {1, 144, 56, 56}, {144, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 144},
      {"timed, stem", {1, 3, 224, 224}, {32, 3, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}},
  };
  for (const Geometry& g : measured) {
    cases.push_back(timed({"conv", g.note, {real(g.x), constant(real(g.w)), real({g.w[0]})}, g.attributes()}));
    cases.push_back(timed({"convDataGradient", g.note, {real(prepend(1, g.result())), constant(real(g.w)), real(g.x)}, g.attributes()}));
    OpCase weights = timed({"convWeightGradient", g.note, {real(g.x), real(prepend(1, g.result())), real(g.w)}, g.attributes()});
    weights.tolerance = 1e-5;
    cases.push_back(weights);
  }
  return cases;
}

}  // namespace ascribe::test
