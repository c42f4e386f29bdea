#include <cmath>

#include "autodiff_support.h"
#include "graph/op.h"
#include "graph/specialise.h"
#include "harness.h"

using namespace ascribe;
using namespace ascribe::test;

namespace {

using Ids = std::vector<ValueId>;

/// A vjp node as the door writes it; its outputs become outputs of the graph.
Ids appendVjp(Graph& graph, const Ids& outputs, const Ids& seeds, const Ids& wanted, const char* parameters = "summed") {
  Ids operands = outputs;
  operands.insert(operands.end(), seeds.begin(), seeds.end());
  operands.insert(operands.end(), wanted.begin(), wanted.end());
  const bool pairs = std::string(parameters) == "factors";
  return Builder(graph).nodes("vjp", operands, static_cast<int>(pairs ? 2 * wanted.size() : wanted.size()),
                              {{"outputs", static_cast<int64_t>(outputs.size())}, {"parameters", std::string(parameters)}});
}
size_t count(const Graph& graph, const char* op) {
  size_t n = 0;
  for (const Node& node : graph.nodes) n += node.op->name == op;
  return n;
}

std::shared_ptr<const Graph> body(size_t inputs, const Body& write) {
  auto graph = std::make_shared<Graph>();
  Ids in;
  for (size_t i = 0; i < inputs; ++i) in.push_back(graph->addInput("in" + std::to_string(i), DType::F64, Shape{2}));
  Builder b(*graph);
  graph->outputs = write(b, in);
  return graph;
}

/// y = round(x), dy/dx taken for 1.
struct StraightThrough {
  Graph graph;
  ValueId x, y;
};
StraightThrough straightThrough() {
  StraightThrough s;
  s.x = s.graph.addInput("x", DType::F64, Shape{2});
  s.graph.subgraphs["round"] = body(1, [](Builder& b, const Ids& in) { return Ids{b.node("round", {in[0]})}; });
  s.graph.subgraphs["pass"] = body(3, [](Builder&, const Ids& in) { return Ids{in[2]}; });
  s.y = s.graph.addNode(op("customDerivative"), {s.x}, {{"forward", std::string("round")}, {"backward", std::string("pass")}}, 1, "quantise");
  SpecialiseOptions options;
  options.precision = DType::F64;
  inferAndFold(s.graph, options);
  return s;
}

}  // namespace

TEST(a_vjp_node_is_replaced_and_what_follows_is_typed_again) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F64, Shape{3, 2}), w = graph.addParameter("w", scattered({2, 2}, 1));
  Builder b(graph);
  const ValueId y = b.node("sigmoid", {b.node("matMul", {x, w})});
  const ValueId seed = graph.addInput("seed", DType::F64, Shape{1, 3, 2});
  const ValueId each = appendVjp(graph, {y}, {seed}, {w}, "perExample")[0];
  graph.value(each).name = "gradients";
  const ValueId norm = b.node("sum", {b.mul(each, each)}, {{"axes", std::vector<int64_t>{-2, -1}}, {"keepDims", int64_t{0}}});
  graph.outputs = {y, each, norm};
  const ExpandResult result = expandDerivatives(graph);
  EXPECT_EQ(result.unconnected.size(), size_t{0});
  EXPECT_EQ(count(graph, "vjp"), size_t{0});
  EXPECT_EQ(graph.shape(each).text(), std::string("[1,3,2,2]"));
  EXPECT_EQ(graph.shape(norm).text(), std::string("[1,3]"));
  EXPECT_EQ(graph.find("gradients"), each);
  const Values values = interpret(graph, {{x, scattered({3, 2}, 2)}, {seed, filled({1, 3, 2}, 1)}});
  double squares = 0;
  for (double value : numbers(values.at(each))) squares += value * value;
  double total = 0;
  for (double value : numbers(values.at(norm))) total += value;
  EXPECT_NEAR(total, squares, 1e-12);
}

TEST(unconnected_values_get_zeros_and_are_named) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F64, Shape{2}), z = graph.addInput("aside", DType::F64, Shape{3});
  Builder b(graph);
  const ValueId y = b.mul(x, x), seed = graph.addInput("seed", DType::F64, Shape{2, 2});
  const Ids found = appendVjp(graph, {y}, {seed}, {x, z});
  graph.outputs = found;
  const ExpandResult result = expandDerivatives(graph);
  REQUIRE(result.unconnected.size() == 1);
  EXPECT_EQ(result.unconnected[0], std::string("aside"));
  const Values values = interpret(graph, {{x, tensor({2}, {1, 2})}, {z, filled({3}, 1)}, {seed, tensor({2, 2}, {1, 0, 0, 1})}});
  EXPECT_CLOSE(values.at(found[0]), tensor({2, 2}, {2, 0, 0, 4}), 0);
  EXPECT_CLOSE(values.at(found[1]), filled({2, 3}, 0), 0);
}

TEST(a_gradient_that_is_the_seed_itself_keeps_its_own_name) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F64, Shape{2}), seed = graph.addInput("seed", DType::F64, Shape{1, 2});
  Builder b(graph);
  const ValueId y = b.node("identity", {x});
  const Ids found = appendVjp(graph, {y}, {seed}, {x, y});
  for (size_t i = 0; i < 2; ++i) graph.value(found[i]).name = "g" + std::to_string(i);
  graph.outputs = found;
  expandDerivatives(graph);
  const Values values = interpret(graph, {{x, filled({2}, 1)}, {seed, tensor({1, 2}, {3, 4})}});
  for (const char* name : {"g0", "g1"}) EXPECT_CLOSE(values.at(graph.find(name)), tensor({1, 2}, {3, 4}), 0);
}

TEST(factors_come_out_in_pairs) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F64, Shape{3, 2}), w = graph.addParameter("w", scattered({2, 4}, 1));
  Builder b(graph);
  const ValueId y = b.node("matMul", {x, w}), seed = graph.addInput("seed", DType::F64, Shape{1, 3, 4});
  const Ids found = appendVjp(graph, {y}, {seed}, {w}, "factors");
  graph.outputs = found;
  expandDerivatives(graph);
  EXPECT_EQ(graph.shape(found[0]).text(), std::string("[3,2]"));
  EXPECT_EQ(graph.shape(found[1]).text(), std::string("[1,3,4]"));
}

TEST(inner_derivatives_are_expanded_first) {
  // d/dx of (d/dx x^3)^2 = 36 x^3
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F64, Shape{2}), seed = graph.addInput("seed", DType::F64, Shape{1, 2});
  Builder b(graph);
  const ValueId inner = appendVjp(graph, {b.mul(x, b.mul(x, x))}, {seed}, {x})[0];
  const ValueId square = b.mul(inner, inner), again = graph.addInput("again", DType::F64, Shape{1, 1, 2});
  const ValueId outer = appendVjp(graph, {square}, {again}, {x})[0];
  graph.outputs = {outer};
  expandDerivatives(graph);
  EXPECT_EQ(count(graph, "vjp"), size_t{0});
  const Values values = interpret(graph, {{x, tensor({2}, {.5, 2})}, {seed, filled({1, 2}, 1)}, {again, filled({1, 1, 2}, 1)}});
  EXPECT_CLOSE(values.at(outer), tensor({1, 2}, {36 * .125, 36 * 8.}), 1e-14);
}

TEST(a_straight_through_estimator_passes_gradients) {
  StraightThrough s = straightThrough();
  Builder b(s.graph);
  const ValueId y = b.mul(s.y, s.y), seed = s.graph.addInput("seed", DType::F64, Shape{2, 2});
  const ValueId g = appendVjp(s.graph, {y}, {seed}, {s.x})[0];
  s.graph.outputs = {y, g};
  expandDerivatives(s.graph);
  EXPECT_EQ(count(s.graph, "customDerivative"), size_t{0});
  const Values values = interpret(s.graph, {{s.x, tensor({2}, {1.8, -.7})}, {seed, tensor({2, 2}, {1, 0, 0, 1})}});
  EXPECT_CLOSE(values.at(y), tensor({2}, {4, 1}), 0);
  EXPECT_CLOSE(values.at(g), tensor({2, 2}, {4, 0, 0, -2}), 0);
}

TEST(a_custom_derivative_reads_inputs_outputs_and_two_cotangents) {
  // (a, b) -> (exp(a), a b) with its true derivative written by hand: K meets saved values by broadcasting.
  Graph graph;
  const ValueId x0 = graph.addInput("x0", DType::F64, Shape{2}), x1 = graph.addInput("x1", DType::F64, Shape{2});
  graph.subgraphs["f"] = body(2, [](Builder& b, const Ids& in) { return Ids{b.node("exp", {in[0]}), b.mul(in[0], in[1])}; });
  graph.subgraphs["g"] = body(6, [](Builder& b, const Ids& in) {
    return Ids{b.add(b.mul(in[4], in[2]), b.mul(in[5], in[1])), b.mul(in[5], in[0])};
  });
  const ValueId first = graph.addNode(op("customDerivative"), {x0, x1}, {{"forward", std::string("f")}, {"backward", std::string("g")}}, 2, "both");
  SpecialiseOptions options;
  options.precision = DType::F64;
  inferAndFold(graph, options);
  for (const bool second : {false, true}) {
    Graph copy = graph;
    const ValueId y = second ? Builder(copy).add(first, first + 1) : first;
    const ValueId seed = copy.addInput("seed", DType::F64, Shape{3, 2});
    const Ids found = appendVjp(copy, {y}, {seed}, {x0, x1});
    copy.outputs = found;
    expandDerivatives(copy);
    const HostTensor s = scattered({3, 2}, 5);
    const Values values = interpret(copy, {{x0, tensor({2}, {.5, -1})}, {x1, tensor({2}, {2, 3})}, {seed, s}});
    std::vector<double> a, c;
    for (int64_t i = 0; i < 6; ++i) {
      const double u = i % 2 ? -1 : .5, v = i % 2 ? 3 : 2;
      a.push_back(s.real(i) * (std::exp(u) + (second ? v : 0)));
      c.push_back(second ? s.real(i) * u : 0);
    }
    EXPECT_CLOSE(values.at(found[0]), tensor({3, 2}, a), 1e-15);
    EXPECT_CLOSE(values.at(found[1]), tensor({3, 2}, c), 1e-15);
  }
}

TEST(a_backward_body_of_the_wrong_shape_is_an_error) {
  StraightThrough s = straightThrough();
  s.graph.subgraphs["pass"] = body(3, [](Builder& b, const Ids& in) { return Ids{b.sum(in[2], {0}, true)}; });
  const ValueId seed = s.graph.addInput("seed", DType::F64, Shape{2, 2});
  s.graph.outputs = appendVjp(s.graph, {s.y}, {seed}, {s.x});
  EXPECT_THROWS_CODE(expandDerivatives(s.graph), "MODEL_INVALID");
}
