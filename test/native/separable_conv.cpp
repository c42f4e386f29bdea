#include <array>
#include <cstring>

#include "cpu_support.h"
#include "device_support.h"
#include "graph/op.h"
#include "graph/separable_conv.h"
#include "harness.h"
#include "isa_scope.h"
#include "kernels/cpu/blocked_conv.h"
#include "kernels/cpu/isa.h"
#include "plan_support.h"
#include "runtime/onednn_library.h"

/// Two or three convolutions in one node, each made by rows where the next one reads it: the numbers of all behind each other.
namespace ascribe::test {
namespace {

using Ints = std::vector<int64_t>;

struct Form {
  const char* note;
  int64_t images, channels, results, height, width, kernel, stride;
  const char* activation;
  bool hasResidual;
  int64_t before = 1;  // the kernel of the convolution that makes what the depthwise one reads
};

ValueId withoutBias(Builder& b, ValueId x, Convolution form, uint64_t& seed) {
  form.hasBias = false;
  return convolution(b, x, form, seed);
}

HostTensor picturesFor(const Form& form) { return floats({form.images, 16, form.height, form.width}, 3); }

/// A convolution that widens, so that values lie in blocks, a depthwise one, one of 1 x 1, and something behind it.
std::shared_ptr<const Plan> plan(const Form& form, CompileOptions options) {
  Graph graph;
  Builder b(graph);
  uint64_t seed = 20;
  const auto conv = [&](ValueId x, const Convolution& form) { return convolution(b, x, form, seed); };
  const auto activation = [&](ValueId x) { return activated(b, x, form.activation); };
  const ValueId x = graph.addInput("x", DType::F32, Shape{form.images, 16, form.height, form.width});
  const ValueId wide = activation(conv(x, {form.channels, form.before}));
  const ValueId deep = activation(conv(wide, {form.channels, form.kernel, form.channels, form.stride}));
  ValueId narrow = conv(deep, {form.results, 1});
  if (form.hasResidual) narrow = b.add(narrow, form.results == 16 ? x : conv(x, {form.results, 1, 1, form.stride}));
  graph.outputs = {b.node("globalAveragePool", {activation(narrow)}), narrow};
  return compile(graph, std::make_shared<Parameters>(), options);
}

/// Halves and doubles rows, with kept rows between bands and none, a border on every side, channels and results that fill their last
/// block and do not.
constexpr Form kForms[] = {
    {"halving", 3, 96, 24, 113, 96, 3, 2, "clip", false},
    {"residual", 4, 144, 24, 40, 40, 3, 1, "clip", true},
    {"its own residual", 2, 96, 16, 57, 64, 3, 1, "relu", true},
    {"wide results", 2, 40, 336, 90, 97, 5, 1, "silu", true},
    {"one image", 1, 200, 16, 64, 60, 3, 1, "relu", false},
    {"one image, halving", 1, 100, 20, 112, 112, 5, 2, "leakyRelu", false},
    {"uneven", 5, 33, 17, 71, 61, 5, 2, "none", false},
    {"uneven, whole", 5, 33, 17, 71, 61, 3, 1, "none", false},
    {"rows wider than the working memory", 1, 200, 16, 9, 700, 3, 1, "clip", false},
    {"images of one band", 12, 32, 24, 40, 40, 3, 1, "relu", false},
};

void expectBitsOfPartsApart(const Form& form) {
  CompileOptions without;
  without.withoutPasses.emplace_back("fuse-separable");
  const auto fused = plan(form, {}), apart = plan(form, without);
  const auto isLarge = [&](int64_t height, int64_t width) { return form.images * ((form.channels + 15) / 16 * 16) * height * width * 4 >= 2 << 20; };
  const bool isWideLarge = form.before == 1 && isLarge(form.height, form.width);
  EXPECT_EQ(stepsOf(*fused, "cpu-widened-separable"), isWideLarge ? 1 : 0);
  EXPECT_EQ(stepsOf(*fused, "cpu-separable"), !isWideLarge && isLarge((form.height - 1) / form.stride + 1, (form.width - 1) / form.stride + 1) ? 1 : 0);
  EXPECT_EQ(nodesOf(*apart, "separableConv"), 0);
  std::vector<std::vector<HostTensor>> all;
  for (const int threads : {1, 2, 3})
    for (const auto& each : {fused, apart}) all.push_back(outputsOf(each, {picturesFor(form)}, threads));
  for (const std::vector<HostTensor>& outputs : all)
    for (size_t i = 0; i < 2; ++i)
      if (std::memcmp(outputs[i].data(), all[0][i].data(), outputs[i].bytes()) != 0) fail(__FILE__, __LINE__, form.note);
}

TEST(bands_have_the_numbers_of_convolutions_apart) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  for (Form form : kForms)
    for (const int64_t before : {1, 3}) {
      form.before = before;
      expectBitsOfPartsApart(form);
    }
}

TEST(an_image_has_the_same_bits_in_every_batch) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  Form form{"batch", 5, 144, 24, 66, 56, 3, 1, "clip", true};
  const HostTensor pictures = picturesFor(form);
  const auto outputOf = [&](int64_t images, int threads) {
    form.images = images;
    const auto made = plan(form, {});
    EXPECT_EQ(stepsOf(*made, "cpu-widened-separable"), 1);
    HostTensor first(DType::F32, {images, 16, form.height, form.width});
    std::memcpy(first.mutableData(), pictures.data(), first.bytes());
    return outputsOf(made, {first}, threads)[1];
  };
  const HostTensor all = outputOf(5, 2);
  for (const auto& [images, threads] : {std::pair{1, 1}, {1, 3}, {3, 2}, {4, 3}}) {
    const HostTensor some = outputOf(images, threads);
    EXPECT_EQ(std::memcmp(some.data(), all.data(), some.bytes()), 0);
  }
}

/// What a tap, another reader or an output wants is there: only what nobody else reads is made by bands.
TEST(a_wide_value_that_is_wanted_stays) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  for (const bool isOutput : {false, true}) {
    Graph graph;
    Builder b(graph);
    const ValueId x = graph.addInput("x", DType::F32, Shape{4, 16, 64, 64});
    uint64_t seed = 0;
    const auto conv = [&](ValueId from, Convolution form) { return withoutBias(b, from, form, seed); };
    const ValueId wide = b.node("relu", {conv(x, {96, 1})});
    graph.outputs = {b.node("globalAveragePool", {conv(conv(wide, {96, 3, 96}), {32, 1})})};
    if (isOutput) graph.outputs.push_back(wide);
    const auto made = compile(graph, std::make_shared<Parameters>(), {});
    EXPECT_EQ(stepsOf(*made, "cpu-widened-separable"), isOutput ? 0 : 1);
    EXPECT_EQ(stepsOf(*made, "cpu-separable"), isOutput ? 1 : 0);
  }
}

TEST(instructions_without_blocks_of_16_keep_them_apart) {
  if (cpu::kernels().isa < cpu::Isa::Avx512) EXPECT_EQ(nodesOf(*plan(kForms[1], {}), "separableConv"), 0);
  expectPassesCappedTo("avx2", "separable_conv/");
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
    uint64_t seed = 0;
    const auto conv = [&](ValueId from, Convolution form) { return withoutBias(b, from, form, seed); };
    const ValueId deep = conv(conv(x, {96, 1}), {96, 3, 96});
    const ValueId last = conv(deep, {32, 1, second.group, second.stride, second.pad});
    graph.outputs = {b.node("globalAveragePool", {b.node("relu", {last})}), last};
    const auto fused = compile(graph, std::make_shared<Parameters>(), {}), apart = compile(graph, std::make_shared<Parameters>(), without);
    EXPECT_EQ(nodesOf(*fused, "separableConv"), 0);
    std::vector<std::vector<HostTensor>> both;
    for (const auto& each : {fused, apart}) both.push_back(outputsOf(each, {floats({4, 16, 64, 64}, 3)}));
    for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(std::memcmp(both[0][i].data(), both[1][i].data(), both[0][i].bytes()) == 0);
  }
}

TEST(small_values_and_plain_ones_stay_apart) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  EXPECT_EQ(nodesOf(*plan({"small", 1, 96, 24, 56, 56, 3, 2, "clip", false}, {}), "separableConv"), 0);
  CompileOptions reference;
  reference.backends = {"reference"};
  EXPECT_EQ(nodesOf(*plan({"plain", 3, 96, 24, 113, 96, 3, 2, "clip", false}, reference), "separableConv"), 0);
}

/// Two convolutions of 1 x 1 read what lies between: it must be there for both.
TEST(a_value_that_two_convolutions_read_stays_apart) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  for (const int readers : {1, 2}) {
    Graph graph;
    Builder b(graph);
    const ValueId x = graph.addInput("x", DType::F32, Shape{4, 16, 64, 64});
    uint64_t seed = 0;
    const auto conv = [&](ValueId from, Convolution form) { return withoutBias(b, from, form, seed); };
    const ValueId deep = conv(conv(x, {96, 1}), {96, 3, 96});
    for (int reader = 0; reader < readers; ++reader) graph.outputs.push_back(b.node("globalAveragePool", {b.node("relu", {conv(deep, {32, 1})})}));
    EXPECT_EQ(nodesOf(*compile(graph, std::make_shared<Parameters>(), {}), "separableConv"), readers == 1 ? 1 : 0);
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

/// The oracle is the nodes that it names, one behind the other.
TEST(the_reference_is_all_parts) {
  for (const bool isWidened : {false, true}) {
    Graph graph;
    const std::vector<HostTensor> operands{floats({2, isWidened ? 3 : 6, 7, 9}, 1), floats({6, 1, 3, 3}, 2), floats({6}, 3), floats({4, 6, 1, 1}, 4),
                                           floats({4}, 5), floats({2, 4, 4, 5}, 6), floats({6, 3, 1, 1}, 7), floats({6}, 8)};
    std::vector<ValueId> ids;
    for (size_t i = 0; i < operands.size(); ++i) ids.push_back(graph.addInput("x" + std::to_string(i), DType::F32, operands[i].shape()));
    Builder b(graph);
    const Attributes window{{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"group", int64_t{6}}};
    Attributes depthwise = window, all = window;
    depthwise.set("activation", std::string("clip")).set("alpha", -0.1).set("beta", 0.4);
    all.set("activation", std::string("clip")).set("alpha", -0.1).set("beta", 0.4).set("thenActivation", std::string("relu")).set("thenAlpha", 0.0).set("thenBeta", 0.0);
    all.set("firstActivation", std::string("leakyRelu")).set("firstAlpha", 0.3).set("firstBeta", 0.0);
    HostTensor wide = operands[0];
    ValueId x = ids[0];
    if (isWidened) {
      x = b.node("fusedConv", {ids[0], ids[6], ids[7]}, {{"activation", std::string("leakyRelu")}, {"alpha", 0.3}});
      wide = evaluateReference(graph, Node(graph.nodes.back()), std::array{operands[0], operands[6], operands[7]})[0];
    }
    const ValueId between = b.node("fusedConv", {x, ids[1], ids[2]}, depthwise);
    const HostTensor made = evaluateReference(graph, Node(graph.nodes.back()), std::array{wide, operands[1], operands[2]})[0];
    b.node("fusedConv", {between, ids[3], ids[4], ids[5]}, {{"activation", std::string("relu")}});
    const HostTensor expected = evaluateReference(graph, Node(graph.nodes.back()), std::array{made, operands[3], operands[4], operands[5]})[0];
    const size_t given = isWidened ? 8 : 6;
    b.node("separableConv", std::vector<ValueId>(ids.begin(), ids.begin() + given), all);
    const HostTensor actual = evaluateReference(graph, Node(graph.nodes.back()), std::vector<HostTensor>(operands.begin(), operands.begin() + given))[0];
    EXPECT_TRUE(actual.shape() == expected.shape());
    EXPECT_TRUE(std::memcmp(actual.data(), expected.data(), actual.bytes()) == 0);
  }
}

}  // namespace
}  // namespace ascribe::test
