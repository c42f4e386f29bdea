#include <algorithm>
#include <cmath>
#include <functional>

#include "cpu_support.h"
#include "device_support.h"
#include "harness.h"
#include "op_cases/cuda.h"

/// Layers that are affine in a path are computed at its ends, and summed gradients go back through them once.
namespace ascribe::test {
namespace {

using Ints = std::vector<int64_t>;
constexpr int64_t kRows = 5;

/// What a net makes of the points of a path [N, ...]: one number of each row.
using Net = std::function<ValueId(Builder&, ValueId)>;

struct Path {
  std::shared_ptr<const Plan> plan;
  std::vector<HostTensor> results;
};

Path path(const Shape& one, const Net& net, std::vector<std::string> without, int threads = 1, const std::string& device = "cpu") {
  Graph graph;
  Builder b(graph);
  const ValueId from = graph.addInput("from", DType::F32, one), to = graph.addInput("to", DType::F32, one);
  const ValueId position = graph.addInput("position", DType::F32, Shape{kRows}), weights = graph.addInput("weights", DType::F32, Shape{1, kRows});
  const ValueId points = b.node("interpolate", {from, to, position});
  const ValueId objective = net(b, points);
  const ValueId gradient = b.node("vjp", {objective, weights, points}, {{"outputs", int64_t{1}}});
  graph.outputs = {b.node("sumTo", {gradient, from}, {{"leading", int64_t{1}}}), objective};
  CompileOptions options;
  options.withoutPasses = std::move(without);
  options.steady = {"from", "to"};
  options.device = device;
  Path out;
  out.plan = compile(graph, std::make_shared<Parameters>(), options);
  RunRequest request;
  request.plan = out.plan;
  request.inputs = {floats(one, 3), floats(one, 4), floatsOf({kRows}, {0, 0.25F, 0.5F, 0.8F, 1}), floatsOf({1, kRows}, {0, 0.3F, 0.4F, 0.3F, 0})};
  out.results = run(std::move(request), threads);
  return out;
}

int count(const Plan& plan, std::string_view op, int64_t rows, int axis, int rank) {
  return static_cast<int>(std::count_if(plan.graph().nodes.begin(), plan.graph().nodes.end(), [&](const Node& node) {
    const Shape& shape = plan.graph().shape(node.outputs[0]);
    return node.op->name == op && shape.rank() == rank && shape[axis] == rows;
  }));
}

double distance(const HostTensor& a, const HostTensor& b) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < b.shape().count(); ++i) {
    difference += (a.real(i) - b.real(i)) * (a.real(i) - b.real(i));
    size += b.real(i) * b.real(i);
  }
  return std::sqrt(difference / size);
}

ValueId total(Builder& b, ValueId x) {
  Ints axes;
  for (int axis = 1; axis < b.shape(x).rank(); ++axis) axes.push_back(axis);
  return b.sum(x, axes, false);
}
ValueId convolved(Builder& b, ValueId x, int64_t channels, uint64_t seed, const Attributes& how = {{"pads", Ints(4, 1)}}) {
  return b.node("conv", {x, b.constant(floats({channels, b.shape(x)[1], 3, 3}, seed, -0.4, 0.4)), b.constant(floats({channels}, seed + 1, -0.2, 0.2))}, how);
}

void expectShared(const Shape& one, const Net& net, const char* product, const char* gradient) {
  for (const int threads : {1, 3})
    for (const bool blocked : {true, false}) {
      std::vector<std::string> without;
      if (!blocked) without.emplace_back("assign-layouts");
      const Path shared = path(one, net, without, threads);
      without.emplace_back("share-linear-layers");
      const Path plain = path(one, net, without, threads);
      EXPECT_TRUE(distance(shared.results[0], plain.results[0]) < 1e-6);
      EXPECT_TRUE(distance(shared.results[1], plain.results[1]) < 1e-6);
      // At both ends, and the gradient of the sum; the others stay.
      // The cotangent's axis stands before the rows of gradients.
      const auto made = [&](const Plan& plan, int64_t rows) {
        return count(plan, product, rows, 0, one.rank()) + count(plan, "fusedConv", rows, 0, one.rank()) + count(plan, "fusedMatMul", rows, 0, one.rank());
      };
      const auto summed = [&](const Plan& plan, int64_t rows) { return count(plan, gradient, rows, 1, one.rank() + 1); };
      EXPECT_EQ(made(*shared.plan, 1), 2);
      EXPECT_EQ(made(*shared.plan, kRows), made(*plain.plan, kRows) - 1);
      EXPECT_EQ(summed(*shared.plan, kRows), summed(*plain.plan, kRows) - 1);
      EXPECT_EQ(summed(*shared.plan, 1), 1);
      const auto& steps = shared.plan->steps();
      EXPECT_TRUE(std::count_if(steps.begin(), steps.end(), [](const PlanStep& step) { return step.steady; }) >= 2);
    }
}

TEST(a_first_convolution_is_computed_at_both_ends_of_a_path) {
  const Attributes halved{{"strides", Ints(2, 2)}, {"pads", Ints(4, 1)}};
  for (const int64_t channels : {16, 21})
    expectShared({1, 3, 13, 11}, [&](Builder& b, ValueId x) {
      const ValueId y = b.node("relu", {convolved(b, x, channels, 20, halved)});
      return total(b, b.node("tanh", {convolved(b, y, 16, 30)}));
    }, "conv", "convDataGradient");
}

TEST(numbers_before_and_after_a_convolution_go_with_it) {
  expectShared({1, 3, 9, 8}, [](Builder& b, ValueId x) {
    const ValueId scaled = b.node("div", {b.node("sub", {x, b.constant(floats({1, 3, 1, 1}, 7))}), b.constant(floats({3, 1, 1}, 8, 0.5, 2))});
    const ValueId y = b.mul(convolved(b, scaled, 16, 20), b.constant(floats({1, 16, 1, 1}, 9)));
    return total(b, b.node("tanh", {convolved(b, b.node("sigmoid", {y}), 16, 30)}));
  }, "conv", "convDataGradient");
}

TEST(a_first_product_is_computed_at_both_ends_of_a_path) {
  expectShared({1, 6, 12}, [](Builder& b, ValueId x) {
    const ValueId y = b.add(b.node("matMul", {x, b.constant(floats({12, 10}, 20))}), b.constant(floats({10}, 21)));
    return total(b, b.node("tanh", {b.node("matMul", {b.node("relu", {y}), b.constant(floats({10, 4}, 22))})}));
  }, "matMul", "matMul");
}

TEST(what_is_read_twice_or_bent_first_is_computed_for_every_point) {
  const Net nets[] = {
      // Two branches, a residual around the layer, and a nonlinearity before it.
      [](Builder& b, ValueId x) { return total(b, b.mul(b.node("tanh", {convolved(b, x, 16, 20)}), convolved(b, x, 16, 30))); },
      [](Builder& b, ValueId x) { return total(b, b.node("tanh", {b.add(convolved(b, x, 16, 20), x)})); },
      [](Builder& b, ValueId x) { return total(b, b.node("tanh", {convolved(b, b.node("relu", {x}), 16, 20)})); },
      // Rows that meet.
      [](Builder& b, ValueId x) { return total(b, b.node("tanh", {convolved(b, b.node("sub", {x, b.node("mean", {x}, {{"axes", Ints{0}}})}), 16, 20)})); },
  };
  for (const Net& net : nets) {
    const Path shared = path({1, 16, 7, 6}, net, {}), plain = path({1, 16, 7, 6}, net, {"share-linear-layers"});
    EXPECT_EQ(count(*shared.plan, "conv", 1, 0, 4) + count(*shared.plan, "fusedConv", 1, 0, 4), 0);
    EXPECT_EQ(count(*shared.plan, "convDataGradient", kRows, 1, 5), count(*plain.plan, "convDataGradient", kRows, 1, 5));
    for (size_t n = 0; n < 2; ++n)
      for (int64_t i = 0; i < plain.results[n].shape().count(); ++i) EXPECT_EQ(shared.results[n].real(i), plain.results[n].real(i));
  }
}

TEST(steps_that_follow_from_steady_inputs_alone_run_once) {
  const Net net = [](Builder& b, ValueId x) { return total(b, b.node("tanh", {convolved(b, b.node("relu", {convolved(b, x, 16, 20)}), 16, 30)})); };
  std::vector<std::string> devices{"cpu", "fake"};
  if (hasCuda()) devices.emplace_back("cuda");
  const std::vector<HostTensor> expected = path({1, 3, 9, 8}, net, {}).results;
  for (const std::string& device : devices) {
    const Path shared = path({1, 3, 9, 8}, net, {}, 1, device);
    for (size_t n = 0; n < 2; ++n) EXPECT_TRUE(distance(shared.results[n], expected[n]) < 1e-6);
    Execution execution(shared.plan, nullptr);
    const HostTensor from = floats({1, 3, 9, 8}, 3), to = floats({1, 3, 9, 8}, 4), weights = floatsOf({1, kRows}, {0, 0.3F, 0.4F, 0.3F, 0});
    const auto runAt = [&](const std::vector<float>& at, const HostTensor& start, bool again) {
      const HostTensor position = floatsOf({kRows}, at);
      execution.bindInput(0, start.data(), DType::F32, start.shape());
      execution.bindInput(1, to.data(), DType::F32, to.shape());
      execution.bindInput(2, position.data(), DType::F32, position.shape());
      execution.bindInput(3, weights.data(), DType::F32, weights.shape());
      execution.start(again);
      const CancelToken token;
      Slice slice(token, std::chrono::hours(1));
      while (execution.advance(slice) != Job::Step::Done) {}
      const TensorRef out = execution.output(0);
      return std::vector<float>(out.as<float>(), out.as<float>() + out.shape.count());
    };
    const std::vector<float> first = runAt({0, 0.25F, 0.5F, 0.8F, 1}, from, false), other = runAt({0.1F, 0.2F, 0.3F, 0.4F, 0.5F}, from, false);
    EXPECT_TRUE(first != other);
    EXPECT_TRUE(runAt({0, 0.25F, 0.5F, 0.8F, 1}, from, true) == first);
    EXPECT_TRUE(runAt({0.1F, 0.2F, 0.3F, 0.4F, 0.5F}, from, true) == other);
    // What is said to be the same is not looked at again.
    EXPECT_TRUE(runAt({0, 0.25F, 0.5F, 0.8F, 1}, floats({1, 3, 9, 8}, 99), true) == first);
    EXPECT_TRUE(runAt({0, 0.25F, 0.5F, 0.8F, 1}, floats({1, 3, 9, 8}, 99), false) != first);
    if (device != "cuda") continue;
    // Nothing ran on the host, and what follows from the ends alone is not in what the device replays.
    for (const PlanStep& step : shared.plan->steps()) EXPECT_TRUE(step.kernel->name().starts_with("cuda-"));
    EXPECT_EQ(shared.plan->recordings().made(), size_t{1});
    for (const PlanPiece& piece : shared.plan->pieces())
      for (size_t n = piece.begin; n < piece.end; ++n) EXPECT_TRUE(!shared.plan->steps()[n].steady);
  }
}

}  // namespace
}  // namespace ascribe::test
