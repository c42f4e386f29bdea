#include <algorithm>
#include <cmath>

#include "cpu_support.h"
#include "device_support.h"
#include "graph/layout.h"
#include "graph/op.h"
#include "harness.h"
#include "kernels/stored_signature.h"
#include "plan_support.h"
#include "runtime/onednn_library.h"

/// The layout pass: what it does to a graph, and that numbers do not depend on it.
namespace ascribe::test {
namespace {

using Ints = std::vector<int64_t>;

/// Whole plans are compared, so what each pass and kernel does must not depend on what else exists.
struct Net {
  Graph graph;
  Builder b{graph};
  uint64_t seed = 100;

  ValueId weights(const Shape& shape, double scale) { return b.constant(floats(shape, ++seed, -scale, scale)); }
  ValueId conv(ValueId x, int64_t outputs, int64_t kernel, Attributes attributes = {}) {
    const int64_t group = attributes.has("group") ? attributes.integer("group") : 1, inputs = b.shape(x)[1] / group;
    const double scale = std::sqrt(3.0 / static_cast<double>(inputs * kernel * kernel));
    attributes.set("pads", Ints(4, kernel / 2));
    return b.node("conv", {x, weights({outputs, inputs, kernel, kernel}, scale), weights({outputs}, 0.2)}, attributes);
  }
  ValueId relu(ValueId x) { return b.node("relu", {x}); }
};

/// Everything that carries a layout: residuals, concatenation, slices, gates per channel, pools, depthwise; 24 channels
/// (half a block) in one branch, 3 at the image, an odd count behind.
ValueId build(Net& n, ValueId x) {
  Builder& b = n.b;
  const Attributes window{{"kernel", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}};
  const ValueId stem = b.node("maxPool", {n.relu(n.conv(x, 16, 3))}, window);
  const ValueId block = n.relu(b.add(n.conv(n.relu(n.conv(stem, 16, 3)), 16, 3), stem));
  const ValueId joined = b.node("concat", {n.conv(block, 16, 1), n.conv(block, 32, 3)}, {{"axis", int64_t{1}}});
  const ValueId gate = b.node("sigmoid", {n.conv(b.node("globalAveragePool", {joined}), 48, 1)});
  const ValueId gated = b.mul(joined, gate);
  const ValueId half = b.node("slice", {gated, b.integers({16}), b.integers({48}), b.integers({1})});
  const ValueId deep = b.node("clip", {n.conv(half, 32, 3, {{"group", int64_t{32}}})}, {{"min", 0.0}, {"max", 6.0}});
  const ValueId narrow = b.node("leakyRelu", {n.conv(deep, 24, 1)}, {{"alpha", 0.1}});
  const ValueId shifted = b.node("exp", {b.mul(narrow, b.scalar(DType::F32, 0.25))});  // exp(0) is not 0
  const ValueId smaller = b.node("averagePool", {n.conv(shifted, 40, 3)}, window);
  const ValueId pooled = b.node("globalAveragePool", {n.conv(smaller, 21, 1)});
  return b.node("matMul", {b.reshape(pooled, {b.shape(x)[0], 21}), n.weights({21, 5}, 0.4)});
}

std::shared_ptr<const Plan> plan(bool gradient, CompileOptions options = {}) {
  Net n;
  const ValueId x = n.graph.addInput("x", DType::F32, Shape{2, 3, 14, 13});
  const ValueId y = build(n, x);
  n.graph.outputs = {y};
  if (gradient) {
    const ValueId seeds = n.b.constant(floats({3, 2, 5}, 9));
    n.graph.outputs.push_back(n.b.node("vjp", {y, seeds, x}, {{"outputs", int64_t{1}}}));
  }
  return compile(n.graph, std::make_shared<Parameters>(), options);
}

double relativeError(const HostTensor& a, const HostTensor& b) {
  double worst = 0, scale = 0;
  for (int64_t i = 0; i < b.shape().count(); ++i) {
    worst = std::max(worst, std::fabs(a.real(i) - b.real(i)));
    scale = std::max(scale, std::fabs(b.real(i)));
  }
  return worst / scale;
}

TEST(numbers_do_not_depend_on_layouts) {
  if (onednn() == nullptr) SKIP("no oneDNN backend");
  CompileOptions plain, reference;
  plain.withoutPasses = {"assign-layouts"};
  reference.backends = {"reference"};
  const auto blocked = plan(true);
  const HostTensor x = floats({2, 3, 14, 13}, 3);
  const std::vector<HostTensor> expected = outputsOf(plan(true, reference), {x}), without = outputsOf(plan(true, plain), {x}, 2);
  EXPECT_TRUE(nodesOf(*blocked, "reorder") > 0);
  EXPECT_EQ(nodesOf(*plan(true, plain), "reorder"), 0);
  for (const int threads : {1, 2}) {
    const std::vector<HostTensor> got = outputsOf(blocked, {x}, threads), again = outputsOf(blocked, {x}, threads);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_NEAR(relativeError(got[i], without[i]), 0, 1e-5);
      EXPECT_NEAR(relativeError(got[i], expected[i]), 0, 1e-5);
      EXPECT_TRUE(sameBits(got[i], again[i]));
    }
  }
}

TEST(pinned_values_stay_plain_and_visible) {
  if (onednn() == nullptr) SKIP("no oneDNN backend");
  Net n;
  const ValueId x = n.graph.addInput("x", DType::F32, Shape{1, 16, 8, 8});
  const ValueId inner = n.relu(n.conv(x, 32, 3));
  n.graph.value(inner).name = "inner";
  n.graph.outputs = {n.relu(n.conv(inner, 16, 3))};
  CompileOptions options;
  options.pinned = {"inner"};
  const auto made = compile(n.graph, std::make_shared<Parameters>(), options);
  const Graph& graph = made->graph();
  const ValueId pinned = graph.find("inner");
  REQUIRE(pinned != kNone);
  EXPECT_TRUE(graph.value(pinned).pinned && graph.type(pinned).layout == Layout::Plain);
  for (const ValueId id : graph.outputs) EXPECT_TRUE(graph.type(id).layout == Layout::Plain);
  // In, out, and one copy for the pin; the second convolution reads the blocks, not the copy.
  EXPECT_EQ(nodesOf(*made, "reorder"), 3);
}

/// The dump of a residual block with its gradient, at 16 channels a block; the gradient of the image is made from the blocks.
TEST(golden_dump_of_a_residual_block) {
  if (onednn() == nullptr) SKIP("no oneDNN backend");
  if (!std::string_view(onednn()->isa()).starts_with("avx512")) SKIP("the dump is that of 512-bit vectors");
  Net n;
  const ValueId x = n.graph.addInput("x", DType::F32, Shape{1, 3, 8, 8});
  const ValueId stem = n.relu(n.conv(x, 16, 3));
  const ValueId y = n.relu(n.b.add(n.conv(stem, 16, 3), stem));
  const ValueId score = n.b.node("globalAveragePool", {y});
  const ValueId seed = n.graph.addInput("seed", DType::F32, Shape{1, 1, 16, 1, 1});
  n.graph.outputs = {n.b.node("vjp", {score, seed, x}, {{"outputs", int64_t{1}}})};
  const auto made = compile(n.graph, std::make_shared<Parameters>(), {});
  std::string got;
  for (const Node& node : made->graph().nodes) {
    const ValueType& type = made->graph().type(node.outputs[0]);
    got += node.op->name + " " + type.shape.text() + " " + std::string(nameOf(type.layout)) + (type.layout != Layout::Plain && type.channelAxis != 1 ? "@2" : "") + "\n";
  }
  EXPECT_EQ(got, std::string("fusedConv [1,16,8,8] blocked16\n"
                             "fusedConv [1,16,8,8] blocked16\n"
                             "mul [1,1,16,1,1] plain\n"
                             "expandLike [1,1,16,8,8] blocked16@2\n"
                             "reluGrad [1,1,16,8,8] blocked16@2\n"
                             "fusedConvDataGradient [1,1,16,8,8] blocked16@2\n"
                             "reluGrad [1,1,16,8,8] blocked16@2\n"
                             "convDataGradient [1,1,3,8,8] plain\n"));
}

TEST(stored_signatures_decline_what_cuts_blocks) {
  const ValueType result{DType::F32, {2, 32, 4, 4}, Layout::Blocked16, 1};
  EXPECT_TRUE(readableBeside({DType::F32, {}}, result));
  EXPECT_TRUE(readableBeside({DType::F32, {2, 32, 1, 1}}, result));
  EXPECT_TRUE(readableBeside({DType::F32, {32, 1, 1}}, result));
  EXPECT_TRUE(readableBeside({DType::F32, {2, 1, 4, 4}}, result));
  EXPECT_TRUE(!readableBeside({DType::F32, {2, 32, 4, 4}}, result));
  EXPECT_TRUE(!readableBeside({DType::F32, {32, 4, 1}}, result));
  const ValueType padded{DType::F32, {2, 24, 4, 4}, Layout::Blocked16, 1};
  EXPECT_TRUE(!readableBeside({DType::F32, {24, 1, 1}}, padded));
  EXPECT_TRUE(readableBeside(padded, padded));
  // One axis more in front: the same channels.
  EXPECT_TRUE(readableBeside(result, {DType::F32, {3, 2, 32, 4, 4}, Layout::Blocked16, 2}));
  EXPECT_TRUE(storedShape(padded) == (Shape{2, 2, 4, 4, 16}));
}

/// What keepsZero claims, asked of the reference kernels: 0 where the padded operands are 0, whatever the others hold.
TEST(ops_that_keep_zero_do) {
  const ValueType padded{DType::F32, {1, 24, 1, 1}, Layout::Blocked16, 1}, scalar{DType::F32, {1, 1, 1, 1}};
  int claimed = 0, refused = 0;
  for (const OpSchema* schema : allOps()) {
    // Casts change the type; bits of gates are made of what lies in memory, padding and all.
    if (!schema->elementwise || schema->maxInputs > 2 || schema->name == "cast" || schema->name == "bitGateGrad") continue;
    for (int mask = 1; mask < 1 << schema->minInputs; ++mask) {
      for (const float other : {0.7f, -3.0f}) {
        Graph graph;
        std::vector<ValueId> ids;
        std::vector<HostTensor> operands;
        std::vector<ValueType> types;
        for (int i = 0; i < schema->minInputs; ++i) {
          const bool isPadded = mask >> i & 1;
          ids.push_back(graph.addInput("x" + std::to_string(i), DType::F32, Shape{1, 1, 1, 1}));
          operands.push_back(floatsOf({1, 1, 1, 1}, {isPadded ? 0.0f : other}));
          types.push_back(isPadded ? padded : scalar);
        }
        Builder(graph).node(schema->name, ids);
        const Node& node = graph.nodes.back();
        const std::vector<const HostTensor*> constants(ids.size(), nullptr);
        const bool claims = keepsZero({node, types, {&padded, 1}, constants});
        (claims ? claimed : refused) += 1;
        if (graph.type(node.outputs[0]).dtype != DType::F32) {
          EXPECT_TRUE(!claims);
        } else if (claims && evaluateReference(graph, node, operands)[0].real(0) != 0) {
          fail(__FILE__, __LINE__, schema->name + " makes " + show(evaluateReference(graph, node, operands)[0].real(0)) + " of zero");
        }
      }
    }
  }
  EXPECT_TRUE(claimed > 60);
  EXPECT_TRUE(refused > 60);
}

}  // namespace
}  // namespace ascribe::test
