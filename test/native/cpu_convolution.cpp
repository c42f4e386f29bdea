#include "cpu_support.h"
#include "harness.h"

namespace ascribe::test {
namespace {

using Ints = std::vector<int64_t>;

struct Geometry {
  Shape x, w;
  Ints strides, dilations, pads;
  int64_t group = 1;
};

/// One to three axes; uneven sizes, strides, paddings, dilations, groups; pointwise; depthwise with and without strides.
const std::vector<Geometry>& geometries() {
  static const std::vector<Geometry> all = {
      {{2, 3, 13, 11}, {7, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
      {{1, 5, 14, 9}, {20, 5, 3, 5}, {2, 1}, {1, 2}, {0, 3, 1, 2}},
      {{2, 4, 23, 23}, {6, 4, 7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}},
      {{3, 17, 7, 7}, {33, 17, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {{2, 6, 9, 10}, {5, 6, 1, 1}, {2, 3}, {1, 1}, {0, 0, 0, 0}},
      {{2, 8, 9, 8}, {12, 2, 3, 3}, {1, 1}, {1, 1}, {1, 0, 1, 2}, 4},
      {{1, 8, 9, 8}, {4, 4, 3, 2}, {3, 2}, {2, 1}, {2, 1, 2, 1}, 2},
      {{2, 6, 11, 19}, {6, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 6},
      {{2, 5, 12, 21}, {5, 1, 5, 3}, {2, 2}, {1, 1}, {2, 0, 1, 1}, 5},
      {{1, 3, 15, 16}, {3, 1, 3, 3}, {3, 2}, {2, 3}, {1, 4, 2, 3}, 3},
      {{1, 4, 8, 8}, {8, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 4},
      {{2, 3, 31}, {5, 3, 4}, {2}, {3}, {5, 2}},
      {{1, 2, 6, 7, 8}, {3, 2, 2, 3, 3}, {1, 2, 1}, {1, 1, 2}, {0, 1, 2, 1, 1, 2}},
      {{1, 3, 5, 6, 9}, {3, 1, 3, 2, 3}, {2, 1, 2}, {1, 2, 1}, {1, 1, 1, 0, 1, 1}, 3},
      {{1, 2, 9, 9}, {2, 2, 2, 2}, {1, 1}, {1, 1}, {3, 2, 1, 4}},  // padding beyond the kernel
      {{1, 40, 6, 5}, {30, 40, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},  // deeper than one block
  };
  return all;
}

Attributes attributesOf(const Geometry& g) {
  return {{"strides", g.strides}, {"dilations", g.dilations}, {"pads", g.pads}, {"group", g.group}};
}
Shape resultOf(const Geometry& g) {
  Shape y{g.x[0], g.w[0]};
  const size_t n = g.strides.size();
  for (size_t i = 0; i < n; ++i) {
    const int a = static_cast<int>(i) + 2;
    y.push((g.x[a] + g.pads[i] + g.pads[n + i] - ((g.w[a] - 1) * g.dilations[i] + 1)) / g.strides[i] + 1);
  }
  return y;
}

TEST(forward) {
  for (const Geometry& g : geometries()) {
    EXPECT_LIKE_REFERENCE({.op = "conv", .inputs = {floats(g.x, 1), floats(g.w, 2)}, .attributes = attributesOf(g), .frozen = {1}});
    EXPECT_LIKE_REFERENCE({.op = "conv", .inputs = {floats(g.x, 1), floats(g.w, 2), floats({g.w[0]}, 3)}, .attributes = attributesOf(g)});
  }
}

TEST(fused) {
  for (const Geometry& g : geometries())
    for (const char* activation : {"none", "relu", "clip", "leakyRelu"}) {
      Attributes a = attributesOf(g);
      a.set("activation", std::string(activation)).set("alpha", 0.125).set("beta", 0.75);
      EXPECT_LIKE_REFERENCE({.op = "fusedConv", .inputs = {floats(g.x, 1), floats(g.w, 2), floats({g.w[0]}, 3), floats(resultOf(g), 4)}, .attributes = a,
                             .tolerance = 6e-6,  // of sums of hundreds of terms, which the clip then cuts down to below 1
                             .frozen = {1}});
    }
}

TEST(notANumberGoesThrough) {
  HostTensor x = floats({1, 2, 5, 5}, 1);
  static_cast<float*>(x.mutableData())[12] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_LIKE_REFERENCE({.op = "fusedConv", .inputs = {x, floats({3, 2, 3, 3}, 2)},
                         .attributes = {{"pads", Ints{1, 1, 1, 1}}, {"activation", std::string("relu")}}});
}

TEST(dataGradient) {
  for (const Geometry& g : geometries()) {
    const Shape y = resultOf(g);
    EXPECT_LIKE_REFERENCE({.op = "convDataGradient", .inputs = {floats(y, 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g), .frozen = {1}});
    EXPECT_LIKE_REFERENCE({.op = "convDataGradient", .inputs = {floats(prepend(2, y), 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g)});
  }
}

TEST(weightGradient) {
  for (const Geometry& g : geometries())
    for (const int64_t perExample : {0, 1}) {
      Attributes a = attributesOf(g);
      a.set("perExample", perExample);
      EXPECT_LIKE_REFERENCE({.op = "convWeightGradient", .inputs = {floats(g.x, 1), floats(prepend(2, resultOf(g)), 2), floats(g.w, 3)}, .attributes = a, .tolerance = 4e-6});
    }
}

TEST(transposed) {
  for (const Geometry& g : geometries())
    EXPECT_LIKE_REFERENCE({.op = "convTranspose", .inputs = {floats(resultOf(g), 1), floats(g.w, 2), floats({g.w[1] * g.group}, 3)},
                           .attributes = attributesOf(g), .frozen = {1}});
}

}  // namespace
}  // namespace ascribe::test
