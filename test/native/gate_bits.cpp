#include <cmath>

#include "cpu_support.h"
#include "device_support.h"
#include "graph/op.h"
#include "harness.h"
#include "plan_support.h"

/// What a gate needs of an activation, at a bit an element: the same numbers from far less memory.
namespace ascribe::test {
namespace {

using Ints = std::vector<int64_t>;

/// Eight convolutions behind each other, each with an activation; a gradient of two cotangents in the picture.
std::shared_ptr<const Plan> deep(const std::string& activation, const Attributes& attributes, CompileOptions options, int64_t channels = 16) {
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{2, 3, 20, 17});
  ValueId y = x;
  for (uint64_t layer = 0; layer < 8; ++layer) {
    const int64_t inputs = b.shape(y)[1];
    const double scale = std::sqrt(3.0 / static_cast<double>(inputs * 9));
    y = b.node("conv", {y, b.constant(floats({channels, inputs, 3, 3}, 20 + layer, -scale, scale)), b.constant(floats({channels}, 40 + layer, -0.2, 0.2))},
               {{"pads", Ints(4, 1)}});
    y = b.node(activation, {y}, attributes);
  }
  const ValueId pooled = b.node("globalAveragePool", {y});
  const ValueId seeds = b.constant(floats({2, 2, channels, 1, 1}, 9));
  graph.outputs = {pooled, b.node("vjp", {pooled, seeds, x}, {{"outputs", int64_t{1}}})};
  return compile(graph, std::make_shared<Parameters>(), options);
}

TEST(gates_are_kept_as_bits) {
  const HostTensor x = floats({2, 3, 20, 17}, 3);
  struct Case {
    const char* activation;
    Attributes attributes;
  };
  for (const Case& c : {Case{"relu", {}}, Case{"clip", {{"min", 0.0}, {"max", 0.4}}}, Case{"leakyRelu", {{"alpha", 0.1}}}})
    for (const int64_t channels : {16, 21})
      for (const bool blocked : {true, false}) {
        CompileOptions bits;
        bits.withoutPasses.emplace_back("fuse-gates");
        if (!blocked) bits.withoutPasses.emplace_back("assign-layouts");
        CompileOptions whole = bits;
        whole.withoutPasses.emplace_back("save-gates-as-bits");
        const auto kept = deep(c.activation, c.attributes, whole, channels), saved = deep(c.activation, c.attributes, bits, channels);
        EXPECT_EQ(nodesOf(*kept, "gateBits"), 0);
        EXPECT_EQ(nodesOf(*saved, "gateBits"), 8);
        EXPECT_EQ(nodesOf(*saved, "bitGateGrad"), 8);
        // Two activations at a time and two gradients (one for each cotangent), where eight and two were alive.
        EXPECT_TRUE(static_cast<double>(saved->arenaBytes()) < 0.62 * static_cast<double>(kept->arenaBytes()));
        for (const int threads : {1, 3}) {
          const std::vector<HostTensor> a = outputsOf(saved, {x}, threads), b = outputsOf(kept, {x}, threads);
          for (size_t n = 0; n < a.size(); ++n)
            for (int64_t i = 0; i < b[n].shape().count(); ++i) EXPECT_EQ(a[n].real(i), b[n].real(i));
        }
      }
}

/// Bits save nothing where the values stay: pinned, read again later, or all of the gate's operand (a slope below 0).
TEST(gates_of_values_that_stay_read_them) {
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{2, 5000});
  const ValueId pinned = b.node("relu", {b.node("tanh", {x})});
  graph.value(pinned).pinned = true;
  const ValueId squared = b.node("relu", {b.mul(pinned, b.scalar(DType::F32, 2))});  // read by its own square's gradient
  const ValueId folded = b.node("leakyRelu", {b.node("exp", {b.mul(squared, squared)})}, {{"alpha", -0.5}});
  const ValueId seeds = b.constant(floats({1, 2, 5000}, 9));
  graph.outputs = {b.node("vjp", {folded, seeds, x}, {{"outputs", int64_t{1}}})};
  const CompileOptions options;
  EXPECT_EQ(nodesOf(*compile(graph, std::make_shared<Parameters>(), options), "gateBits"), 0);
}

TEST(bits_of_any_count_on_every_instruction_set) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const int64_t n : {1, 7, 8, 9, 31, 250, 70001}) {
    HostTensor y = floats({n}, 3, -1, 1);
    if (n > 8) {
      static_cast<float*>(y.mutableData())[2] = std::nanf("");
      static_cast<float*>(y.mutableData())[4] = 0;
      static_cast<float*>(y.mutableData())[5] = -0.0f;
      static_cast<float*>(y.mutableData())[6] = 0.7f;  // below 0.7 in double, but what clipping to it gives
    }
    for (const double high : {infinity, 0.7})
      EXPECT_LIKE_REFERENCE({.op = "gateBits", .inputs = {y}, .attributes = {{"elements", n}, {"high", high}}, .tolerance = 0});
    HostTensor bits(DType::U8, Shape{(n + 7) / 8});
    for (int64_t i = 0; i < (n + 7) / 8; ++i) static_cast<uint8_t*>(bits.mutableData())[i] = static_cast<uint8_t>(i * 37 + 11);
    HostTensor g = floats({3, n}, 4);
    static_cast<float*>(g.mutableData())[0] = std::nanf("");
    for (const double alpha : {0.0, 0.25})
      EXPECT_LIKE_REFERENCE({.op = "bitGateGrad", .inputs = {g, bits}, .attributes = {{"elements", n}, {"alpha", alpha}}, .tolerance = 0});
  }
}

}  // namespace
}  // namespace ascribe::test
