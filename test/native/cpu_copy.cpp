#include "cpu_support.h"
#include "harness.h"

namespace ascribe::test {
namespace {

using Ints = std::vector<int64_t>;
HostTensor ints(const Ints& values) { return HostTensor::ofIntegers(values); }

TEST(slices_of_one_two_and_all_axes) {
  const HostTensor x = floats({3, 7, 5, 6}, 1);
  for (const auto& [starts, ends, axes] : std::vector<std::array<Ints, 3>>{
           {Ints{2}, Ints{6}, Ints{1}}, {Ints{1, 2}, Ints{3, 5}, Ints{0, 3}}, {Ints{0, 1, 1, 2}, Ints{2, 4, 3, 6}, Ints{0, 1, 2, 3}},
           {Ints{0}, Ints{99}, Ints{2}}, {Ints{4}, Ints{4}, Ints{1}}})
    EXPECT_LIKE_REFERENCE({.op = "slice", .inputs = {x, ints(starts), ints(ends), ints(axes)}, .tolerance = 0});
  HostTensor whole(DType::I64, {4, 3});
  for (int64_t i = 0; i < 12; ++i) static_cast<int64_t*>(whole.mutableData())[i] = i - 5;
  EXPECT_LIKE_REFERENCE({.op = "slice", .inputs = {whole, ints({1}), ints({3}), ints({0})}, .tolerance = 0});
}

TEST(concatenations_along_every_axis) {
  for (int64_t axis = 0; axis < 3; ++axis) {
    Shape a{2, 3, 4}, b = a, c = a;
    b[static_cast<int>(axis)] = 5;
    c[static_cast<int>(axis)] = 0;
    EXPECT_LIKE_REFERENCE({.op = "concat", .inputs = {floats(a, 1), floats(b, 2), floats(c, 3), floats(a, 4)}, .attributes = {{"axis", axis}}, .tolerance = 0});
  }
  EXPECT_LIKE_REFERENCE({.op = "concat", .inputs = {floats({1, 40, 40, 40}, 1), floats({1, 24, 40, 40}, 2)}, .attributes = {{"axis", int64_t{1}}}, .tolerance = 0});
}

TEST(paddings_and_what_comes_back) {
  for (const Ints& pads : std::vector<Ints>{{0, 8, 0, 0, 0, 8, 0, 0}, {0, 0, 1, 2, 0, 0, 3, 0}, {1, 0, 0, 1, 0, 2, 0, 0}, Ints(8, 0)}) {
    EXPECT_LIKE_REFERENCE({.op = "pad", .inputs = {floats({2, 3, 6, 5}, 1), ints(pads)}, .tolerance = 0});
    EXPECT_LIKE_REFERENCE({.op = "pad", .inputs = {floats({2, 3, 6, 5}, 1), ints(pads), floatsOf({}, {-1.5f})}, .tolerance = 0});
    const Ints before(pads.begin(), pads.begin() + 4), after(pads.begin() + 4, pads.end());
    Shape padded{3, 2, 3, 6, 5};
    for (int i = 0; i < 4; ++i) padded[i + 1] += before[static_cast<size_t>(i)] + after[static_cast<size_t>(i)];
    EXPECT_LIKE_REFERENCE({.op = "padGrad", .inputs = {floats(padded, 2), floats({2, 3, 6, 5}, 3)}, .attributes = {{"before", before}, {"after", after}}, .tolerance = 0});
  }
}

}  // namespace
}  // namespace ascribe::test
