#include <cmath>

#include "cpu_support.h"
#include "harness.h"

namespace ascribe::test {
namespace {

using List = std::vector<int64_t>;

const Shape kShapes[] = {{3, 7}, {2, 65}, {1, 1}, {4, 5, 33}, {0, 6}, {2, 0, 3}, {17, 129}};

TEST(softmaxAlongEveryAxis) {
  for (const Shape& shape : kShapes)
    for (int64_t axis = -1; axis >= -shape.rank(); --axis)
      for (const char* op : {"softmax", "logSoftmax"}) {
        const Attributes a{{"axis", axis}};
        EXPECT_LIKE_REFERENCE({.op = op, .inputs = {floats(shape, 3, -9, 9)}, .attributes = a, .tolerance = 1e-6});
        Shape g = prepend(2, shape);
        EXPECT_LIKE_REFERENCE({.op = std::string_view(op) == "softmax" ? "softmaxGrad" : "logSoftmaxGrad", .inputs = {floats(g, 4), floats(shape, 5, 0.01, 1)}, .attributes = a, .tolerance = 2e-6});
      }
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_LIKE_REFERENCE({.op = "softmax", .inputs = {floatsOf({2, 3}, {1, -inf, 2, -inf, -inf, 5})}, .attributes = {{"axis", int64_t{-1}}}});
  EXPECT_LIKE_REFERENCE({.op = "softmax", .inputs = {floatsOf({1, 3}, {1, std::nanf(""), 2})}, .attributes = {{"axis", int64_t{-1}}}});
}

TEST(norms) {
  for (const Shape& shape : {Shape{3, 7}, Shape{2, 5, 64}, Shape{1, 1, 3}, Shape{0, 4}, Shape{5, 200}}) {
    const Shape row{shape.at(-1)};
    for (const char* op : {"layerNorm", "rmsNorm"}) {
      const Attributes a{{"axis", int64_t{-1}}, {"epsilon", 1e-5}};
      const std::string grad = std::string(op) + "Grad";
      EXPECT_LIKE_REFERENCE({.op = op, .inputs = {floats(shape, 1, -2, 3)}, .attributes = a});
      std::vector<HostTensor> inputs{floats(shape, 1, -2, 3), floats(row, 2, 0.5, 2)};
      if (std::string_view(op) == "layerNorm") inputs.push_back(floats(row, 3));
      EXPECT_LIKE_REFERENCE({.op = op, .inputs = inputs, .attributes = a});
      EXPECT_LIKE_REFERENCE({.op = grad, .inputs = {floats(prepend(3, shape), 4), floats(shape, 1, -2, 3)}, .attributes = a, .tolerance = 1e-5});
      EXPECT_LIKE_REFERENCE({.op = grad, .inputs = {floats(prepend(1, shape), 4), floats(shape, 1, -2, 3), floats(row, 2, 0.5, 2)}, .attributes = a, .tolerance = 1e-5});
    }
  }
  // Two axes together, and a mean far from zero.
  EXPECT_LIKE_REFERENCE({.op = "layerNorm", .inputs = {floats({3, 4, 9}, 1, 99, 101), floats({4, 9}, 2)}, .attributes = {{"axis", int64_t{-2}}}, .tolerance = 2e-4});
  for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{1, 4}, Shape{3, 2, 33}})
    EXPECT_LIKE_REFERENCE({.op = "batchNorm", .inputs = {floats(shape, 1, -2, 2), floats({shape[1]}, 2, 0.5, 2), floats({shape[1]}, 3), floats({shape[1]}, 4), floats({shape[1]}, 5, 0.1, 3)}, .attributes = {{"epsilon", 1e-3}}});
}

TEST(movement) {
  const auto integers = [](const Shape& shape) {
    HostTensor t(DType::I64, shape);
    for (int64_t i = 0; i < shape.count(); ++i) static_cast<int64_t*>(t.mutableData())[i] = i;
    return t;
  };
  for (const List& p : {List{0, 1, 2}, List{2, 1, 0}, List{1, 0, 2}, List{0, 2, 1}, List{1, 2, 0}}) {
    EXPECT_LIKE_REFERENCE({.op = "transpose", .inputs = {floats({5, 33, 7}, 1)}, .attributes = {{"permutation", p}}, .tolerance = 0});
    EXPECT_LIKE_REFERENCE({.op = "transpose", .inputs = {integers({3, 1, 4})}, .attributes = {{"permutation", p}}, .tolerance = 0});
    EXPECT_LIKE_REFERENCE({.op = "transpose", .inputs = {floats({0, 3, 2}, 1)}, .attributes = {{"permutation", p}}, .tolerance = 0});
  }
  for (int64_t axis = 0; axis < 3; ++axis) {
    Shape a{3, 4, 5}, b{3, 4, 5}, none{3, 4, 5};
    b[static_cast<int>(axis)] = 2;
    none[static_cast<int>(axis)] = 0;
    EXPECT_LIKE_REFERENCE({.op = "concat", .inputs = {floats(a, 1), floats(b, 2), floats(none, 3)}, .attributes = {{"axis", axis}}, .tolerance = 0});
  }
  EXPECT_LIKE_REFERENCE({.op = "slice", .inputs = {floats({6, 9, 40}, 1), HostTensor::ofIntegers({4, 1}), HostTensor::ofIntegers({0, 39}), HostTensor::ofIntegers({0, 2}), HostTensor::ofIntegers({-2, 3})}, .tolerance = 0});
  EXPECT_LIKE_REFERENCE({.op = "slice", .inputs = {floats({6, 9}, 1), HostTensor::ofIntegers({2}), HostTensor::ofIntegers({2}), HostTensor::ofIntegers({0})}, .tolerance = 0});
  EXPECT_LIKE_REFERENCE({.op = "expand", .inputs = {floats({3, 1, 5}, 1), HostTensor::ofIntegers({2, 3, 4, 5})}, .tolerance = 0});
  EXPECT_LIKE_REFERENCE({.op = "expand", .inputs = {floats({}, 1), HostTensor::ofIntegers({300, 70})}, .tolerance = 0});
}

TEST(reductions) {
  for (const char* op : {"sum", "mean", "reduceMax", "reduceMin"})
    for (const Shape& shape : {Shape{4, 5, 33}, Shape{2, 3, 600}, Shape{1, 1, 1}, Shape{7, 1, 300}})
      for (const List& axes : {List{0}, List{1}, List{2}, List{0, 1}, List{1, 2}, List{0, 2}, List{0, 1, 2}})
        for (const int64_t keep : {0, 1})
          EXPECT_LIKE_REFERENCE({.op = op, .inputs = {floats(shape, 7, -3, 3)}, .attributes = {{"axes", axes}, {"keepDims", keep}}, .tolerance = 1e-6});
  for (const char* op : {"reduceMax", "reduceMin", "sum"})
    EXPECT_LIKE_REFERENCE({.op = op, .inputs = {floatsOf({2, 3}, {1, std::nanf(""), 2, 5, 4, 3})}, .attributes = {{"axes", List{1}}}});
}

TEST(attention) {
  struct Case {
    Shape q, k, v;
    Shape mask = {};
    bool masked = false, causal = false;
  };
  for (const Case& c : {Case{{2, 3, 5, 8}, {2, 3, 5, 8}, {2, 3, 5, 8}}, Case{{1, 2, 70, 16}, {1, 2, 90, 16}, {1, 2, 90, 12}}, Case{{4, 33, 7}, {4, 33, 7}, {4, 33, 9}, {}, false, true},
                        Case{{2, 2, 40, 8}, {2, 2, 50, 8}, {2, 2, 50, 8}, {}, false, true}, Case{{2, 3, 9, 4}, {2, 3, 11, 4}, {2, 3, 11, 5}, {2, 1, 1, 11}, true},
                        Case{{2, 3, 9, 4}, {2, 3, 11, 4}, {2, 3, 11, 5}, {9, 11}, true}, Case{{2, 3, 9, 4}, {2, 3, 11, 4}, {2, 3, 11, 5}, {3, 9, 1}, true}, Case{{6, 3}, {4, 3}, {4, 2}},
                        Case{{1, 2, 41, 8}, {1, 2, 42, 8}, {1, 2, 42, 8}, {}, false, true}, Case{{1, 30, 4}, {1, 20, 4}, {1, 20, 3}, {}, false, true}, Case{{3, 197, 6}, {3, 197, 6}, {3, 197, 5}},
                        Case{{3, 700, 4}, {3, 700, 4}, {3, 700, 3}, {}, false, true}, Case{{2, 5, 4}, {2, 0, 4}, {2, 0, 3}}, Case{{2, 5, 1024}, {2, 3, 1024}, {2, 3, 1024}}, Case{{2, 0, 4}, {2, 5, 4}, {2, 5, 3}}}) {
    const Attributes a{{"scale", 0.35}, {"causal", int64_t{c.causal}}};
    std::vector<HostTensor> inputs{floats(c.q, 1, -2, 2), floats(c.k, 2, -2, 2), floats(c.v, 3)};
    if (c.masked) inputs.push_back(floats(c.mask, 4, -3, 0));
    EXPECT_LIKE_REFERENCE({.op = "attention", .inputs = inputs, .attributes = a, .tolerance = 2e-6});
    Shape y = c.q;
    y[y.rank() - 1] = c.v.at(-1);
    inputs.insert(inputs.begin(), floats(prepend(2, y), 9));
    EXPECT_LIKE_REFERENCE({.op = "attentionGrad", .inputs = inputs, .attributes = a, .outputs = 3, .tolerance = 5e-6});
  }
}

}  // namespace
}  // namespace ascribe::test
