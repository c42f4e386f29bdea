#include <memory>
#include <string>
#include <vector>

#include "device_support.h"
#include "graph/op.h"
#include "harness.h"
#include "op_cases/cuda.h"
#include "op_cases/driver_support.h"
#include "op_cases/op_case.h"

using namespace ascribe;
using namespace ascribe::test;

namespace {

void requireCuda() {
  if (!hasCuda()) throw Skipped("there is no CUDA device, nor the emulation of one");
}
std::shared_ptr<const Plan> planOf(const Graph& graph, const char* device, std::vector<std::string> without = {}, std::vector<std::string> pinned = {}) {
  CompileOptions options;
  options.device = device;
  options.withoutPasses = std::move(without);
  options.pinned = std::move(pinned);
  return compile(graph, std::make_shared<Parameters>(), options);
}
std::vector<HostTensor> once(const std::shared_ptr<const Plan>& plan, const std::vector<HostTensor>& inputs) {
  RunRequest request;
  request.plan = plan;
  for (const HostTensor& each : inputs) request.inputs.emplace_back(each);
  return run(std::move(request));
}
std::string opsOf(const Plan& plan) {
  std::string out;
  for (const PlanStep& step : plan.steps()) out += (out.empty() ? "" : " ") + plan.graph().nodes[static_cast<size_t>(step.node)].op->name;
  return out;
}
int onHost(const Plan& plan) {
  int count = 0;
  for (const PlanStep& step : plan.steps()) count += !step.kernel->name().starts_with("cuda-");
  return count;
}

/// A transformer's block of dense layers: gelu(x w + b) v + c + x.
struct DenseBlock {
  Graph graph;
  ValueId x, inner, y;
  explicit DenseBlock(bool gradient) {
    x = graph.addInput("x", DType::F32, Shape{2, 9, 16});
    Builder b(graph);
    const auto weights = [&](const Shape& shape, uint64_t seed) { return b.constant(uniform(shape, seed, -.5, .5)); };
    inner = b.add(b.node("matMul", {x, weights({16, 24}, 1)}), weights({24}, 2));
    graph.value(inner).name = "inner";
    const ValueId outer = b.add(weights({16}, 4), b.node("matMul", {b.node("gelu", {inner}), weights({24, 16}, 3)}));
    y = b.add(x, outer);
    graph.outputs = {y};
    if (gradient) graph.outputs.push_back(b.node("vjp", {y, b.constant(uniform(Shape{1, 2, 9, 16}, 5)), x}, {{"outputs", int64_t{1}}}));
  }
};

}  // namespace

TEST(biases_residuals_and_activations_go_into_the_product_before_them) {
  requireCuda();
  const DenseBlock block(false);
  const auto fused = planOf(block.graph, "cuda"), apart = planOf(block.graph, "cuda", {"fuse-product"});
  EXPECT_EQ(opsOf(*fused), std::string("fusedMatMul fusedMatMul"));
  EXPECT_EQ(opsOf(*apart), std::string("matMul add gelu matMul add add"));
  const std::vector<HostTensor> inputs{uniform(Shape{2, 9, 16}, 6)};
  const HostTensor expected = once(planOf(block.graph, "cpu"), inputs)[0];
  for (const auto& plan : {fused, apart}) EXPECT_TRUE(largestDifference(once(plan, inputs)[0], expected) < 2e-6);
}

TEST(what_a_gradient_reads_or_somebody_pinned_stays_a_value) {
  requireCuda();
  const DenseBlock block(true);
  const auto fused = planOf(block.graph, "cuda");
  EXPECT_EQ(opsOf(*fused), std::string("fusedMatMul gelu fusedMatMul geluGrad fusedMatMul"));
  EXPECT_EQ(onHost(*fused), 0);
  const std::vector<HostTensor> inputs{uniform(Shape{2, 9, 16}, 6)};
  const auto expected = once(planOf(block.graph, "cpu"), inputs), got = once(fused, inputs);
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(largestDifference(got[i], expected[i]) < 2e-6);
  EXPECT_EQ(opsOf(*planOf(DenseBlock(false).graph, "cuda", {}, {"inner"})), std::string("fusedMatMul gelu fusedMatMul"));
}

TEST(resizing_and_its_gradient_run_on_the_device) {
  requireCuda();
  int tried = 0;
  for (const OpCase& test : opCases()) {
    if (test.op != "resize" || test.timed || test.note == "u8" || test.note.find("region") != std::string::npos) continue;
    const std::vector<HostTensor> operands = operandsOf(test);
    Graph graph;
    const ValueId x = graph.addInput("x", DType::F32, operands[0].shape());
    Builder b(graph);
    std::vector<ValueId> inputs{x};
    for (size_t i = 1; i < operands.size(); ++i) inputs.push_back(operands[i].data() == nullptr ? kNone : b.constant(operands[i]));
    const ValueId y = b.node("resize", inputs, test.attributes);
    graph.outputs = {y, b.node("vjp", {y, b.constant(uniform(prepend(2, b.shape(y)), 5)), x}, {{"outputs", int64_t{1}}})};
    const auto plan = planOf(graph, "cuda"), host = planOf(graph, "cpu");
    if (onHost(*plan) != 0) fail(__FILE__, __LINE__, test.name() + ": " + opsOf(*plan));
    const auto got = once(plan, {operands[0]}), expected = once(host, {operands[0]});
    for (size_t i = 0; i < 2; ++i)
      if (!(largestDifference(got[i], expected[i]) < 2e-6)) fail(__FILE__, __LINE__, test.name() + ": output " + std::to_string(i) + " is off by " + std::to_string(largestDifference(got[i], expected[i])));
    ++tried;
  }
  EXPECT_TRUE(tried > 40);
}
