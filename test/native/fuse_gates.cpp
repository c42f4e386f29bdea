#include <array>
#include <cstring>

#include "cpu_support.h"
#include "device_support.h"
#include "graph/op.h"
#include "harness.h"
#include "kernels/cpu/isa.h"
#include "plan_support.h"
#include "runtime/onednn_library.h"

/// Gates and additions of gradients inside the convolutions beside them: the numbers of the nodes apart, bit for bit.
namespace ascribe::test {
namespace {

using Ints = std::vector<int64_t>;

struct Form {
  const char* note;
  int64_t images, cotangents, channels, wide, height, width, kernel, stride;
  const char* activation;
  bool hasResidual;
  int gated, gradients;  // nodes of both kinds that the pass makes
};

/// A convolution of 1 x 1 (so that values lie in blocks), then one that widens, one of some kernel, depthwise where it is 5 x 5 or
/// steps, and one that narrows, with a residual or not; and a gradient back to the picture.
std::shared_ptr<const Plan> plan(const Form& form, bool isFused) {
  Graph graph;
  Builder b(graph);
  uint64_t seed = 20;
  const auto conv = [&](ValueId x, const Convolution& form) { return convolution(b, x, form, seed); };
  const auto activation = [&](ValueId x) { return activated(b, x, form.activation); };
  const ValueId x = graph.addInput("x", DType::F32, Shape{form.images, 16, form.height, form.width});
  const ValueId first = activation(conv(x, {form.channels, 1}));
  const bool isDepthwise = form.kernel == 5 || form.stride == 2;
  const ValueId wide = activation(conv(first, {form.wide, 1}));
  const ValueId deep = activation(conv(wide, {form.wide, form.kernel, isDepthwise ? form.wide : 1, form.stride}));
  ValueId narrow = conv(deep, {form.channels, 1});
  if (form.hasResidual) narrow = b.add(narrow, first);
  const ValueId pooled = b.node("globalAveragePool", {activation(narrow)});
  const ValueId seeds = b.constant(floats({form.cotangents, form.images, form.channels, 1, 1}, 9, -1, 1));
  graph.outputs = {pooled, b.node("vjp", {pooled, seeds, x}, {{"outputs", int64_t{1}}})};
  CompileOptions options;
  if (!isFused) options.withoutPasses.emplace_back("fuse-gates");
  return compile(graph, std::make_shared<Parameters>(), options);
}

TEST(gates_in_convolutions_are_those_of_nodes_of_their_own) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  for (const Form& form : {Form{"depthwise", 3, 1, 32, 96, 30, 34, 5, 1, "clip", true, 4, 3}, {"two cotangents, uneven", 2, 2, 37, 70, 21, 19, 3, 1, "relu", true, 4, 3},
                           {"one that steps", 2, 2, 24, 72, 33, 38, 3, 2, "clip", false, 4, 3}, {"wide kernel that steps", 3, 2, 40, 104, 40, 41, 5, 2, "relu", false, 4, 3},
                           {"no bounds", 2, 1, 32, 64, 20, 20, 3, 1, "leakyRelu", true, 0, 1}, {"few pixels", 1, 3, 300, 400, 8, 8, 3, 1, "relu", true, 4, 3}}) {
    const auto fused = plan(form, true), apart = plan(form, false);
    EXPECT_EQ(nodesOf(*apart, "gatedConv") + nodesOf(*apart, "fusedConvDataGradient"), 0);
    EXPECT_EQ(nodesOf(*fused, "gatedConv"), form.gated);
    EXPECT_EQ(nodesOf(*fused, "fusedConvDataGradient"), form.gradients);
    EXPECT_TRUE(fused->arenaBytes() <= apart->arenaBytes());
    std::vector<std::vector<HostTensor>> all;
    for (const int threads : {1, 2, 3})
      for (const auto& each : {fused, apart})
        all.push_back(outputsOf(each, {floats({form.images, 16, form.height, form.width}, 3, -1, 1)}, threads));
    for (const std::vector<HostTensor>& outputs : all)
      for (size_t i = 0; i < 2; ++i)
        if (std::memcmp(outputs[i].data(), all[0][i].data(), outputs[i].bytes()) != 0) fail(__FILE__, __LINE__, form.note);
  }
}

/// What somebody else reads, or is to be seen, stays: the sum of two gradients and what goes into its gate.
TEST(gradients_that_others_read_keep_their_gates_apart) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  for (const bool isWanted : {false, true}) {
    Graph graph;
    Builder b(graph);
    const ValueId x = graph.addInput("x", DType::F32, Shape{2, 16, 24, 24});
    uint64_t seed = 0;
    const auto conv = [&](ValueId from) { return convolution(b, from, {.outputs = 32, .kernel = 1, .hasBias = false}, seed); };
    const ValueId inner = b.node("relu", {conv(x)});
    const ValueId pooled = b.node("globalAveragePool", {b.node("relu", {conv(inner)})});
    const ValueId seeds = b.constant(floats({1, 2, 32, 1, 1}, 9));
    if (isWanted) {
      // The gradient in the activation is a result, read by the gate as well.
      const std::vector<ValueId> both = b.nodes("vjp", {pooled, seeds, x, inner}, 2, {{"outputs", int64_t{1}}});
      graph.outputs = {both[0], both[1]};
    } else {
      graph.outputs = {b.node("vjp", {pooled, seeds, x}, {{"outputs", int64_t{1}}})};
    }
    const auto made = compile(graph, std::make_shared<Parameters>(), {});
    EXPECT_EQ(nodesOf(*made, "fusedConvDataGradient"), isWanted ? 0 : 1);
    EXPECT_EQ(nodesOf(*made, "gatedConv"), 2);
  }
}

/// The oracles are the nodes that they name, one behind the other.
TEST(the_reference_of_gated_convolutions_is_its_parts) {
  Graph graph;
  Builder b(graph);
  const auto input = [&](const HostTensor& tensor, const char* name) { return graph.addInput(name, tensor.dtype(), tensor.shape()); };
  const HostTensor x = floats({2, 3, 5, 6}, 1, -1, 1), w = floats({4, 3, 3, 3}, 2, -1, 1), bias = floats({4}, 3), residual = floats({2, 4, 5, 6}, 4, -1, 1);
  const std::vector<ValueId> ids{input(x, "x"), input(w, "w"), input(bias, "bias"), input(residual, "residual")};
  Attributes window{{"pads", Ints(4, 1)}, {"activation", std::string("clip")}, {"alpha", -0.1}, {"beta", 0.8}};
  const ValueId y = b.node("fusedConv", ids, window);
  const Node conv = graph.nodes.back();
  const Attributes interval{{"elements", int64_t{240}}, {"low", -0.1}, {"high", 0.8}};
  b.node("gateBits", {y}, interval);
  const Node bits = graph.nodes.back();
  for (const auto& [name, value] : interval.entries()) window.set(name, value);
  b.nodes("gatedConv", ids, 2, window);
  const Node both = graph.nodes.back();
  const HostTensor result = evaluateReference(graph, conv, std::array{x, w, bias, residual})[0];
  const HostTensor written = evaluateReference(graph, bits, std::array{result})[0];
  const std::vector<HostTensor> made = evaluateReference(graph, both, std::array{x, w, bias, residual});
  EXPECT_TRUE(made[0].shape() == result.shape() && made[1].shape() == written.shape());
  EXPECT_TRUE(std::memcmp(made[0].data(), result.data(), result.bytes()) == 0);
  EXPECT_TRUE(std::memcmp(made[1].data(), written.data(), written.bytes()) == 0);
  int open = 0;
  for (int64_t i = 0; i < 240; ++i) open += written.as<uint8_t>()[i / 8] >> i % 8 & 1;
  EXPECT_TRUE(open > 20 && open < 220);

  // The gradient of two cotangents back through another convolution, another gradient added, through those gates.
  const HostTensor g = floats({2, 2, 7, 5, 6}, 5, -1, 1), v = floats({7, 4, 3, 3}, 6, -1, 1), other = floats({2, 2, 4, 5, 6}, 7, -1, 1);
  const Attributes pads{{"pads", Ints(4, 1)}, {"strides", Ints(2, 1)}, {"dilations", Ints(2, 1)}};
  const ValueId gId = input(g, "g"), vId = input(v, "v"), otherId = input(other, "other"), bitsId = input(written, "bits");
  const ValueId back = b.node("convDataGradient", {gId, vId, y}, pads);
  const Node gradient = graph.nodes.back();
  const ValueId sum = b.add(back, otherId);
  const Node add = graph.nodes.back();
  b.node("bitGateGrad", {sum, bitsId}, {{"elements", int64_t{240}}});
  const Node gate = graph.nodes.back();
  Attributes fused = pads;
  fused.set("elements", int64_t{240});
  b.node("fusedConvDataGradient", {gId, vId, y, otherId, bitsId}, fused);
  const Node whole = graph.nodes.back();
  const HostTensor backwards = evaluateReference(graph, gradient, std::array{g, v, result})[0];
  const HostTensor added = evaluateReference(graph, add, std::array{backwards, other})[0];
  const HostTensor expected = evaluateReference(graph, gate, std::array{added, written})[0];
  const HostTensor actual = evaluateReference(graph, whole, std::array{g, v, result, other, written})[0];
  EXPECT_TRUE(std::memcmp(actual.data(), expected.data(), expected.bytes()) == 0);
}

}  // namespace
}  // namespace ascribe::test
