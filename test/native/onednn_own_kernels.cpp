#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "graph/op.h"
#include "harness.h"
#include "isa_scope.h"
#include "onednn_support.h"
#include "runtime/team.h"

/// Convolutions of our own that stand beside the library's, which has none for what they do or slower ones.
namespace ascribe::test {
namespace {

/// Channels that end in the first half of a block, or before one; one to four blocks of results; kernels that reach beside the picture on
/// every side, by more than one place, and rows narrower than a tile.
TEST(a_stride_of_two_without_products_for_channels_that_fill_blocks_up) {
  requireBlocksOf16();
  for (const Geometry& g : {Geometry{{3, 16, 32, 32}, {24, 16, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}}, Geometry{{2, 24, 17, 31}, {48, 24, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}},
                            Geometry{{2, 20, 9, 8}, {40, 20, 5, 3}, {2, 2}, {1, 1}, {2, 0, 2, 2}}, Geometry{{1, 24, 30, 33}, {8, 24, 5, 5}, {2, 2}, {1, 1}, {3, 4, 0, 1}},
                            Geometry{{2, 8, 12, 60}, {56, 8, 1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}}, Geometry{{1, 40, 7, 5}, {24, 40, 3, 3}, {2, 2}, {1, 1}, {1, 2, 1, 2}}})
    for (const char* activation : {"none", "relu", "clip"}) {
      const Attributes a = attributesOf(g, activation);
      check({.op = "fusedConv", .inputs = {floats(g.x, 1), floats(g.w, 2), floats({g.w[0]}, 3)}, .attributes = a, .inputAxes = {1, 0, 0}, .kernel = "cpu-strided"}, widest());
      check({.op = "fusedConv", .inputs = {floats(g.x, 1), floats(g.w, 2), HostTensor()}, .attributes = a, .inputAxes = {1, 0, 0}, .kernel = "cpu-strided"}, widest());
    }
}

/// Windows that only look like those of a stride of 2.
TEST(other_windows_than_those_of_a_stride_of_two_have_their_own_numbers) {
  requireBlocksOf16();
  int made = 0;
  for (const Geometry& g : {Geometry{{2, 24, 17, 31}, {24, 24, 3, 3}, {2, 2}, {1, 2}, {1, 1, 1, 1}}, Geometry{{2, 24, 17, 19}, {24, 24, 3, 3}, {2, 1}, {1, 1}, {1, 1, 1, 1}},
                            Geometry{{2, 48, 17, 19}, {24, 24, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 2}, Geometry{{2, 24, 17, 19}, {24, 24, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}}})
    for (const char* activation : {"relu", "silu"})
      for (const bool isResidual : {false, true}) {
        const Attributes a = attributesOf(g, activation);
        BlockedCase test{.op = "fusedConv", .inputs = {floats(g.x, 1), floats(g.w, 2), floats({g.w[0]}, 3)}, .attributes = a, .inputAxes = {1, 0, 0}};
        if (isResidual) {
          test.inputs.push_back(floats(resultOf(g), 4));
          test.inputAxes.push_back(1);
        }
        made += check(test, widest());
      }
  EXPECT_TRUE(made >= 8);
}

/// Copies of one example of which some numbers are others; among them one that is another example, and one of much larger numbers.
HostTensor similarRows(int64_t rows, const Shape& item, float large) {
  HostTensor x = floats(prepend(rows, item), 1);
  auto* data = static_cast<float*>(x.mutableData());
  const int64_t count = item.count();
  for (int64_t row = 1; row < rows; ++row) {
    float* own = data + row * count;
    if (row == 3) continue;
    for (int64_t i = 0; i < count; ++i)
      if (i % 29 != row) own[i] = data[i];
    if (row == 5) own[count / 2] = large;
  }
  return x;
}
Attributes ofSimilarRows() {
  return {{"strides", Ints{2, 2}}, {"pads", Ints{2, 1, 1, 2}}, {"dilations", Ints{1, 1}}, {"group", int64_t{1}}, {"activation", std::string("relu")}, {"alpha", 0.0}, {"beta", 0.0}};
}

TEST(similar_rows_are_brought_up_to_date) {
  requireBlocksOf16();
  // One number of 1e6 would leave nothing of the sums that follow it.
  for (const float large : {1.0f, 1e6f, INFINITY}) {
    const HostTensor x = similarRows(8, {3, 24, 21}, large), w = floats({24, 3, 5, 5}, 2), bias = floats({24}, 3);
    Attributes a = ofSimilarRows();
    // Before an activation that would hide what infinities cancel to, they are refused.
    if (std::isinf(large)) a.set("activation", std::string("none"));
    if (large == 1.0f)
      EXPECT_EQ(check({.op = "fusedConv", .inputs = {x, w, bias}, .attributes = a, .inputAxes = {0, 0, 0}, .similarRows = true}, widest()), 2);
    Attributes marked = a;
    marked.set("similarRows", int64_t{1});
    // Row by row against each by itself, of which nothing can be brought up to date.
    const auto run = [&](int64_t first, int64_t rows) {
      const Node node{&ascribe::op("fusedConv"), {0, 1, 2}, {3}, marked, {}};
      const ValueType in{DType::F32, Shape{rows, 3, 24, 21}, Layout::Plain, 1}, out{DType::F32, Shape{rows, 24, 12, 10}, Layout::Blocked16, 1};
      const ValueType inputs[] = {in, typed(w, 0, Layout::Plain), typed(bias, 0, Layout::Plain)};
      const HostTensor* constants[] = {nullptr, &w, nullptr};
      const std::unique_ptr<Kernel> kernel = makeKernel({node, inputs, {&out, 1}, constants}, std::array<std::string_view, 1>{"onednn"});
      REQUIRE(kernel != nullptr);
      EXPECT_EQ(kernel->name().find("similar-rows") != std::string_view::npos, rows > 1);
      const AlignedBytes scratch = AlignedBytes(kernel->scratchBytes());
      std::vector<float> result(static_cast<size_t>(storedShape(out).count()));
      const TensorRef operands[] = {{const_cast<float*>(x.as<float>()) + first * 3 * 24 * 21, DType::F32, in.shape}, {nullptr, DType::F32, w.shape()}, {const_cast<void*>(bias.data()), DType::F32, bias.shape()}};
      const TensorRef ref{result.data(), DType::F32, out.shape, Layout::Blocked16, 1};
      kernel->run({operands, {&ref, 1}, scratch.get()});
      return result;
    };
    const std::vector<float> all = run(0, 8);
    const size_t each = all.size() / 8;
    for (size_t row = 0; row < 8; ++row) {
      const std::vector<float> alone = run(static_cast<int64_t>(row), 1);
      float worst = 0, size = 0;
      for (size_t i = 0; i < each; ++i) {
        if (std::isinf(alone[i]) || std::isinf(all[row * each + i])) {
          EXPECT_EQ(alone[i], all[row * each + i]);
          continue;
        }
        worst = std::max(worst, std::fabs(alone[i] - all[row * each + i]));
        size = std::max(size, std::fabs(alone[i]));
      }
      EXPECT_TRUE(worst <= 2e-6f * size);
    }
  }
}

/// One kernel of a convolution that keeps sizes run on some images of these; its name, and the results in blocks.
std::pair<std::string, std::vector<float>> runOnImages(std::string_view op, const HostTensor& x, const HostTensor& w, const HostTensor& third, int64_t first, int64_t images, int width) {
  const Layout layout = Layout::Blocked16;
  const ValueType whole = typed(x, 1, layout);
  ValueType in = whole;
  in.shape = Shape{images, x.shape()[1], x.shape()[2], x.shape()[3]};
  ValueType out = in;
  const int64_t pad = w.shape()[2] / 2, group = w.shape()[1] == 1 ? w.shape()[0] : 1;
  out.shape = Shape{images, op != "convDataGradient" ? w.shape()[0] : w.shape()[1] * group, x.shape()[2], x.shape()[3]};
  const Node node{&ascribe::op(op), {0, 1, 2}, {3}, {{"pads", Ints{pad, pad, pad, pad}}, {"strides", Ints{1, 1}}, {"dilations", Ints{1, 1}}, {"group", group}, {"activation", std::string("relu")}, {"alpha", 0.0}, {"beta", 0.0}}, {}};
  ValueType last = typed(third, 0, layout);
  if (op == "convDataGradient") last.shape = out.shape;
  const ValueType inputs[] = {in, typed(w, 0, layout), last};
  const HostTensor* constants[] = {nullptr, &w, nullptr};
  const AlignedBytes blocks = reordered(x.data(), typed(x, 0, layout), whole);
  Team team(width);
  const TeamScope scope(team);
  const std::unique_ptr<Kernel> kernel = makeKernel({node, inputs, {&out, 1}, constants}, std::array<std::string_view, 1>{"onednn"});
  REQUIRE(kernel != nullptr);
  const AlignedBytes scratch = AlignedBytes(kernel->scratchBytes());
  std::vector<float> result(static_cast<size_t>(storedShape(out).count()));
  const int64_t each = storedShape(whole).count() / x.shape()[0];
  const TensorRef operands[] = {{reinterpret_cast<float*>(blocks.get()) + first * each, DType::F32, in.shape, layout, 1},
                                {nullptr, DType::F32, w.shape()},
                                {op != "convDataGradient" ? const_cast<void*>(third.data()) : nullptr, DType::F32, last.shape}};
  const TensorRef ref{result.data(), DType::F32, out.shape, layout, 1};
  kernel->run({operands, {&ref, 1}, scratch.get()});
  return {std::string(kernel->name()), result};
}

TEST(winograd_agrees_with_the_reference) {
  requireLibrary();
  int made = 0;
  // Uneven paddings and sizes, partly filled blocks, more images than threads.
  for (const Geometry& g : {Geometry{{3, 24, 21, 19}, {32, 24, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
                            Geometry{{4, 32, 12, 12}, {32, 32, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
                            Geometry{{1, 32, 30, 17}, {40, 32, 3, 3}, {1, 1}, {1, 1}, {0, 1, 2, 0}}}) {
    for (const char* activation : {"none", "relu", "clip", "leakyRelu"}) {
      const Attributes a = attributesOf(g, activation);
      made += check({.op = "fusedConv", .inputs = {floats(g.x, 1), floats(g.w, 2), floats({g.w[0]}, 3), floats(resultOf(g), 4)}, .attributes = a, .inputAxes = {1, 0, 0, 1}, .tolerance = 8e-6}, widest());
    }
    made += check({.op = "convDataGradient", .inputs = {floats(prepend(3, resultOf(g)), 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g), .inputAxes = {2, 0, 0}, .outputAxis = 2, .tolerance = 8e-6}, widest());
  }
  EXPECT_TRUE(made >= atLeast(30));
}

/// Squares of four and of two results, channels that end in the first half of a block and in the second, or just behind the first.
TEST(winograd_loses_no_more_than_a_direct_sum_in_f32) {
  requireBlocksOf16();
  for (const auto& [channels, results, side] : {std::array{24, 24, 32}, std::array{48, 40, 16}, std::array{28, 20, 18}, std::array{25, 41, 16}, std::array{200, 200, 12}}) {
    const HostTensor x = floats({1, channels, side, side}, 1), w = floats({results, channels, 3, 3}, 2), bias = floats({results}, 3);
    const auto [name, got] = runOnImages("conv", x, w, bias, 0, 1, 1);
    EXPECT_TRUE(name == "cpu-winograd");
    const auto at = [&](const HostTensor& t, int64_t i) { return static_cast<double>(t.as<float>()[i]); };
    double error = 0, size = 0;
    for (int64_t m = 0; m < results; ++m)
      for (int64_t row = 0; row < side; ++row)
        for (int64_t column = 0; column < side; ++column) {
          double sum = at(bias, m);
          for (int64_t c = 0; c < channels; ++c)
            for (int64_t tap = 0; tap < 9; ++tap) {
              const int64_t r = row + tap / 3 - 1, k = column + tap % 3 - 1;
              if (r >= 0 && r < side && k >= 0 && k < side) sum += at(x, (c * side + r) * side + k) * at(w, (m * channels + c) * 9 + tap);
            }
          const auto stored = static_cast<size_t>(((m / 16 * side + row) * side + column) * 16 + m % 16);
          error += std::pow(static_cast<double>(got[stored]) - sum, 2);
          size += sum * sum;
        }
    EXPECT_TRUE(std::sqrt(error / size) < 8e-7);
  }
}

TEST(an_image_has_the_same_bits_in_every_batch_and_on_any_threads) {
  requireBlocksOf16();
  const HostTensor x = floats({9, 24, 20, 20}, 1);
  for (const auto& [w, kernel] : {std::pair{floats({80, 24, 3, 3}, 2), "wino"}, std::pair{floats({80, 24, 1, 1}, 2), "pointwise"}, std::pair{floats({24, 1, 5, 5}, 2), "depthwise"}})
    for (const std::string_view op : {"conv", "convDataGradient"}) {
      const HostTensor in = op == "conv" ? x : floats({9, w.shape()[0], 20, 20}, 4), bias = floats({w.shape()[0]}, 3);
      const auto [name, all] = runOnImages(op, in, w, bias, 0, 9, 2);
      EXPECT_TRUE(name.find(kernel) != std::string::npos);
      const size_t each = all.size() / 9;
      for (const auto& [first, images, width] : {std::array{8, 1, 1}, std::array{3, 2, 2}, std::array{0, 9, 1}, std::array{2, 5, 3}}) {
        const auto part = runOnImages(op, in, w, bias, first, images, width).second;
        EXPECT_EQ(std::memcmp(part.data(), all.data() + static_cast<size_t>(first) * each, part.size() * sizeof(float)), 0);
      }
    }
}

/// Kernels of our own let NaN through.
TEST(own_kernels_show_nan_behind_an_activation) {
  requireBlocksOf16();
  HostTensor x = floats({1, 16, 9, 9}, 1);
  static_cast<float*>(x.mutableData())[40] = std::nanf("");
  for (const HostTensor& w : {floats({16, 16, 1, 1}, 2), floats({16, 1, 3, 3}, 2)}) {
    const auto result = runOnImages("fusedConv", x, w, floats({16}, 3), 0, 1, 1).second;
    EXPECT_TRUE(std::any_of(result.begin(), result.end(), [](float value) { return std::isnan(value); }));
  }
}

TEST(gradient_of_an_image_from_blocks) {
  requireBlocksOf16();
  int made = 0;
  // One to four channels, more than one band of rows, windows that leave the last rows and columns out, taps behind narrow rows.
  for (const Geometry& g : {Geometry{{2, 3, 120, 17}, {24, 3, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}}, Geometry{{1, 3, 61, 20}, {64, 3, 7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}},
                            Geometry{{1, 1, 58, 9}, {16, 1, 3, 5}, {1, 1}, {1, 1}, {0, 2, 2, 1}}, Geometry{{2, 4, 33, 30}, {20, 4, 2, 4}, {4, 3}, {1, 1}, {0, 0, 0, 0}},
                            Geometry{{2, 3, 9, 1}, {16, 3, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}}, Geometry{{1, 3, 9, 2}, {16, 3, 7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}}}) {
    made += check({.op = "convDataGradient", .inputs = {floats(resultOf(g), 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g), .inputAxes = {1, 0, 0}, .outputAxis = 0}, widest());
    made += check({.op = "convDataGradient", .inputs = {floats(prepend(3, resultOf(g)), 1), floats(g.w, 2), floats(g.x, 3)}, .attributes = attributesOf(g), .inputAxes = {2, 0, 0}, .outputAxis = 0}, widest());
  }
  EXPECT_EQ(made, 12);
}

TEST(own_kernels_capped_to_avx2) { expectPassesCappedTo("avx2", "onednn_own_kernels/"); }

}  // namespace
}  // namespace ascribe::test
