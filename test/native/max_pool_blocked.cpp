#include <array>
#include <cmath>
#include <cstring>

#include "cpu_support.h"
#include "device_support.h"
#include "graph/builder.h"
#include "graph/layout.h"
#include "graph/op.h"
#include "harness.h"
#include "kernels/cpu/isa.h"
#include "kernels/kernel.h"
#include "plan_support.h"
#include "runtime/memory.h"
#include "runtime/onednn_library.h"
#include "runtime/team.h"

/// Max pooling with places in blocks of channels: bit by bit what the reference gives in planes.
namespace ascribe::test {
namespace {

using Ints = std::vector<int64_t>;

/// Where element (n, c, i) of a blocked array lies.
int64_t place(const ValueType& type, int64_t n, int64_t c, int64_t i) {
  const int64_t block = blockOf(type.layout), axis = type.channelAxis, plane = type.shape.count(static_cast<int>(axis) + 1, type.shape.rank());
  return ((n * ((type.shape[static_cast<int>(axis)] + block - 1) / block) + c / block) * plane + i) * block + c % block;
}
template <class T>
std::vector<T> toBlocks(const T* plain, const ValueType& type) {
  std::vector<T> out(static_cast<size_t>(storedShape(type).count()), T(0));
  const int64_t c = type.shape[type.channelAxis], plane = type.shape.count(type.channelAxis + 1, type.shape.rank());
  for (int64_t i = 0; i < type.shape.count(); ++i) out[static_cast<size_t>(place(type, i / (c * plane), i / plane % c, i % plane))] = plain[i];
  return out;
}

ValueType blocked(const Shape& shape, int axis, DType dtype = DType::F32, Layout layout = Layout::Blocked8) { return {dtype, shape, layout, axis}; }

constexpr std::array<std::string_view, 1> onCpu{"cpu"};

/// The same with the numbers of taps in the places' stead, both ways, bit by bit; blocks are as wide as vectors.
void compareTaps(const Attributes& window, HostTensor x) {
  if (cpu::kernels().isa < cpu::Isa::Avx512) return;
  Graph graph;
  const ValueId id = graph.addInput("x", DType::F32, x.shape());
  const std::vector<ValueId> outputs = Builder(graph).nodes("maxPoolTaps", {id}, 2, window);
  const Node node = graph.nodes.back();
  const std::vector<HostTensor> expected = evaluateReference(graph, node, std::array{x});
  const Shape y = expected[0].shape();
  const ValueType in = blocked(x.shape(), 1, DType::F32, Layout::Blocked16);
  const std::array out{blocked(y, 1, DType::F32, in.layout), blocked(y, 1, DType::U8, in.layout)};
  const HostTensor* none = nullptr;
  const auto kernel = makeKernel({node, {&in, 1}, out, {&none, 1}}, onCpu);
  REQUIRE(kernel != nullptr);
  std::vector<float> source = toBlocks(x.as<float>(), in), values(toBlocks(expected[0].as<float>(), out[0]).size(), NAN);
  std::vector<uint8_t> taps(values.size(), 77);
  Team team(3);
  const TeamScope scope(team);
  const TensorRef input{source.data(), DType::F32, x.shape(), in.layout};
  const std::array results{TensorRef{values.data(), DType::F32, y, in.layout}, TensorRef{taps.data(), DType::U8, y, in.layout}};
  kernel->run({{&input, 1}, results, nullptr});
  EXPECT_TRUE(std::memcmp(values.data(), toBlocks(expected[0].as<float>(), out[0]).data(), values.size() * sizeof(float)) == 0);
  const int64_t c = y[1], plane = y.count(2, y.rank());
  for (int64_t i = 0; i < y.count(); ++i) EXPECT_EQ(int{taps[static_cast<size_t>(place(out[1], i / (c * plane), i / plane % c, i % plane))]}, int{expected[1].as<uint8_t>()[i]});

  const HostTensor g = floats(prepend(2, y), 7);
  const ValueId gradient = graph.addInput("g", DType::F32, g.shape());
  Attributes back;
  for (const char* name : {"kernel", "strides", "dilations", "pads"}) back.set(name, node.attributes.integers(name));
  Builder(graph).nodes("maxPoolTapsGrad", {gradient, outputs[1], id}, 1, back);
  const Node backNode = graph.nodes.back();
  const HostTensor dx = evaluateReference(graph, backNode, std::array{g, expected[1], x})[0];
  const std::array backIn{blocked(g.shape(), 2, DType::F32, in.layout), out[1], in};
  const ValueType backOut = blocked(dx.shape(), 2, DType::F32, in.layout);
  const std::array<const HostTensor*, 3> unknown{};
  const auto backKernel = makeKernel({backNode, backIn, {&backOut, 1}, unknown}, onCpu);
  REQUIRE(backKernel != nullptr);
  const std::vector<float> wanted = toBlocks(dx.as<float>(), backOut);
  std::vector<float> gradients = toBlocks(g.as<float>(), backIn[0]), got(wanted.size(), NAN);
  const std::array operands{TensorRef{gradients.data(), DType::F32, g.shape(), in.layout, 2}, TensorRef{taps.data(), DType::U8, y, in.layout}, TensorRef{nullptr, DType::F32, x.shape(), in.layout}};
  const TensorRef result{got.data(), DType::F32, dx.shape(), in.layout, 2};
  backKernel->run({operands, {&result, 1}, nullptr});
  EXPECT_TRUE(std::memcmp(got.data(), wanted.data(), got.size() * sizeof(float)) == 0);
}

void compare(const Attributes& window, HostTensor x) {
  compareTaps(window, x);
  Graph graph;
  const ValueId id = graph.addInput("x", DType::F32, x.shape());
  const std::vector<ValueId> outputs = Builder(graph).nodes("maxPool", {id}, 2, window);
  const Node node = graph.nodes.back();
  const std::vector<HostTensor> expected = evaluateReference(graph, node, std::array{x});
  const Shape y = expected[0].shape();
  const ValueType in = blocked(x.shape(), 1);
  const std::array out{blocked(y, 1), blocked(y, 1, DType::I32)};
  const HostTensor* none = nullptr;
  const auto kernel = makeKernel({node, {&in, 1}, out, {&none, 1}}, onCpu);
  REQUIRE(kernel != nullptr);
  std::vector<float> source = toBlocks(x.as<float>(), in), values(toBlocks(expected[0].as<float>(), out[0]).size());
  std::vector<int32_t> places(values.size());
  Team team(3);
  const TeamScope scope(team);
  const TensorRef input{source.data(), DType::F32, x.shape(), in.layout};
  const std::array results{TensorRef{values.data(), DType::F32, y, in.layout}, TensorRef{places.data(), DType::I32, y, in.layout}};
  kernel->run({{&input, 1}, results, nullptr});
  const int64_t c = y[1], plane = y.count(2, y.rank());
  for (int64_t i = 0; i < y.count(); ++i) {
    const auto at = static_cast<size_t>(place(out[0], i / (c * plane), i / plane % c, i % plane));
    const float a = values[at], b = expected[0].as<float>()[i];
    if (a != b && !(std::isnan(a) && std::isnan(b))) EXPECT_EQ(a, b);
    if (places[at] != expected[1].as<int32_t>()[i]) EXPECT_EQ(places[at], expected[1].as<int32_t>()[i]);
  }
  for (size_t i = 0; i < values.size(); ++i)
    if (c % 8 != 0 && static_cast<int64_t>(i) / (plane * 8) % ((c + 7) / 8) == c / 8 && static_cast<int64_t>(i) % 8 >= c % 8) EXPECT_EQ(values[i], 0.0f);

  // Back, two cotangents at once.
  const HostTensor g = floats(prepend(2, y), 7);
  const ValueId gradient = graph.addInput("g", DType::F32, g.shape());
  Builder(graph).nodes("maxPoolGrad", {gradient, outputs[1], id}, 1, {});
  const Node back = graph.nodes.back();
  const HostTensor dx = evaluateReference(graph, back, std::array{g, expected[1], x})[0];
  const std::array backIn{blocked(g.shape(), 2), out[1], in};
  const ValueType backOut = blocked(dx.shape(), 2);
  const std::array<const HostTensor*, 3> unknown{};
  const auto backKernel = makeKernel({back, backIn, {&backOut, 1}, unknown}, onCpu);
  REQUIRE(backKernel != nullptr);
  std::vector<float> gradients = toBlocks(g.as<float>(), backIn[0]), got(toBlocks(dx.as<float>(), backOut).size(), NAN);
  const std::array operands{TensorRef{gradients.data(), DType::F32, g.shape(), in.layout, 2}, TensorRef{places.data(), DType::I32, y, in.layout}, TensorRef{nullptr, DType::F32, x.shape(), in.layout}};
  const TensorRef result{got.data(), DType::F32, dx.shape(), in.layout, 2};
  backKernel->run({operands, {&result, 1}, nullptr});
  const std::vector<float> wanted = toBlocks(dx.as<float>(), backOut);
  for (size_t i = 0; i < got.size(); ++i)
    if (!(std::fabs(got[i] - wanted[i]) <= 1e-6)) EXPECT_EQ(got[i], wanted[i]);
}

TEST(as_the_reference_in_planes) {
  compare({{"kernel", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}}, floats({2, 16, 9, 11}, 1));
  compare({{"kernel", Ints{2, 3}}, {"strides", Ints{2, 1}}, {"pads", Ints{0, 1, 1, 0}}, {"ceilMode", int64_t{1}}}, floats({1, 13, 8, 7}, 2));
  compare({{"kernel", Ints{3}}, {"dilations", Ints{2}}}, floats({2, 8, 17}, 3));
  // Of a row of two numbers a window of three sees both and nothing behind them.
  compare({{"kernel", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{0, 0, 1, 1}}}, floats({2, 16, 7, 2}, 5));
  compare({{"kernel", Ints{2, 2, 2}}, {"strides", Ints{2, 2, 2}}}, floats({1, 8, 4, 6, 5}, 4));
}

/// Pools, a convolution before each so that values lie in blocks, and the gradient of two cotangents in the picture.
std::shared_ptr<const Plan> pools(bool givesPlaces, CompileOptions options) {
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{2, 3, 37, 29});
  ValueId y = x;
  std::vector<ValueId> places;
  for (uint64_t layer = 0; layer < 3; ++layer) {
    const int64_t inputs = b.shape(y)[1], channels = layer == 1 ? 24 : 32;
    y = b.node("conv", {y, b.constant(floats({channels, inputs, 3, 3}, 20 + layer, -0.3, 0.3))}, {{"pads", Ints(4, 1)}});
    const Attributes window = layer < 2 ? Attributes{{"kernel", Ints{3, 3}}, {"strides", Ints{2, 2}}} : Attributes{{"kernel", Ints{2, 2}}, {"strides", Ints{1, 2}}};
    const std::vector<ValueId> pooled = b.nodes("maxPool", {y}, givesPlaces ? 2 : 1, window);
    y = pooled[0];
    if (givesPlaces) places.push_back(pooled[1]);
  }
  const ValueId scores = b.node("globalAveragePool", {y});
  graph.outputs = {scores, b.node("vjp", {scores, b.constant(floats({2, 2, 32, 1, 1}, 9)), x}, {{"outputs", int64_t{1}}})};
  graph.outputs.insert(graph.outputs.end(), places.begin(), places.end());
  return compile(graph, std::make_shared<Parameters>(), options);
}

TEST(places_are_bytes_where_gradients_alone_read_them) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  CompileOptions without;
  without.withoutPasses.emplace_back("save-places-as-bytes");
  const auto bytes = pools(false, {}), whole = pools(false, without), given = pools(true, {});
  EXPECT_EQ(nodesOf(*bytes, "maxPoolTaps"), 3);
  EXPECT_EQ(nodesOf(*bytes, "maxPoolTapsGrad"), 3);
  EXPECT_EQ(nodesOf(*bytes, "maxPool") + nodesOf(*bytes, "maxPoolGrad"), 0);
  EXPECT_EQ(nodesOf(*whole, "maxPoolTaps"), 0);
  EXPECT_EQ(nodesOf(*given, "maxPoolTaps"), 0);
  const HostTensor x = floats({2, 3, 37, 29}, 3);
  for (const int threads : {1, 3}) {
    const std::vector<HostTensor> a = outputsOf(bytes, {x}, threads), b = outputsOf(whole, {x}, threads);
    for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(std::memcmp(a[i].data(), b[i].data(), a[i].bytes()) == 0);
  }
}

/// A gradient by places of other windows than the pool's own, a pool whose places are observed, or given out.
TEST(places_stay_places_where_their_readers_know_no_tap_of_the_pool) {
  if (onednn() == nullptr || cpu::kernels().isa < cpu::Isa::Avx512) SKIP("no blocks of 16");
  const Attributes own{{"kernel", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"dilations", Ints{1, 1}}, {"pads", Ints(4, 0)}};
  const auto plan = [&](const Attributes& back, bool isGiven, bool isPinned) {
    Graph graph;
    Builder b(graph);
    const ValueId x = graph.addInput("x", DType::F32, Shape{1, 3, 12, 12});
    const ValueId y = b.node("conv", {x, b.constant(floats({32, 3, 3, 3}, 20))}, {{"pads", Ints(4, 1)}});
    const std::vector<ValueId> pooled = b.nodes("maxPool", {y}, 2, own);
    graph.value(pooled[1]).name = "places";
    const ValueId g = b.node("unsqueeze", {pooled[0], b.constant(HostTensor::ofIntegers({0}))});
    graph.outputs = {b.node("maxPoolGrad", {g, pooled[1], y}, back)};
    if (isGiven) graph.outputs.push_back(pooled[1]);
    CompileOptions options;
    if (isPinned) options.pinned = {"places"};
    return compile(graph, std::make_shared<Parameters>(), options);
  };
  EXPECT_EQ(nodesOf(*plan(own, false, false), "maxPoolTaps"), 1);
  EXPECT_EQ(nodesOf(*plan(own, true, false), "maxPoolTaps"), 0);
  EXPECT_EQ(nodesOf(*plan(own, false, true), "maxPoolTaps"), 0);
  for (const auto& [name, value] : {std::pair{"strides", Ints{1, 2}}, {"kernel", Ints{2, 3}}, {"dilations", Ints{1, 2}}, {"pads", Ints{0, 1, 0, 0}}}) {
    Attributes other = own;
    other.set(name, value);
    EXPECT_EQ(nodesOf(*plan(other, false, false), "maxPoolTaps"), 0);
  }
}

TEST(ties_go_to_the_first_and_nan_wins) {
  HostTensor x(DType::F32, {1, 8, 6, 6});
  auto* data = static_cast<float*>(x.mutableData());
  for (int64_t i = 0; i < x.shape().count(); ++i) data[i] = static_cast<float>(i * 7 % 3);
  data[10] = data[40] = NAN;
  data[90] = -INFINITY;
  compare({{"kernel", Ints{3, 3}}, {"strides", Ints{1, 1}}, {"pads", Ints{1, 1, 1, 1}}}, x);
}

/// A gate of another value than the pool read says nothing of the pooled one.
TEST(gates_of_other_values_stay_behind_the_pool) {
  for (const bool isOther : {false, true}) {
    Graph graph;
    Builder b(graph);
    const ValueId x = graph.addInput("x", DType::F32, Shape{1, 3, 12, 12}), other = graph.addInput("other", DType::F32, Shape{1, 3, 12, 12});
    const Attributes window{{"kernel", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"dilations", Ints{1, 1}}, {"pads", Ints(4, 0)}};
    const std::vector<ValueId> pooled = b.nodes("maxPool", {x}, 2, window);
    const ValueId g = b.constant(floats({1, 1, 3, 6, 6}, 4));
    graph.outputs = {b.node("reluGrad", {b.node("maxPoolGrad", {g, pooled[1], x}, window), isOther ? other : x})};
    CompileOptions without;
    without.withoutPasses.emplace_back("gate-pooled");
    const auto moved = compile(graph, std::make_shared<Parameters>(), {}), apart = compile(graph, std::make_shared<Parameters>(), without);
    EXPECT_EQ(moved->graph().nodes.back().op->name == "reluGrad", isOther);
    const std::vector<HostTensor> data{floats({1, 3, 12, 12}, 5), floats({1, 3, 12, 12}, 6)};
    const HostTensor a = outputsOf(moved, data)[0], c = outputsOf(apart, data)[0];
    EXPECT_TRUE(std::memcmp(a.data(), c.data(), c.bytes()) == 0);
  }
}

/// Windows that overlap give to one place together: its gate closes for all of them or for none.
TEST(gates_of_pooled_values_are_those_of_what_the_pool_reads) {
  for (const char* activation : {"relu", "clip", "leakyRelu"})
    for (const bool readByOthers : {false, true}) {
      std::vector<std::shared_ptr<const Plan>> plans;
      for (const bool isMoved : {true, false}) {
        Graph graph;
        Builder b(graph);
        const ValueId x = graph.addInput("x", DType::F32, Shape{2, 16, 23, 21});
        const auto conv = [&](ValueId from, uint64_t seed) { return b.node("conv", {from, b.constant(floats({24, b.shape(from)[1], 1, 1}, seed, -0.3, 0.3))}, {{"pads", Ints(4, 0)}}); };
        ValueId y = conv(x, 1);
        y = std::string_view(activation) == "clip" ? b.node("clip", {y}, {{"min", 0.0}, {"max", 0.2}}) : b.node(activation, {y});
        const ValueId pooled = b.node("maxPool", {y}, {{"kernel", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"dilations", Ints{1, 1}}, {"pads", Ints{1, 0, 0, 1}}});
        ValueId score = b.node("globalAveragePool", {b.node("relu", {conv(pooled, 2)})});
        if (readByOthers) score = b.add(score, b.node("globalAveragePool", {y}));
        graph.outputs = {b.node("vjp", {score, b.constant(floats({2, 2, 24, 1, 1}, 9, -1, 1)), x}, {{"outputs", int64_t{1}}})};
        CompileOptions options;
        if (!isMoved) options.withoutPasses.emplace_back("gate-pooled");
        plans.push_back(compile(graph, std::make_shared<Parameters>(), options));
      }
      // The scattered gradient is half as wide either way before it is.
      const auto gatesOf = [](const Plan& plan, int64_t width) {
        return std::count_if(plan.graph().nodes.begin(), plan.graph().nodes.end(), [&](const Node& node) {
          return (node.op->name.ends_with("Grad") && node.op->name.find("ool") == std::string::npos) && plan.graph().shape(node.outputs[0]).at(-1) == width;
        });
      };
      const bool moves = std::string_view(activation) != "leakyRelu" && !readByOthers;
      EXPECT_EQ(gatesOf(*plans[0], 21), moves ? 0 : 1);
      EXPECT_EQ(gatesOf(*plans[1], 21), 1);
      std::vector<HostTensor> all;
      for (const int threads : {1, 2})
        for (const auto& each : plans) {
          RunRequest request;
          request.plan = each;
          request.inputs = {floats({2, 16, 23, 21}, 3, -1, 1)};
          all.push_back(run(std::move(request), threads)[0]);
        }
      for (const HostTensor& gradient : all) EXPECT_TRUE(std::memcmp(gradient.data(), all[0].data(), gradient.bytes()) == 0);
    }
}

}  // namespace
}  // namespace ascribe::test
