#include <string>

#include "autodiff_support.h"
#include "graph/op.h"
#include "harness.h"

using namespace ascribe;
using namespace ascribe::test;

namespace {

using Ids = std::vector<ValueId>;

/// Rows of `source` [rows, ...], one of them, kept as a batch of one.
HostTensor row(const HostTensor& source, int64_t index) {
  Shape shape = source.shape();
  shape[0] = 1;
  const auto all = numbers(source);
  const auto size = static_cast<size_t>(shape.count());
  return tensor(shape, {all.begin() + static_cast<ptrdiff_t>(size) * index, all.begin() + static_cast<ptrdiff_t>(size) * (index + 1)});
}
HostTensor seen(const HostTensor& source, const Shape& shape) { return tensor(shape, numbers(source)); }

/// A small network with every kind of parameter: embedding-free, convolution, per-channel scale, weights, biases.
struct Network {
  Graph graph;
  ValueId input, output;
  std::vector<ValueId> parameters;
};
Network network(int64_t batch) {
  Network n;
  n.input = n.graph.addInput("x", DType::F64, Shape{batch, 2, 4, 4});
  const auto parameter = [&](const char* name, const Shape& shape, uint64_t seed, double low = -1) {
    n.parameters.push_back(n.graph.addParameter(name, scattered(shape, seed, low, 1)));
    return n.parameters.back();
  };
  Builder b(n.graph);
  ValueId h = b.node("conv", {n.input, parameter("kernel", {3, 2, 3, 3}, 1), parameter("shift", {3}, 2)}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  h = b.node("batchNorm", {h, parameter("scale", {3}, 3), parameter("offset", {3}, 4), parameter("mean", {3}, 5), parameter("variance", {3}, 6, .5)});
  h = b.node("softplus", {h});
  h = b.reshape(h, Shape{batch, 6, 8});
  h = b.add(b.node("matMul", {h, parameter("weights", {8, 5}, 7)}), parameter("bias", {5}, 8));
  h = b.node("layerNorm", {h, parameter("gain", {5}, 9), parameter("centre", {5}, 10)});
  h = b.mul(h, parameter("position", {1, 6, 5}, 11));
  // A weight that is derived from another one before it meets data.
  const ValueId derived = b.transpose(b.node("tanh", {parameter("raw", {4, 5}, 12)}), {1, 0});
  n.output = b.sum(b.node("matMul", {b.node("sigmoid", {h}), derived}), {1}, false);
  return n;
}

HostTensor gradientOfParameter(const Network& n, size_t which, const HostTensor& x, const HostTensor& seed, ParameterGradient mode) {
  Graph graph = n.graph;
  const ValueId s = graph.addInput("seed", DType::F64, seed.shape());
  const VjpResult result = vjp(graph, {.outputs = {n.output}, .seeds = {s}, .wanted = {n.parameters[which]}, .parameters = mode});
  REQUIRE(result.gradients[0] != kNone);
  return interpret(graph, {{n.input, x}, {s, seed}}).at(result.gradients[0]);
}

}  // namespace

TEST(fan_out_adds) {
  const HostTensor x = scattered({3, 2}, 1);
  const Function f = function({x}, [](Builder& b, const Ids& in) {
    const ValueId s = b.node("sin", in);
    return Ids{b.add(b.mul(s, in[0]), b.mul(s, s)), b.mul(in[0], in[0])};
  });
  EXPECT_TRUE(againstDifferences(f, {x}) < 1e-8);
}

TEST(broadcasting_sums_what_was_repeated) {
  const HostTensor a = scattered({4, 1, 3}, 1), c = scattered({2, 1}, 2), d = scattered({}, 3);
  const Function f = function({a, c, d}, [](Builder& b, const Ids& in) { return Ids{b.div(b.mul(in[0], in[1]), b.offset(b.mul(in[2], in[2]), 1))}; });
  EXPECT_TRUE(againstDifferences(f, {a, c, d}) < 1e-8);
}

TEST(three_cotangents_equal_three_runs) {
  const Network n = network(2);
  const Function f{n.graph, {n.input}, {n.output}};
  const HostTensor x = scattered({2, 2, 4, 4}, 20), seeds = scattered({3, 2, 4}, 21);
  const HostTensor together = call(gradientOf(f, 3), {x, seeds})[0];
  const Function one = gradientOf(f, 1);
  for (int64_t k = 0; k < 3; ++k) {
    const HostTensor alone = call(one, {x, row(seeds, k)})[0];
    EXPECT_CLOSE(row(together, k), alone, 1e-13);
  }
}

TEST(parameters_per_example_equal_examples_one_by_one) {
  const Network many = network(3), single = network(1);
  const HostTensor x = scattered({3, 2, 4, 4}, 30), seeds = scattered({2, 3, 4}, 31);
  for (size_t p = 0; p < many.parameters.size(); ++p) {
    const HostTensor all = gradientOfParameter(many, p, x, seeds, ParameterGradient::PerExample);
    const Shape w = many.graph.shape(many.parameters[p]);
    REQUIRE(all.shape() == prepend(2, prepend(3, w)));
    for (int64_t k = 0; k < 2; ++k)
      for (int64_t example = 0; example < 3; ++example) {
        const HostTensor seed = seen(row(seen(row(seeds, k), {3, 4}), example), {1, 1, 4});
        const HostTensor alone = gradientOfParameter(single, p, row(x, example), seed, ParameterGradient::Summed);
        const HostTensor found = row(seen(row(all, k), prepend(3, w)), example);
        EXPECT_CLOSE(found, alone, 1e-12);
      }
  }
}

TEST(examples_add_up_to_the_summed_gradient) {
  const Network n = network(3);
  const HostTensor x = scattered({3, 2, 4, 4}, 40), seed = scattered({1, 3, 4}, 41);
  for (size_t p = 0; p < n.parameters.size(); ++p) {
    const auto each = numbers(gradientOfParameter(n, p, x, seed, ParameterGradient::PerExample));
    const auto summed = numbers(gradientOfParameter(n, p, x, seed, ParameterGradient::Summed));
    for (size_t i = 0; i < summed.size(); ++i)
      EXPECT_NEAR(each[i] + each[i + summed.size()] + each[i + 2 * summed.size()], summed[i], 1e-11);
  }
}

TEST(factors_multiply_to_the_summed_gradient) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F64, Shape{4, 3}), w = graph.addParameter("w", scattered({3, 2}, 50)), bias = graph.addParameter("b", scattered({2}, 51));
  Builder b(graph);
  const ValueId y = b.node("tanh", {b.add(b.node("matMul", {x, w}), bias)});
  const ValueId seed = graph.addInput("seed", DType::F64, Shape{2, 4, 2});
  const VjpRequest request{.outputs = {y}, .seeds = {seed}, .wanted = {w, bias}};
  VjpRequest asFactors = request;
  asFactors.parameters = ParameterGradient::Factors;
  const VjpResult summed = vjp(graph, request), factors = vjp(graph, asFactors);
  EXPECT_EQ(factors.gradients[0], kNone);
  REQUIRE(factors.factors[0].size() == 2);
  EXPECT_EQ(factors.factors[0][0], x);
  EXPECT_EQ(factors.factors[1].size(), size_t{0});
  const ValueId product = b.node("matMul", {factors.factors[0][0], factors.factors[0][1]}, {{"transposeA", int64_t{1}}});
  const Values values = interpret(graph, {{x, scattered({4, 3}, 52)}, {seed, scattered({2, 4, 2}, 53)}});
  EXPECT_CLOSE(values.at(product), values.at(summed.gradients[0]), 1e-14);
  EXPECT_CLOSE(values.at(factors.gradients[1]), values.at(summed.gradients[1]), 1e-14);
}

TEST(embeddings_have_gradients_per_example) {
  Graph graph;
  const ValueId table = graph.addParameter("table", scattered({5, 2}, 60));
  const ValueId ids = graph.addInput("ids", DType::I64, Shape{2, 3}), seed = graph.addInput("seed", DType::F64, Shape{1, 2, 3, 2});
  Builder b(graph);
  const ValueId y = b.node("gather", {table, ids});
  const VjpResult result = vjp(graph, {.outputs = {y}, .seeds = {seed}, .wanted = {table}, .parameters = ParameterGradient::PerExample});
  HostTensor tokens(DType::I64, Shape{2, 3});
  const int64_t read[] = {1, 4, 1, -1, 0, 2};
  std::copy(read, read + 6, static_cast<int64_t*>(tokens.mutableData()));
  const HostTensor found = interpret(graph, {{ids, tokens}, {seed, tensor({1, 2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})}}).at(result.gradients[0]);
  EXPECT_CLOSE(found, tensor({1, 2, 5, 2}, {0, 0, 6, 8, 0, 0, 0, 0, 3, 4, 9, 10, 0, 0, 11, 12, 0, 0, 7, 8}), 0);
}

TEST(a_stopped_gradient_is_a_constant) {
  const HostTensor x = tensor({2}, {2, 3});
  const Function f = function({x}, [](Builder& b, const Ids& in) { return Ids{b.mul(in[0], b.node("stopGradient", {b.mul(in[0], in[0])}))}; });
  EXPECT_CLOSE(call(gradientOf(f), {x, filled({1, 2}, 1)})[0], tensor({1, 2}, {4, 9}), 0);
}

TEST(zero_is_not_the_same_as_not_connected) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F64, Shape{2}), other = graph.addInput("other", DType::F64, Shape{3});
  Builder b(graph);
  const ValueId steps = b.node("floor", {x});
  const ValueId index = b.node("cast", {b.node("argMax", {other}, {{"axis", int64_t{0}}})}, {{"to", std::string("f64")}});
  const ValueId y = b.add(steps, index);
  const ValueId seed = graph.addInput("seed", DType::F64, Shape{1, 2});
  const VjpResult result = vjp(graph, {.outputs = {y}, .seeds = {seed}, .wanted = {x, other}});
  EXPECT_EQ(result.gradients[1], kNone);
  REQUIRE(result.gradients[0] != kNone);
  const Values values = interpret(graph, {{x, tensor({2}, {.5, 1.5})}, {other, tensor({3}, {1, 2, 3})}, {seed, filled({1, 2}, 1)}});
  EXPECT_CLOSE(values.at(result.gradients[0]), filled({1, 2}, 0), 0);
}

TEST(nothing_is_computed_that_nobody_asked_for) {
  const Network n = network(2);
  Graph graph = n.graph;
  const ValueId seed = graph.addInput("seed", DType::F64, Shape{1, 2, 4});
  vjp(graph, {.outputs = {n.output}, .seeds = {seed}, .wanted = {n.input}});
  for (const Node& node : graph.nodes) EXPECT_TRUE(node.op->name != "convWeightGradient");
  // The gradient of the last bias needs nothing of the convolution.
  Graph top = n.graph;
  const ValueId again = top.addInput("seed", DType::F64, Shape{1, 2, 4});
  vjp(top, {.outputs = {n.output}, .seeds = {again}, .wanted = {n.parameters[7]}});
  for (const Node& node : top.nodes) EXPECT_TRUE(node.op->name != "convDataGradient" && node.op->name != "convWeightGradient");
}

TEST(all_unsupported_nodes_are_listed_by_name) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F64, Shape{2}), state = graph.addState("cache", DType::F64, Shape{4});
  Builder b(graph);
  ValueId y = x;
  for (const char* name : {"first", "second"}) {
    y = b.node("appendState", {state, y, b.constant(HostTensor::scalar(DType::I64, 0))});
    graph.nodes.back().name = name;
    y = b.node("slice", {y, b.integers({0}), b.integers({2})});
  }
  const ValueId seed = graph.addInput("seed", DType::F64, Shape{1, 2});
  const VjpRequest request{.outputs = {y}, .seeds = {seed}, .wanted = {x}};
  EXPECT_THROWS_CODE(vjp(graph, request), "DERIVATIVE_UNSUPPORTED");
  try {
    vjp(graph, request);
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).find("first (appendState), second (appendState)") != std::string::npos);
  }
}

TEST(a_rule_set_falls_back_and_says_where) {
  static const RegisterVjp registered("relu", [](VjpContext& c) { c.gradient(0, c.b.node("relu", {c.cotangent()})); }, "onlyForThisTest");
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F64, Shape{2});
  Builder b(graph);
  const ValueId y = b.node("relu", {b.node("sin", {x})});
  graph.nodes[0].name = "wave";
  const ValueId seed = graph.addInput("seed", DType::F64, Shape{1, 2});
  const VjpResult result = vjp(graph, {.outputs = {y}, .seeds = {seed}, .wanted = {x}, .ruleSet = "onlyForThisTest"});
  EXPECT_EQ(result.fallbacks.size(), size_t{1});
  EXPECT_EQ(result.fallbacks.at(0), std::string("wave (sin)"));
  const Values values = interpret(graph, {{x, tensor({2}, {0, 3.2})}, {seed, tensor({1, 2}, {-1, 1})}});
  EXPECT_CLOSE(values.at(result.gradients[0]), tensor({1, 2}, {0, std::cos(3.2)}), 1e-15);
  EXPECT_THROWS_CODE(vjp(graph, {.outputs = {y}, .seeds = {seed}, .wanted = {x}, .ruleSet = "nobodyWroteThis"}), "OPTION_RANGE");
}

TEST(integers_have_no_gradient) {
  Graph graph;
  const ValueId ids = graph.addInput("ids", DType::I64, Shape{2});
  Builder b(graph);
  const ValueId y = b.node("gather", {b.constant(tensor({3}, {1, 2, 3})), ids});
  const ValueId seed = graph.addInput("seed", DType::F64, Shape{1, 2});
  EXPECT_THROWS_CODE(vjp(graph, {.outputs = {y}, .seeds = {seed}, .wanted = {ids}}), "INPUT_DTYPE");
  EXPECT_THROWS_CODE(vjp(graph, {.outputs = {y}, .seeds = {y}, .wanted = {y}}), "INPUT_SHAPE");
}
