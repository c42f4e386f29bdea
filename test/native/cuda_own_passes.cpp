#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cpu_support.h"
#include "device_support.h"
#include "graph/op.h"
#include "harness.h"
#include "kernels/cpu/isa.h"
#include "op_cases/cuda.h"
#include "op_cases/driver_support.h"
#include "plan_support.h"
#include "runtime/onednn_library.h"

/// Nodes that passes join for the processor's kernels would run there in a device's plan too, their operands sent back and forth.
namespace ascribe::test {
namespace {

struct Joined {
  std::vector<const char*> ops;  // what the processor's plan has, of which no device's plan may have any
  bool inBlocks;                 // only where values lie in blocks of 16
  std::function<ValueId(Graph&, Builder&)> made;
  Shape data;
};

ValueId integerOf(Builder& b, int64_t value) {
  HostTensor one(DType::I64, {1});
  *static_cast<int64_t*>(one.mutableData()) = value;
  return b.constant(std::move(one));
}

ValueId turned(Graph& graph, Builder& b) {
  const ValueId given = graph.addInput("x", DType::F32, Shape{1, 40, 3, 16});
  const ValueId x = b.node("transpose", {given}, {{"permutation", std::vector<int64_t>{0, 2, 1, 3}}}), cosine = b.constant(floats({40, 8}, 2)), sine = b.constant(floats({40, 8}, 3));
  const auto half = [&](int64_t begin) { return b.node("slice", {x, integerOf(b, begin), integerOf(b, begin + 8), integerOf(b, 3)}); };
  const ValueId low = half(0), high = half(8);
  return b.node("concat", {b.sub(b.mul(low, cosine), b.mul(high, sine)), b.add(b.mul(high, cosine), b.mul(low, sine))}, {{"axis", int64_t{3}}});
}
ValueId gatedLayer(Graph& graph, Builder& b) {
  const ValueId x = graph.addInput("x", DType::F32, Shape{400, 16});
  const auto product = [&](ValueId a, const Shape& weights, uint64_t seed) { return b.node("matMul", {a, b.constant(floats(weights, seed, -0.3, 0.3))}); };
  return product(b.mul(b.node("silu", {product(x, {16, 1500}, 5)}), product(x, {16, 1500}, 6)), {1500, 12}, 7);
}
/// A convolution that widens, a depthwise one and one that narrows, as in nets for phones.
ValueId convolutions(Graph& graph, Builder& b, const Shape& data, bool hasResidual) {
  uint64_t seed = 20;
  const ValueId x = graph.addInput("x", DType::F32, data);
  const ValueId first = activated(b, convolution(b, x, {32, 1}, seed), "clip"), wide = activated(b, convolution(b, first, {96, 1}, seed), "clip");
  const ValueId deep = activated(b, convolution(b, wide, {96, 3, 96}, seed), "clip"), narrow = convolution(b, deep, {32, 1}, seed);
  return b.node("globalAveragePool", {activated(b, hasResidual ? b.add(narrow, first) : narrow, "clip")});
}
ValueId convolutionGradient(Graph& graph, Builder& b) {
  const Shape data{3, 16, 20, 18};
  const ValueId pooled = convolutions(graph, b, data, true);
  return b.node("vjp", {pooled, b.constant(floats({1, 3, 32, 1, 1}, 9)), graph.inputs[0]}, {{"outputs", int64_t{1}}});
}
/// Pooled gates, a scale that is learnt, and maxima whose places the gradient reads.
ValueId poolingGradient(Graph& graph, Builder& b) {
  uint64_t seed = 30;
  const ValueId x = graph.addInput("x", DType::F32, Shape{2, 16, 20, 20});
  const std::vector<int64_t> two{2, 2};
  const ValueId inner = b.node("maxPool", {activated(b, convolution(b, x, {32, 3}, seed), "relu")}, {{"kernel", two}, {"strides", two}});
  const ValueId pooled = b.node("globalAveragePool", {activated(b, convolution(b, inner, {32, 3}, seed), "relu")});
  return b.node("vjp", {pooled, b.constant(floats({1, 2, 32, 1, 1}, 9)), x}, {{"outputs", int64_t{1}}});
}

std::shared_ptr<const Plan> planOf(const Joined& joined, const char* device) {
  Graph graph;
  Builder b(graph);
  graph.outputs = {joined.made(graph, b)};
  CompileOptions options;
  options.device = device;
  return compile(graph, std::make_shared<Parameters>(), options);
}

TEST(what_is_joined_for_the_processor_is_in_no_plan_of_a_gpu) {
  if (!hasCuda()) throw Skipped("there is no CUDA device, nor the emulation of one");
  const bool hasBlocks = onednn() != nullptr && cpu::kernels().isa >= cpu::Isa::Avx512;
  const std::vector<Joined> all{
      {{"rotary"}, false, turned, {1, 40, 3, 16}},
      {{"gatedLayer"}, false, gatedLayer, {400, 16}},
      {{"separableConv"}, true, [](Graph& g, Builder& b) { return convolutions(g, b, {3, 16, 48, 48}, false); }, {3, 16, 48, 48}},
      {{"gatedConv", "fusedConvDataGradient"}, true, convolutionGradient, {3, 16, 20, 18}},
      {{"maxPoolTaps"}, true, poolingGradient, {2, 16, 20, 20}},
  };
  for (const Joined& joined : all) {
    const auto host = planOf(joined, "cpu"), device = planOf(joined, "cuda");
    for (const char* op : joined.ops) {
      if (hasBlocks || !joined.inBlocks)
        if (nodesOf(*host, op) == 0) fail(__FILE__, __LINE__, std::string(op) + ": the processor's plan has none");
      if (nodesOf(*device, op) != 0) fail(__FILE__, __LINE__, std::string(op) + ": in a plan of the device");
    }
    for (const PlanStep& step : device->steps())
      if (!step.kernel->name().starts_with("cuda-")) fail(__FILE__, __LINE__, std::string(joined.ops[0]) + ": " + std::string(step.kernel->name()) + " runs on the host");
    const std::vector<HostTensor> inputs{floats(joined.data, 3)};
    const double difference = largestDifference(outputsOf(device, inputs)[0], outputsOf(host, inputs)[0]);
    if (!(difference < 5e-6)) fail(__FILE__, __LINE__, std::string(joined.ops[0]) + " is off by " + std::to_string(difference));
  }
}

}  // namespace
}  // namespace ascribe::test
