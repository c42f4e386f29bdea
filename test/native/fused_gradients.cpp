#include <algorithm>
#include <cmath>
#include <string>

#include "cpu_support.h"
#include "device_support.h"
#include "harness.h"
#include "op_cases/cuda.h"
#include "plan_support.h"

/// Passes over backward graphs: what they leave, and that numbers do not depend on them.
namespace ascribe::test {
namespace {

/// The gradient in x of sum(a * b * c) with the three cut out of x along an axis, the outer ones first.
std::shared_ptr<const Plan> partsPlan(std::vector<std::pair<int64_t, int64_t>> parts, std::vector<std::string> without) {
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{2, 6, 4});
  ValueId y = kNone;
  for (const auto& [begin, end] : parts) {
    const ValueId part = b.node("tanh", {b.node("slice", {x, b.integers({begin}), b.integers({end}), b.integers({1})})});
    y = y == kNone ? part : b.mul(y, part);
  }
  const ValueId seeds = b.constant(floats({3, 2, parts[0].second - parts[0].first, 4}, 5));
  graph.outputs = {b.node("vjp", {y, seeds, x}, {{"outputs", int64_t{1}}})};
  CompileOptions options;
  options.withoutPasses = std::move(without);
  return compile(graph, std::make_shared<Parameters>(), options);
}
HostTensor gradientOf(std::shared_ptr<const Plan> plan) { return outputsOf(std::move(plan), {floats({2, 6, 4}, 3)})[0]; }

TEST(gradients_of_parts_that_are_the_whole_are_put_side_by_side) {
  const std::vector<std::pair<int64_t, int64_t>> thirds = {{4, 6}, {0, 2}, {2, 4}};
  const auto joined = partsPlan(thirds, {}), apart = partsPlan(thirds, {"join-slice-gradients"});
  EXPECT_EQ(nodesOf(*joined, "sliceGrad"), 0);
  EXPECT_EQ(nodesOf(*joined, "concat"), 1);
  EXPECT_EQ(nodesOf(*apart, "sliceGrad"), 3);
  const HostTensor a = gradientOf(joined), b = gradientOf(apart);
  for (int64_t i = 0; i < b.shape().count(); ++i) EXPECT_EQ(a.real(i), b.real(i));
}

TEST(parts_that_overlap_or_leave_something_out_are_added) {
  for (const auto& parts : {std::vector<std::pair<int64_t, int64_t>>{{0, 2}, {2, 4}}, {{0, 3}, {2, 5}, {3, 6}}, {{0, 4}, {2, 6}}})
    EXPECT_EQ(nodesOf(*partsPlan(parts, {}), "sliceGrad"), static_cast<int>(parts.size()));
}

/// The gradient in x [2, 3, 4] of a product of what is read at one place each of the middle axis.
std::shared_ptr<const Plan> placesPlan(const std::vector<int64_t>& places, const Shape& indices, const char* device = "cpu", std::vector<std::string> without = {}) {
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{2, 3, 4});
  ValueId y = kNone;
  for (const int64_t place : places) {
    HostTensor index(DType::I64, indices);
    std::fill_n(static_cast<int64_t*>(index.mutableData()), indices.count(), place);
    const ValueId part = b.node("tanh", {b.node("gather", {x, b.constant(std::move(index))}, {{"axis", int64_t{-2}}})});
    y = y == kNone ? part : b.mul(y, part);
  }
  const ValueId seeds = b.constant(floats(prepend(2, b.shape(y)), 5));
  graph.outputs = {b.node("vjp", {y, seeds, x}, {{"outputs", int64_t{1}}})};
  CompileOptions options;
  options.device = device;
  options.withoutPasses = std::move(without);
  return compile(graph, std::make_shared<Parameters>(), options);
}

TEST(gradients_of_places_that_are_the_whole_are_put_side_by_side) {
  for (const Shape& indices : {Shape{}, Shape{1}})
    for (const std::vector<int64_t>& places : {std::vector<int64_t>{0, 1, 2}, {2, 0, 1}, {-1, -3, -2}})
      for (const char* device : {"cpu", "cuda"}) {
        if (device == std::string("cuda") && !hasCuda()) continue;
        const auto joined = placesPlan(places, indices, device), apart = placesPlan(places, indices, device, {"join-slice-gradients"});
        EXPECT_EQ(nodesOf(*joined, "gatherGrad") + nodesOf(*joined, "add"), 0);
        EXPECT_EQ(nodesOf(*joined, "concat"), 1);
        EXPECT_EQ(nodesOf(*apart, "gatherGrad"), 3);
        const HostTensor a = outputsOf(joined, {floats({2, 3, 4}, 3)})[0], b = outputsOf(apart, {floats({2, 3, 4}, 3)})[0];
        EXPECT_EQ(a.shape(), b.shape());
        for (int64_t i = 0; i < b.shape().count(); ++i) EXPECT_EQ(a.real(i), b.real(i));
      }
}

TEST(places_that_are_read_twice_or_left_out_are_added) {
  for (const std::vector<int64_t>& places : {std::vector<int64_t>{0, 1}, {0, 1, 1}, {0, 1, -2}, {0, 1, 2, 2}})
    EXPECT_EQ(nodesOf(*placesPlan(places, Shape{}), "gatherGrad"), static_cast<int>(places.size()));
  EXPECT_EQ(nodesOf(*placesPlan({0, 1, 2}, Shape{2}), "gatherGrad"), 3);
}

/// x * gate with one number a channel: the gate's gradient never has the product written down, and what comes back through the
/// pooling is added without being spread out.
TEST(the_gradient_of_a_gate_is_one_sum) {
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{2, 6, 5, 3});
  const ValueId gate = b.node("sigmoid", {b.node("globalAveragePool", {x})});
  const ValueId y = b.mul(b.node("tanh", {x}), gate);
  const ValueId seeds = b.constant(floats({1, 2, 6, 5, 3}, 5));
  graph.outputs = {b.node("vjp", {y, seeds, x}, {{"outputs", int64_t{1}}})};
  std::vector<HostTensor> found;
  for (const bool fused : {true, false}) {
    CompileOptions options;
    if (!fused) options.withoutPasses = {"fuse-scale-gradient", "read-expansions"};
    const auto plan = compile(graph, std::make_shared<Parameters>(), options);
    EXPECT_EQ(nodesOf(*plan, "scaleGrad"), fused ? 1 : 0);
    EXPECT_EQ(nodesOf(*plan, "sumTo"), fused ? 0 : 1);
    EXPECT_EQ(nodesOf(*plan, "expandLike"), fused ? 0 : 1);
    found.push_back(outputsOf(plan, {floats({2, 6, 5, 3}, 3)}, 2)[0]);
  }
  for (int64_t i = 0; i < found[1].shape().count(); ++i) EXPECT_NEAR(found[0].real(i), found[1].real(i), 1e-6);
}

}  // namespace
}  // namespace ascribe::test
