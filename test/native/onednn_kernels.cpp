#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "graph/half.h"
#include "harness.h"
#include "isa_scope.h"
#include "onednn_support.h"
#include "runtime/onednn_library.h"

/// The kernels that go through the oneDNN library against the reference kernels.
namespace ascribe::test {
namespace {

TEST(reorders_agree_with_the_reference_and_undo_themselves) {
  requireLibrary();
  for (const Shape& shape : {Shape{2, 16, 5, 4}, Shape{1, 24, 7}, Shape{3, 5, 2, 3, 4}, Shape{2, 3, 40, 3, 3}})
    for (const Layout layout : {Layout::Blocked8, Layout::Blocked16, Layout::ChannelsLast})
      for (const int axis : {1, 2}) {
        if (axis + 1 >= shape.rank() || (layout == Layout::ChannelsLast && axis == 2)) continue;
        const HostTensor x = floats(shape, 5);
        const ValueType plain = typed(x, 0, layout), blocked = typed(x, axis, layout);
        const AlignedBytes expected = reordered(x.data(), plain, blocked), got = reordered(x.data(), plain, blocked, "onednn");
        EXPECT_EQ(std::memcmp(got.get(), expected.get(), storedBytes(blocked)), 0);
        const AlignedBytes back = reordered(got.get(), blocked, plain, "onednn");
        EXPECT_EQ(std::memcmp(back.get(), x.data(), x.bytes()), 0);
      }
}

TEST(blocks_lie_as_written_down) {
  // [1, 9, 1, 2] in blocks of 8: channels 0-7 of both positions, then channel 8 and seven zeros, twice.
  std::vector<float> values(18);
  for (size_t i = 0; i < 18; ++i) values[i] = static_cast<float>(i + 1);
  const HostTensor x = floatsOf({1, 9, 1, 2}, values);
  const AlignedBytes got = reordered(x.data(), typed(x, 0, Layout::Blocked8), typed(x, 1, Layout::Blocked8));
  const auto* out = reinterpret_cast<const float*>(got.get());
  for (int i = 0; i < 2; ++i)
    for (int c = 0; c < 8; ++c) {
      EXPECT_EQ(out[i * 8 + c], values[static_cast<size_t>(c * 2 + i)]);
      EXPECT_EQ(out[16 + i * 8 + c], c == 0 ? values[static_cast<size_t>(16 + i)] : 0.0f);
    }
}

TEST(forward) {
  requireLibrary();
  int made = 0;
  for (const Geometry& g : geometries())
    made += check({.op = "conv", .inputs = {floats(g.x, 1), floats(g.w, 2), floats({g.w[0]}, 3)}, .attributes = attributesOf(g), .inputAxes = {1, 0, 0}}, widest());
  EXPECT_TRUE(made >= atLeast(18));
}

TEST(forward_from_planes) {
  requireLibrary();
  const int made = check({.op = "conv", .inputs = {floats({2, 3, 15, 17}, 1), floats({32, 3, 5, 3}, 2)}, .attributes = {{"strides", Ints{2, 1}}, {"pads", Ints{1, 1, 2, 1}}}, .inputAxes = {0, 0}}, widest());
  EXPECT_EQ(made, 2);
}

TEST(fused) {
  requireLibrary();
  int made = 0;
  for (const Geometry& g : geometries())
    for (const char* activation : {"none", "relu", "clip", "leakyRelu", "silu"}) {
      const Attributes a = attributesOf(g, activation);
      made += check({.op = "fusedConv", .inputs = {floats(g.x, 1), floats(g.w, 2), floats({g.w[0]}, 3), floats(resultOf(g), 4)}, .attributes = a, .inputAxes = {1, 0, 0, 1}, .tolerance = 8e-6}, widest());
    }
  EXPECT_TRUE(made >= atLeast(4 * 18));
}

TEST(data_gradient_with_and_without_a_cotangent_axis) {
  requireLibrary();
  int made = 0;
  for (const Geometry& g : geometries()) {
    const Shape y = resultOf(g);
    made += check({.op = "convDataGradient", .inputs = {floats(y, 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g), .inputAxes = {1, 0, 0}}, widest());
    if (y.rank() < 5)
      made += check({.op = "convDataGradient", .inputs = {floats(prepend(3, y), 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g), .inputAxes = {2, 0, 0}, .outputAxis = 2}, widest());
  }
  EXPECT_TRUE(made >= atLeast(30));
}

TEST(weight_gradient_summed_and_per_example) {
  requireLibrary();
  int made = 0;
  for (const Geometry& g : geometries())
    for (const int64_t perExample : {0, 1}) {
      if (g.x.rank() > 4) continue;
      Attributes a = attributesOf(g);
      a.set("perExample", perExample);
      made += check({.op = "convWeightGradient", .inputs = {floats(g.x, 1), floats(prepend(2, resultOf(g)), 2), floats(g.w, 3)}, .attributes = a, .inputAxes = {1, 2, 0}, .outputAxis = 0, .tolerance = 8e-6, .frozen = false}, widest());
    }
  EXPECT_TRUE(made >= atLeast(14));
}

TEST(poolings) {
  requireLibrary();
  int made = 0;
  for (const Shape& x : {Shape{2, 32, 9, 11}, Shape{1, 24, 8, 8}}) {
    for (const int64_t ceil : {0, 1}) {
      const Attributes window{{"kernel", Ints{3, 2}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 0, 1, 1}}, {"ceilMode", ceil}};
      made += check({.op = "maxPool", .inputs = {floats(x, 1)}, .attributes = window, .inputAxes = {1}, .frozen = false}, widest());
      for (const int64_t whole : {0, 1}) {
        Attributes average = window;
        average.set("countIncludePad", whole);
        made += check({.op = "averagePool", .inputs = {floats(x, 1)}, .attributes = average, .inputAxes = {1}, .frozen = false}, widest());
      }
    }
    made += check({.op = "globalAveragePool", .inputs = {floats(x, 1)}, .inputAxes = {1}, .frozen = false}, widest());
  }
  const Attributes average{{"kernel", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"dilations", Ints{1, 1}}, {"countIncludePad", int64_t{1}}};
  made += check({.op = "averagePoolGrad", .inputs = {floats({2, 2, 32, 5, 6}, 1), floats({2, 32, 9, 11}, 2)}, .attributes = average, .inputAxes = {2, 0}, .outputAxis = 2, .frozen = false}, widest());
  EXPECT_TRUE(made >= atLeast(13));
}

HostTensor with(float value, HostTensor tensor) {
  static_cast<float*>(tensor.mutableData())[3] = value;
  return tensor;
}
TEST(what_is_not_finite_is_never_hidden_by_an_activation) {
  requireLibrary();
  const HostTensor x = floats({1, 3, 9, 9}, 1), w = floats({16, 3, 3, 3}, 2);
  const Attributes relu{{"activation", std::string("relu")}};
  EXPECT_EQ(check({.op = "fusedConv", .inputs = {x, w}, .attributes = relu, .inputAxes = {0, 0}}, widest()), 2);
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    EXPECT_THROWS_CODE(check({.op = "fusedConv", .inputs = {with(value, floats({1, 3, 9, 9}, 1)), w}, .attributes = relu, .inputAxes = {0, 0}}, widest()), "NOT_FINITE");
    // Weights that are known and hold it: another backend's.
    EXPECT_EQ(check({.op = "fusedConv", .inputs = {x, with(value, floats({16, 3, 3, 3}, 2))}, .attributes = relu, .inputAxes = {0, 0}}, widest()), 0);
  }
}

TEST(capped_to_avx2) { expectPassesCappedTo("avx2", "onednn_kernels/"); }

HostTensor floatsOfBf16(const Shape& shape, uint64_t seed) {
  HostTensor out = floats(shape, seed);
  auto* data = reinterpret_cast<float*>(out.mutableData());
  for (int64_t i = 0; i < shape.count(); ++i) data[i] = widenBf16(narrowBf16(data[i]));
  return out;
}

/// Of numbers that bf16 has, products of bf16 are those of f32.
TEST(convolutions_of_bf16) {
  requireLibrary();
  const IsaScope capped(cpu::Isa::Avx512Bf16);
  if (cpu::bf16Kernels() == nullptr || !std::string_view(onednn()->isa()).ends_with("bf16")) SKIP("no products of bf16");
  int forward = 0, gradients = 0;
  for (const Geometry& g : geometries()) {
    const HostTensor x = floatsOfBf16(g.x, 1), w = floatsOfBf16(g.w, 2), bias = floats({g.w[0]}, 3), residual = floats(resultOf(g), 4);
    Attributes fused = attributesOf(g);
    fused.set("activation", std::string("relu"));
    forward += check({"conv", {x, w}, attributesOf(g), {1, 0}, 1, 4e-6, true, true}, widest());
    forward += check({"fusedConv", {x, w, bias, residual}, fused, {1, 0, 0, 1}, 1, 4e-6, true, true}, widest());
    gradients += check({"convDataGradient", {floatsOfBf16(resultOf(g), 5), w, x}, attributesOf(g), {1, 0, 1}, 1, 4e-6, true, true}, widest());
  }
  EXPECT_TRUE(forward >= 16);
  EXPECT_TRUE(gradients >= 8);
}

}  // namespace
}  // namespace ascribe::test
