#include <cstdio>

#include "autodiff_support.h"
#include "harness.h"

/// Every rule against central differences, and the rules of the rules: the gradient is a function again, whose
/// gradient is checked in the same way. (Dual numbers check first derivatives to 1e-10 in the op cases.)
using namespace ascribe;
using namespace ascribe::test;

namespace {

using Ids = std::vector<ValueId>;
using List = std::vector<int64_t>;

struct Case {
  std::string name;
  std::vector<HostTensor> inputs;
  Body body;
  bool again = true;  // differentiate twice
};

constexpr double kTolerance = 2e-6;  // of central differences in double

void check(const std::vector<Case>& cases) {
  for (const Case& test : cases) {
    try {
      const Function f = function(test.inputs, test.body);
      const double first = againstDifferences(f, test.inputs);
      if (!(first < kTolerance)) fail(__FILE__, __LINE__, test.name + ": first derivative is off by " + show(first));
      if (!test.again) continue;
      const Function g = gradientOf(f, 2);
      std::vector<HostTensor> inputs = test.inputs;
      for (size_t i = inputs.size(); i < g.inputs.size(); ++i) inputs.push_back(scattered(g.graph.shape(g.inputs[i]), 900 + i));
      const double second = againstDifferences(g, inputs);
      if (!(second < kTolerance)) fail(__FILE__, __LINE__, test.name + ": second derivative is off by " + show(second));
    } catch (const std::exception& error) {
      fail(__FILE__, __LINE__, test.name + ": " + error.what());
    }
  }
}

Body one(const char* op, Attributes attributes = {}) {
  return [=](Builder& b, const Ids& in) { return Ids{b.node(op, in, attributes)}; };
}
HostTensor integersOf(const Shape& shape, const List& values) {
  HostTensor out(DType::I64, shape);
  std::copy(values.begin(), values.end(), static_cast<int64_t*>(out.mutableData()));
  return out;
}
/// Distinct values at least 0.1 apart, so that no maximum changes place within a difference quotient.
HostTensor spaced(const Shape& shape, uint64_t seed) {
  const auto order = numbers(scattered(shape, seed));
  std::vector<double> values;
  for (double value : order) {
    double rank = 0;
    for (double other : order) rank += other < value;
    values.push_back(.13 * rank - 1.01);
  }
  return tensor(shape, values);
}

}  // namespace

TEST(elementwise) {
  std::vector<Case> cases;
  const HostTensor any = spaced({2, 3}, 1), positive = scattered({2, 3}, 2, .3, 2), inner = scattered({2, 3}, 3, -.8, .8), above = scattered({2, 3}, 4, 1.2, 3);
  for (const char* op : {"neg", "abs", "exp", "sin", "cos", "atan", "sinh", "cosh", "tanh", "asinh", "erf", "sigmoid", "relu", "softplus", "softsign", "silu", "hardSwish", "mish",
                         "leakyRelu", "elu", "celu", "selu", "thresholdedRelu", "hardSigmoid", "gelu", "floor", "ceil", "round", "sign"})
    cases.push_back({op, {any}, one(op)});
  for (const char* op : {"log", "sqrt", "reciprocal"}) cases.push_back({op, {positive}, one(op)});
  for (const char* op : {"tan", "asin", "acos", "atanh"}) cases.push_back({op, {inner}, one(op)});
  cases.push_back({"acosh", {above}, one("acosh")});
  cases.push_back({"gelu tanh", {any}, one("gelu", {{"approximate", std::string("tanh")}})});
  cases.push_back({"clip", {any}, one("clip", {{"min", -.5}, {"max", .2}})});
  cases.push_back({"celu 2", {any}, one("celu", {{"alpha", 2.}})});
  cases.push_back({"elu 2", {any}, one("elu", {{"alpha", 2.}})});
  check(cases);
}

TEST(binary) {
  const HostTensor a = spaced({2, 1, 3}, 1), c = scattered({4, 1}, 2, .4, 2), scalar = scattered({}, 3, .4, 2), base = scattered({2, 1, 3}, 4, .3, 2);
  std::vector<Case> cases;
  for (const char* op : {"add", "sub", "mul", "div", "max", "min", "mod"}) {
    cases.push_back({op, {a, c}, one(op)});
    cases.push_back({std::string(op) + " scalar", {a, scalar}, one(op)});
  }
  cases.push_back({"mod truncated", {a, c}, one("mod", {{"truncated", int64_t{1}}})});
  cases.push_back({"pow", {base, c}, one("pow")});
  cases.push_back({"prelu", {a, c}, one("prelu")});
  for (const double exponent : {0., 1., 2., 3., -1.5})
    cases.push_back({"pow " + show(exponent), {base}, [=](Builder& b, const Ids& in) { return Ids{b.node("pow", {in[0], b.scalar(DType::F64, exponent)})}; }});
  cases.push_back({"pow of negative numbers", {spaced({5}, 9)}, [=](Builder& b, const Ids& in) { return Ids{b.node("pow", {in[0], b.scalar(DType::F64, 3)})}; }});
  cases.push_back({"where", {a, c}, [](Builder& b, const Ids& in) { return Ids{b.node("where", {b.node("less", in), b.mul(in[0], in[0]), in[1]})}; }});
  check(cases);
}

TEST(reductions) {
  const HostTensor x = spaced({2, 3, 4}, 1);
  std::vector<Case> cases;
  for (const char* op : {"sum", "mean", "reduceMax", "reduceMin", "prod"})
    for (const int64_t keep : {0, 1})
      for (const List& axes : {List{}, List{1}, List{0, -1}}) cases.push_back({std::string(op) + show(keep) + show(axes.size()), {x}, one(op, {{"axes", axes}, {"keepDims", keep}})});
  for (const int64_t exclusive : {0, 1})
    for (const int64_t reverse : {0, 1}) cases.push_back({"cumSum", {x}, one("cumSum", {{"axis", int64_t{-2}}, {"exclusive", exclusive}, {"reverse", reverse}})});
  cases.push_back({"sumTo", {x, scattered({1, 4}, 2)}, [](Builder& b, const Ids& in) { return Ids{b.mul(b.node("sumTo", {in[0], in[1]}), in[1])}; }});
  cases.push_back({"sumTo leading", {x, scattered({4}, 2)}, [](Builder& b, const Ids& in) { return Ids{b.node("sumTo", {in[0], in[1]}, {{"leading", int64_t{1}}})}; }});
  cases.push_back({"expandLike", {scattered({3, 1}, 3), x}, [](Builder& b, const Ids& in) { return Ids{b.mul(b.node("expandLike", {in[0], in[1]}), in[1])}; }});
  cases.push_back({"expandLike leading", {scattered({5, 1, 4}, 3), scattered({3, 4}, 4)}, [](Builder& b, const Ids& in) { return Ids{b.node("expandLike", {in[0], in[1]}, {{"leading", int64_t{1}}})}; }});
  check(cases);
}

TEST(products_with_zeros) {
  for (const std::vector<double>& values : {std::vector<double>{2, 0, 3, 4}, {0, 0, 3, 4}, {1, 2, 3, 0}}) {
    const HostTensor x = tensor({4}, values);
    const Function f = function({x}, one("prod", {{"axes", List{0}}, {"keepDims", int64_t{0}}}));
    EXPECT_TRUE(againstDifferences(f, {x}) < 1e-6);
  }
}

TEST(shapes) {
  const HostTensor x = scattered({2, 3, 4}, 1), image = scattered({1, 8, 4, 4}, 2);
  const auto reshaped = [](Builder& b, const Ids& in) { return Ids{b.mul(b.reshape(in[0], Shape{4, 6}), b.reshape(in[0], Shape{4, 6}))}; };
  std::vector<Case> cases{
      {"identity", {x}, one("identity")},
      {"reshape", {x}, reshaped},
      {"reshapeLike", {x, scattered({6, 4}, 3)}, [](Builder& b, const Ids& in) { return Ids{b.mul(b.node("reshapeLike", {in[0], in[1]}), in[1])}; }},
      {"flatten", {x}, one("flatten", {{"axis", int64_t{2}}})},
      {"unsqueeze", {x}, one("unsqueeze", {{"axes", List{0, -1}}})},
      {"squeeze", {scattered({2, 1, 3}, 4)}, one("squeeze", {{"axes", List{1}}})},
      {"transpose", {x}, one("transpose", {{"permutation", List{1, 2, 0}}})},
      {"expand", {scattered({3, 1}, 5)}, [](Builder& b, const Ids& in) { return Ids{b.node("expand", {in[0], b.integers({2, 3, 4})})}; }},
      {"concat", {x, scattered({2, 1, 4}, 6)}, one("concat", {{"axis", int64_t{-2}}})},
      {"tile", {x}, [](Builder& b, const Ids& in) { return Ids{b.node("tile", {in[0], b.integers({2, 1, 3})})}; }},
      {"trilu", {x}, one("trilu", {{"upper", int64_t{0}}, {"diagonal", int64_t{1}}})},
      {"spaceToDepth", {image}, one("spaceToDepth", {{"blockSize", int64_t{2}}})},
      {"slice", {x}, [](Builder& b, const Ids& in) { return Ids{b.node("slice", {in[0], b.integers({1, -1}), b.integers({3, -5}), b.integers({1, 2}), b.integers({1, -2})})}; }},
  };
  for (const char* mode : {"DCR", "CRD"}) cases.push_back({std::string("depthToSpace ") + mode, {image}, one("depthToSpace", {{"blockSize", int64_t{2}}, {"mode", std::string(mode)}})});
  for (const char* mode : {"constant", "reflect", "edge", "wrap"})
    cases.push_back({std::string("pad ") + mode, {x}, [=](Builder& b, const Ids& in) { return Ids{b.node("pad", {in[0], b.integers({0, 2, 1, 1, 1, 3})}, {{"mode", std::string(mode)}})}; }});
  cases.push_back({"pad negative", {x}, [=](Builder& b, const Ids& in) { return Ids{b.node("pad", {in[0], b.integers({0, -1, 1, 1, 1, -2})})}; }});
  check(cases);
}

TEST(gathers) {
  const HostTensor x = scattered({3, 4}, 1);
  const HostTensor ids = integersOf({2, 2}, {0, 2, -1, 0}), along = integersOf({3, 2}, {0, 3, 1, 1, -1, 0}), tuples = integersOf({2, 1}, {2, 0}), pairs = integersOf({2, 2}, {2, 1, 0, 3});
  const auto with = [](const char* op, const HostTensor& indices, Attributes attributes = {}) {
    return [=](Builder& b, const Ids& in) {
      Ids operands{in[0], b.constant(indices)};
      operands.insert(operands.end(), in.begin() + 1, in.end());
      return Ids{b.node(op, operands, attributes)};
    };
  };
  check({
      {"gather", {x}, with("gather", ids)},
      {"gather axis 1", {x}, with("gather", ids, {{"axis", int64_t{1}}})},
      {"gatherElements", {x}, with("gatherElements", along, {{"axis", int64_t{1}}})},
      {"gatherNd", {x}, with("gatherNd", tuples)},
      {"gatherNd pairs", {x}, with("gatherNd", pairs)},
      {"gatherNd batch", {x}, with("gatherNd", integersOf({3, 2, 1}, {0, 1, 2, 3, 1, 1}), {{"batchDims", int64_t{1}}})},
      {"scatterElements", {x, scattered({3, 2}, 2)}, with("scatterElements", integersOf({3, 2}, {0, 3, 1, 2, 3, 0}), {{"axis", int64_t{1}}})},
      {"scatterElements add", {x, scattered({3, 2}, 2)}, with("scatterElements", along, {{"axis", int64_t{1}}, {"reduction", std::string("add")}})},
      {"scatterNd", {x, scattered({2, 4}, 2)}, with("scatterNd", tuples)},
      {"scatterNd pairs add", {x, scattered({2}, 2)}, with("scatterNd", pairs, {{"reduction", std::string("add")}})},
      {"oneHot", {scattered({2}, 2)}, [&](Builder& b, const Ids& in) {
         return Ids{b.node("oneHot", {b.constant(integersOf({3}, {0, 2, 1})), b.constant(HostTensor::scalar(DType::I64, 4)), in[0]})};
       }},
  });
}

TEST(matrix_products) {
  std::vector<Case> cases;
  const auto name = [](const Shape& a, const Shape& b) { return a.text() + " x " + b.text(); };
  const std::pair<Shape, Shape> plain[] = {{{3}, {3}}, {{3}, {3, 2}}, {{2, 3}, {3}}, {{2, 3}, {3, 4}}, {{5, 2, 3}, {3, 4}}, {{2, 3}, {5, 3, 4}}, {{2, 5, 2, 3}, {3, 4}}, {{5, 2, 3}, {5, 3, 4}},
                                           {{5, 1, 2, 3}, {4, 3, 2}}, {{5, 2, 3}, {3}}, {{3}, {5, 3, 2}}, {{1, 2, 3}, {5, 3, 2}}};
  for (const auto& [a, b] : plain) cases.push_back({name(a, b), {scattered(a, 1), scattered(b, 2)}, one("matMul")});
  for (const int64_t ta : {0, 1})
    for (const int64_t tb : {0, 1}) {
      const Attributes how{{"transposeA", ta}, {"transposeB", tb}};
      const Shape a = ta ? Shape{3, 2} : Shape{2, 3}, b = tb ? Shape{4, 3} : Shape{3, 4};
      cases.push_back({"transposed " + name(a, b), {scattered(a, 1), scattered(b, 2)}, one("matMul", how)});
      cases.push_back({"transposed left batch " + name(a, b), {scattered(prepend(2, a), 1), scattered(b, 2)}, one("matMul", how)});
      cases.push_back({"transposed right batch " + name(a, b), {scattered(a, 1), scattered(prepend(2, b), 2)}, one("matMul", how)});
      cases.push_back({"transposed both " + name(a, b), {scattered(prepend(2, a), 1), scattered(prepend(2, b), 2)}, one("matMul", how)});
    }
  check(cases);
}

TEST(convolutions) {
  std::vector<Case> cases;
  const auto strided = [](List strides, List dilations, List pads, int64_t group = 1) {
    return Attributes{{"strides", strides}, {"dilations", dilations}, {"pads", pads}, {"group", group}};
  };
  cases.push_back({"1d", {scattered({2, 2, 7}, 1), scattered({3, 2, 3}, 2), scattered({3}, 3)}, one("conv", strided({2}, {1}, {1, 0}))});
  cases.push_back({"2d", {scattered({2, 2, 5, 4}, 1), scattered({3, 2, 3, 2}, 2), scattered({3}, 3)}, one("conv", strided({2, 1}, {1, 2}, {1, 0, 0, 1}))});
  cases.push_back({"groups", {scattered({2, 4, 4, 4}, 1), scattered({6, 2, 2, 2}, 2)}, one("conv", strided({1, 2}, {1, 1}, {0, 1, 0, 1}, 2))});
  cases.push_back({"depthwise", {scattered({1, 3, 4, 4}, 1), scattered({3, 1, 3, 3}, 2)}, one("conv", {{"autoPad", std::string("sameUpper")}, {"group", int64_t{3}}})});
  cases.push_back({"3d", {scattered({1, 1, 3, 3, 3}, 1), scattered({2, 1, 2, 2, 2}, 2)}, one("conv")});
  Attributes padded = strided({2, 2}, {1, 1}, {1, 0, 0, 1});
  padded.set("outputPadding", List{1, 0});
  cases.push_back({"transposed", {scattered({2, 3, 3, 2}, 1), scattered({3, 2, 3, 2}, 2), scattered({2}, 3)}, one("convTranspose", padded)});
  cases.push_back({"transposed groups", {scattered({2, 4, 3, 2}, 1), scattered({4, 1, 2, 2}, 2)}, one("convTranspose", strided({1, 2}, {2, 1}, {0, 0, 1, 0}, 2))});
  check(cases);
}

TEST(normalisations) {
  const HostTensor image = scattered({3, 4, 2, 2}, 1), channels = scattered({4}, 2), shift = scattered({4}, 3), mean = scattered({4}, 4), variance = scattered({4}, 5, .4, 2);
  const HostTensor tokens = scattered({2, 3, 4}, 6);
  const auto train = [](Builder& b, const Ids& in) { return Ids{b.node("batchNormTrain", in, {{"epsilon", .1}})}; };
  const auto running = [](Builder& b, const Ids& in) { return b.nodes("batchNormTrain", in, 3, {{"epsilon", .1}}); };
  std::vector<Case> cases{
      {"batchNorm", {image, channels, shift, mean, variance}, one("batchNorm")},
      {"layerNorm", {tokens, channels, shift}, one("layerNorm")},
      {"layerNorm plain", {tokens}, one("layerNorm")},
      {"layerNorm two axes", {tokens, scattered({3, 4}, 7), scattered({3, 4}, 8)}, one("layerNorm", {{"axis", int64_t{1}}})},
      {"rmsNorm", {tokens, channels}, one("rmsNorm")},
      {"groupNorm", {image, channels, shift}, one("groupNorm", {{"groups", int64_t{2}}})},
      {"instanceNorm", {image, channels, shift}, one("groupNorm")},
      {"lrn", {image}, one("lrn", {{"size", int64_t{3}}, {"alpha", .5}}), false},
  };
  for (const int64_t axis : {-1, 0, 1}) {
    cases.push_back({"softmax" + show(axis), {tokens}, one("softmax", {{"axis", axis}})});
    cases.push_back({"logSoftmax" + show(axis), {tokens}, one("logSoftmax", {{"axis", axis}})});
  }
  cases.push_back({"batchNormTrain", {image, channels, shift, mean, variance}, train});
  cases.push_back({"batchNormTrain with statistics", {image, channels, shift, mean, variance}, running});
  check(cases);
}

TEST(poolings) {
  const HostTensor image = spaced({1, 2, 5, 4}, 1), line = spaced({2, 1, 6}, 2);
  const Attributes window{{"kernel", List{3, 2}}, {"strides", List{2, 1}}, {"pads", List{1, 0, 1, 1}}};
  Attributes ceiling = window, counted = window;
  ceiling.set("ceilMode", int64_t{1});
  counted.set("countIncludePad", int64_t{1});
  std::vector<Case> cases{
      {"maxPool", {image}, one("maxPool", window)},
      {"maxPool dilated", {line}, one("maxPool", {{"kernel", List{2}}, {"dilations", List{2}}})},
      {"averagePool", {image}, one("averagePool", window)},
      {"averagePool ceil", {image}, one("averagePool", ceiling)},
      {"averagePool pads counted", {image}, one("averagePool", counted)},
      {"globalAveragePool", {image}, one("globalAveragePool")},
      {"globalMaxPool", {image}, one("globalMaxPool")},
  };
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    const Attributes how{{"mode", std::string(mode)}};
    cases.push_back({std::string("resize scales ") + mode, {image}, [=](Builder& b, const Ids& in) { return Ids{b.node("resize", {in[0], b.constant(tensor({4}, {1, 1, 1.7, .6}))}, how)}; }});
    cases.push_back({std::string("resize sizes ") + mode, {image}, [=](Builder& b, const Ids& in) { return Ids{b.node("resize", {in[0], kNone, b.integers({1, 2, 7, 3})}, how)}; }});
  }
  check(cases);
}

TEST(attentions) {
  const HostTensor q = scattered({2, 2, 3, 4}, 1), k = scattered({2, 2, 5, 4}, 2), v = scattered({2, 2, 5, 3}, 3), mask = scattered({3, 5}, 4), square = scattered({2, 2, 3, 4}, 5);
  const Attributes scaled{{"scale", .5}}, causal{{"scale", .5}, {"causal", int64_t{1}}};
  check({
      {"attention", {q, k, v}, one("attention", scaled)},
      {"attention with mask", {q, k, v, mask}, one("attention", scaled)},
      {"attention with a fixed mask", {q, k, v}, [=](Builder& b, const Ids& in) { return Ids{b.node("attention", {in[0], in[1], in[2], b.constant(mask)}, scaled)}; }},
      {"causal attention", {q, square, scattered({2, 2, 3, 3}, 6)}, one("attention", causal)},
  });
}
