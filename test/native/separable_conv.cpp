#include <algorithm>
#include <array>
#include <cstring>

#include "cpu_support.h"
#include "device_support.h"
#include "graph/op.h"
#include "graph/separable_conv.h"
#include "harness.h"
#include "kernels/cpu/blocked_conv.h"
#include "kernels/cpu/isa.h"
#include "runtime/onednn_library.h"

/// Two convolutions in one node, the first made by rows where the second reads it: the numbers of both behind each other.
namespace ascribe::test {
namespace {

using Ints = std::vector<int64_t>;

struct Form {
  const char* note;
  int64_t images, channels, results, height, width, kernel, stride;
  const char* activation;
  bool hasResidual;
};

/// A convolution of 1 x 1, so that values lie in blocks, a depthwise one, another of 1 x 1, and something behind it.
std::shared_ptr<const Plan> plan(const Form& form, CompileOptions options) {
  Graph graph;
  Builder b(graph);
  uint64_t seed = 20;
  const auto conv = [&](ValueId x, int64_t outputs, int64_t kernel, int64_t group, int64_t stride) {
    const int64_t inputs = b.shape(x)[1] / group;
    const ValueId w = b.constant(floats({outputs, inputs, kernel, kernel}, ++seed, -0.3, 0.3)), bias = b.constant(floats({outputs}, ++seed, -0.2, 0.2));
    return b.node("conv", {x, w, bias}, {{"pads", Ints(4, kernel / 2)}, {"strides", Ints(2, stride)}, {"group", group}});
  };
  const auto activated = [&](ValueId x) {
    if (std::string_view(form.activation) == "clip") return b.node("clip", {x}, {{"min", 0.0}, {"max", 0.5}});
    return std::string_view(form.activation) == "none" ? x : b.node(form.activation, {x});
  };
  const ValueId x = graph.addInput("x", DType::F32, Shape{form.images, 16, form.height, form.width});
  const ValueId wide = activated(conv(x, form.channels, 1, 1, 1));
  const ValueId deep = activated(conv(wide, form.channels, form.kernel, form.channels, form.stride));
  ValueId narrow = conv(deep, form.results, 1, 1, 1);
  if (form.hasResidual) narrow = b.add(narrow, conv(x, form.results, 1, 1, form.stride));
  graph.outputs = {b.node("globalAveragePool", {activated(narrow)}), narrow};
  return compile(graph, std::make_shared<Parameters>(), options);
}

int64_t count(const Plan& plan, std::string_view op) {
  return std::count_if(plan.graph().nodes.begin(), plan.graph().nodes.end(), [&](const Node& node) { return node.op->name == op; });
}

TEST(bands_have_the_numbers_of_two_convolutions) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  CompileOptions without;
  without.withoutPasses.emplace_back("fuse-separable");
  for (const Form& form : {Form{"halving", 3, 96, 24, 113, 96, 3, 2, "clip", false}, {"residual", 4, 144, 24, 40, 40, 3, 1, "clip", true}, {"wide results", 2, 40, 336, 90, 97, 5, 1, "silu", true},
                           {"one image", 1, 200, 16, 64, 60, 3, 1, "relu", false}, {"uneven", 5, 33, 17, 71, 61, 5, 2, "none", false}, {"uneven, whole", 5, 33, 17, 71, 61, 3, 1, "none", false}}) {
    const auto fused = plan(form, {}), apart = plan(form, without);
    const bool isLarge = form.images * form.channels * ((form.height - 1) / form.stride + 1) * ((form.width - 1) / form.stride + 1) * 4 >= 2 << 20;
    EXPECT_EQ(count(*fused, "separableConv"), isLarge ? 1 : 0);
    EXPECT_EQ(count(*apart, "separableConv"), 0);
    std::vector<std::vector<HostTensor>> all;
    for (const int threads : {1, 2, 3})
      for (const auto& each : {fused, apart}) {
        RunRequest request;
        request.plan = each;
        request.inputs = {floats({form.images, 16, form.height, form.width}, 3)};
        all.push_back(run(std::move(request), threads));
      }
    for (const std::vector<HostTensor>& outputs : all)
      for (size_t i = 0; i < 2; ++i)
        if (std::memcmp(outputs[i].data(), all[0][i].data(), outputs[i].bytes()) != 0) fail(__FILE__, __LINE__, form.note);
  }
}

/// Only a convolution of 1 x 1 that meets every pixel and all channels can read rows where they are made.
TEST(a_second_convolution_that_steps_or_has_groups_or_borders_stays_apart) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  CompileOptions without;
  without.withoutPasses.emplace_back("fuse-separable");
  struct Second {
    int64_t stride, pad, group;
  };
  for (const Second second : {Second{2, 0, 1}, Second{1, 1, 1}, Second{1, 0, 2}}) {
    Graph graph;
    Builder b(graph);
    const ValueId x = graph.addInput("x", DType::F32, Shape{4, 16, 64, 64});
    const auto conv = [&](ValueId from, int64_t outputs, int64_t kernel, int64_t stride, int64_t pad, int64_t group, uint64_t seed) {
      const ValueId w = b.constant(floats({outputs, b.shape(from)[1] / group, kernel, kernel}, seed, -0.3, 0.3));
      return b.node("conv", {from, w}, {{"pads", Ints(4, pad)}, {"strides", Ints(2, stride)}, {"group", group}});
    };
    const ValueId deep = conv(conv(x, 96, 1, 1, 0, 1, 1), 96, 3, 1, 1, 96, 2);
    const ValueId last = conv(deep, 32, 1, second.stride, second.pad, second.group, 3);
    graph.outputs = {b.node("globalAveragePool", {b.node("relu", {last})}), last};
    const auto fused = compile(graph, std::make_shared<Parameters>(), {}), apart = compile(graph, std::make_shared<Parameters>(), without);
    EXPECT_EQ(count(*fused, "separableConv"), 0);
    std::vector<std::vector<HostTensor>> both;
    for (const auto& each : {fused, apart}) {
      RunRequest request;
      request.plan = each;
      request.inputs = {floats({4, 16, 64, 64}, 3)};
      both.push_back(run(std::move(request), 1));
    }
    for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(std::memcmp(both[0][i].data(), both[1][i].data(), both[0][i].bytes()) == 0);
  }
}

TEST(small_values_and_plain_ones_stay_apart) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  EXPECT_EQ(count(*plan({"small", 1, 96, 24, 56, 56, 3, 2, "clip", false}, {}), "separableConv"), 0);
  CompileOptions reference;
  reference.backends = {"reference"};
  EXPECT_EQ(count(*plan({"plain", 3, 96, 24, 113, 96, 3, 2, "clip", false}, reference), "separableConv"), 0);
}

/// Two convolutions of 1 x 1 read what lies between: it must be there for both.
TEST(a_value_that_two_convolutions_read_stays_apart) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  for (const int readers : {1, 2}) {
    Graph graph;
    Builder b(graph);
    const ValueId x = graph.addInput("x", DType::F32, Shape{4, 16, 64, 64});
    const auto conv = [&](ValueId from, int64_t outputs, int64_t kernel, int64_t group, uint64_t seed) {
      const ValueId w = b.constant(floats({outputs, b.shape(from)[1] / group, kernel, kernel}, seed, -0.3, 0.3));
      return b.node("conv", {from, w}, {{"pads", Ints(4, kernel / 2)}, {"group", group}});
    };
    const ValueId deep = conv(conv(x, 96, 1, 1, 1), 96, 3, 96, 2);
    for (int reader = 0; reader < readers; ++reader) graph.outputs.push_back(b.node("globalAveragePool", {b.node("relu", {conv(deep, 32, 1, 1, 3 + static_cast<uint64_t>(reader))})}));
    EXPECT_EQ(count(*compile(graph, std::make_shared<Parameters>(), {}), "separableConv"), readers == 1 ? 1 : 0);
  }
}

/// What lies between has the size of the result, since the second half meets every pixel: where the first half's window does not
/// give that size, the node is none for the kernel.
TEST(a_result_that_the_first_window_does_not_give_is_refused) {
  if (cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  const auto isTaken = [](int64_t stride, Ints pads, int64_t height, int64_t width) {
    Graph graph;
    Builder b(graph);
    const HostTensor deep = floats({32, 1, 3, 3}, 1), bias = floats({32}, 3), single = floats({24, 32, 1, 1}, 2);
    const ValueId x = graph.addInput("x", DType::F32, Shape{2, 32, 40, 44});
    b.node("separableConv", {x, b.constant(deep), b.constant(bias), b.constant(single)}, {{"pads", pads}, {"strides", Ints(2, stride)}, {"group", int64_t{32}}});
    const Node& node = graph.nodes.back();
    const auto inBlocks = [](ValueType type, Shape shape) {
      type.shape = shape;
      type.layout = Layout::Blocked16;
      type.channelAxis = 1;
      return type;
    };
    const std::vector<ValueType> inputs{inBlocks(graph.type(x), graph.shape(x)), graph.type(node.inputs[1]), graph.type(node.inputs[2]), graph.type(node.inputs[3])};
    const std::array<const HostTensor*, 4> constants{nullptr, &deep, &bias, &single};
    const ValueType output = inBlocks(graph.type(node.outputs[0]), {2, 24, height, width});
    return cpu::takesSeparableConv({node, inputs, {&output, 1}, constants});
  };
  EXPECT_TRUE(isTaken(1, {1, 1, 1, 1}, 40, 44));
  EXPECT_TRUE(isTaken(2, {1, 1, 1, 1}, 20, 22));
  EXPECT_TRUE(isTaken(2, {0, 0, 1, 1}, 20, 22));
  for (const auto& [height, width] : {std::pair{20, 22}, {39, 44}, {40, 43}, {41, 44}, {40, 45}}) EXPECT_TRUE(!isTaken(1, {1, 1, 1, 1}, height, width));
  EXPECT_TRUE(!isTaken(2, {1, 1, 1, 1}, 40, 44));
  EXPECT_TRUE(!isTaken(1, {1, 1, 0, 1}, 40, 44));
}

/// The oracle is the two nodes that it names, one behind the other.
TEST(the_reference_is_both_halves) {
  Graph graph;
  const std::vector<HostTensor> operands{floats({2, 6, 7, 9}, 1), floats({6, 1, 3, 3}, 2), floats({6}, 3), floats({4, 6, 1, 1}, 4), floats({4}, 5), floats({2, 4, 4, 5}, 6)};
  std::vector<ValueId> ids;
  for (size_t i = 0; i < operands.size(); ++i) ids.push_back(graph.addInput("x" + std::to_string(i), DType::F32, operands[i].shape()));
  Builder b(graph);
  const Attributes window{{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{6}}};
  Attributes first = window, both = window;
  first.set("activation", std::string("clip")).set("alpha", -0.1).set("beta", 0.4);
  both.set("activation", std::string("clip")).set("alpha", -0.1).set("beta", 0.4).set("thenActivation", std::string("relu")).set("thenAlpha", 0.0).set("thenBeta", 0.0);
  const ValueId between = b.node("fusedConv", {ids[0], ids[1], ids[2]}, first);
  const Node firstNode = graph.nodes.back();
  b.node("fusedConv", {between, ids[3], ids[4], ids[5]}, {{"activation", std::string("relu")}});
  const Node secondNode = graph.nodes.back();
  b.node("separableConv", ids, both);
  const Node bothNode = graph.nodes.back();
  const HostTensor made = evaluateReference(graph, firstNode, std::array{operands[0], operands[1], operands[2]})[0];
  const HostTensor expected = evaluateReference(graph, secondNode, std::array{made, operands[3], operands[4], operands[5]})[0];
  const HostTensor actual = evaluateReference(graph, bothNode, operands)[0];
  EXPECT_TRUE(actual.shape() == expected.shape());
  EXPECT_TRUE(std::memcmp(actual.data(), expected.data(), actual.bytes()) == 0);
}

}  // namespace
}  // namespace ascribe::test
