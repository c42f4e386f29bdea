#include <algorithm>
#include <cmath>

#include "cpu_support.h"
#include "device_support.h"
#include "graph/op.h"
#include "harness.h"

/// Activations that are made again for the gradient: the same bits from less memory.
namespace ascribe::test {
namespace {

constexpr int64_t kWidth = 64;
constexpr size_t kOne = kWidth * kWidth * 4;  // an activation

/// x -> tanh(W x) sixteen times; each tanh is read again by its gradient.
Graph chain(int layers) {
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{kWidth, kWidth});
  ValueId y = x;
  for (int layer = 0; layer < layers; ++layer) {
    y = b.node("matMul", {y, b.constant(floats({kWidth, kWidth}, 20 + static_cast<uint64_t>(layer), -0.2, 0.2))});
    y = b.node("tanh", {y});
    graph.value(y).name = "layer" + std::to_string(layer);
  }
  const ValueId seeds = b.constant(floats({1, kWidth, kWidth}, 9));
  graph.outputs = {b.node("vjp", {y, seeds, x}, {{"outputs", int64_t{1}}})};
  return graph;
}

std::shared_ptr<const Plan> planOf(const Graph& graph, std::optional<size_t> recompute) {
  CompileOptions options;
  options.recompute = recompute;
  return compile(graph, std::make_shared<Parameters>(), options);
}

std::vector<HostTensor> outputsOf(std::shared_ptr<const Plan> plan, int threads = 1) {
  RunRequest request;
  request.plan = std::move(plan);
  request.inputs = {floats({kWidth, kWidth}, 3)};
  return run(std::move(request), threads);
}

int again(const Plan& plan) {
  return static_cast<int>(std::count_if(plan.steps().begin(), plan.steps().end(), [](const PlanStep& step) { return step.isAgain; }));
}

TEST(activations_made_again_give_the_same_bits_from_less_memory) {
  const Graph graph = chain(16);
  const auto kept = planOf(graph, std::nullopt), least = planOf(graph, 0);
  // Sixteen results wait, and the gradient with the product that it goes through needs one more place.
  EXPECT_EQ(kept->arenaBytes(), 17 * kOne);
  EXPECT_EQ(again(*kept), 0);
  EXPECT_EQ(least->keptArenaBytes(), 17 * kOne);
  EXPECT_EQ(least->arenaBytes(), 8 * kOne);
  for (const int threads : {1, 3}) EXPECT_TRUE(sameBits(outputsOf(kept, threads)[0], outputsOf(least, threads)[0]));
}

TEST(a_budget_is_met_with_as_little_work_as_it_takes) {
  const Graph graph = chain(16);
  const auto kept = planOf(graph, std::nullopt);
  int before = 0;
  for (size_t ones = 16; ones >= 8; --ones) {
    const auto plan = planOf(graph, ones * kOne);
    EXPECT_TRUE(plan->arenaBytes() <= ones * kOne);
    EXPECT_TRUE(again(*plan) >= before);
    before = again(*plan);
    EXPECT_TRUE(sameBits(outputsOf(kept)[0], outputsOf(plan)[0]));
  }
  EXPECT_EQ(again(*planOf(graph, 17 * kOne)), 0);
  EXPECT_EQ(again(*planOf(graph, 16 * kOne)), 2);  // one layer
  EXPECT_THROWS_CODE(planOf(graph, 4 * kOne), "OUT_OF_MEMORY_BUDGET");
}

TEST(what_somebody_observes_stays_and_is_a_place_to_start_from) {
  Graph graph = chain(16);
  CompileOptions options;
  options.pinned = {"layer2", "layer5", "layer6", "layer9"};
  const auto kept = compile(graph, std::make_shared<Parameters>(), options);
  options.recompute = 0;
  const auto least = compile(graph, std::make_shared<Parameters>(), options);
  for (const std::string& name : options.pinned) EXPECT_TRUE(least->graph().value(least->graph().find(name)).pinned);
  for (const std::string& name : options.pinned) EXPECT_EQ(least->graph().find(name + " again"), kNone);
  EXPECT_TRUE(least->graph().find("layer4 again") != kNone);
  EXPECT_TRUE(least->arenaBytes() < kept->arenaBytes());
  EXPECT_TRUE(sameBits(outputsOf(kept)[0], outputsOf(least)[0]));
}

TEST(what_is_given_out_is_not_made_again_nor_what_is_too_small_to_matter) {
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{kWidth, kWidth});
  ValueId y = x, middle = kNone;
  for (int layer = 0; layer < 16; ++layer) {
    y = b.node("tanh", {b.node("matMul", {y, b.constant(floats({kWidth, kWidth}, 20 + static_cast<uint64_t>(layer), -0.2, 0.2))})});
    graph.value(y).name = "layer" + std::to_string(layer);
    if (layer == 6) middle = y;
    const ValueId mean = b.node("mean", {y}, {{"axes", std::vector<int64_t>{0, 1}}, {"keepDims", int64_t{1}}});
    graph.value(mean).name = "mean" + std::to_string(layer);
    y = b.mul(y, mean);
  }
  graph.outputs = {b.node("vjp", {y, b.constant(floats({1, kWidth, kWidth}, 9)), x}, {{"outputs", int64_t{1}}}), middle};
  const auto kept = planOf(graph, std::nullopt), least = planOf(graph, 0);
  EXPECT_TRUE(least->graph().find("layer5 again") != kNone);
  EXPECT_EQ(least->graph().find("layer6 again"), kNone);
  for (int layer = 0; layer < 16; ++layer) EXPECT_EQ(least->graph().find("mean" + std::to_string(layer) + " again"), kNone);
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(sameBits(outputsOf(kept)[i], outputsOf(least)[i]));
}

/// A state that is written over would give other numbers the second time.
TEST(what_a_state_held_is_kept) {
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{kWidth, kWidth}), state = graph.addState("state", DType::F32, Shape{kWidth, kWidth});
  ValueId y = x;
  for (int layer = 0; layer < 12; ++layer) {
    const ValueId factor = b.node("tanh", {b.node("assignState", {state, b.constant(floats({kWidth, kWidth}, 40 + static_cast<uint64_t>(layer)))})});
    y = b.node("tanh", {b.mul(b.node("sigmoid", {y}), factor)});
  }
  graph.outputs = {b.node("vjp", {y, b.constant(floats({1, kWidth, kWidth}, 9)), x}, {{"outputs", int64_t{1}}})};
  const auto kept = planOf(graph, std::nullopt), least = planOf(graph, 0);
  const auto outputOf = [&](const std::shared_ptr<const Plan>& plan) {
    RunRequest request;
    request.plan = plan;
    request.inputs = {floats({kWidth, kWidth}, 3)};
    request.session = std::make_shared<Session>(graph, std::map<std::string, int64_t>{}, openDevice("cpu"));
    return run(std::move(request))[0];
  };
  EXPECT_TRUE(again(*least) > 0);
  EXPECT_TRUE(sameBits(outputOf(kept), outputOf(least)));
}

/// What was random must be the same the second time; it is kept.
TEST(random_numbers_are_not_drawn_again) {
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{kWidth, kWidth});
  ValueId y = x;
  for (int layer = 0; layer < 12; ++layer) {
    const ValueId noise = b.node("randomUniform", {y}, {{"seed", int64_t{5}}, {"stream", int64_t{layer}}});
    y = b.node("tanh", {b.mul(b.node("sigmoid", {y}), noise)});
  }
  const ValueId seeds = b.constant(floats({1, kWidth, kWidth}, 9));
  graph.outputs = {b.node("vjp", {y, seeds, x}, {{"outputs", int64_t{1}}})};
  const auto kept = planOf(graph, std::nullopt), least = planOf(graph, 0);
  const auto draws = [](const Plan& plan) {
    return std::count_if(plan.graph().nodes.begin(), plan.graph().nodes.end(), [](const Node& node) { return node.op->name == "randomUniform"; });
  };
  EXPECT_EQ(draws(*least), 12);
  EXPECT_TRUE(least->arenaBytes() < kept->arenaBytes());
  EXPECT_TRUE(sameBits(outputsOf(kept)[0], outputsOf(least)[0]));
}

/// A second derivative goes forth and back twice; what its first way back reads is kept for the second.
TEST(second_derivatives_have_the_same_bits) {
  Graph graph = chain(10);
  Builder b(graph);
  const ValueId gradient = graph.outputs[0];
  graph.outputs = {b.node("vjp", {gradient, b.constant(floats({1, 1, kWidth, kWidth}, 11)), graph.inputs[0]}, {{"outputs", int64_t{1}}})};
  const auto kept = planOf(graph, std::nullopt), least = planOf(graph, 0);
  EXPECT_TRUE(least->arenaBytes() <= kept->arenaBytes());
  EXPECT_TRUE(sameBits(outputsOf(kept)[0], outputsOf(least)[0]));
}

/// The pass by its name, and plans without a gradient.
TEST(nothing_is_made_again_where_nobody_asks) {
  Graph graph = chain(16);
  CompileOptions options;
  options.recompute = 0;
  options.withoutPasses = {"recompute"};
  EXPECT_EQ(compile(graph, std::make_shared<Parameters>(), options)->arenaBytes(), 17 * kOne);
  Graph forward = chain(16);
  forward.outputs = {forward.find("layer15")};
  EXPECT_EQ(again(*planOf(forward, 1)), 0);
}

}  // namespace
}  // namespace ascribe::test
