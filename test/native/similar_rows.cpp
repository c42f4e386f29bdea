#include <algorithm>
#include <cmath>

#include "cpu_support.h"
#include "device_support.h"
#include "graph/op.h"
#include "harness.h"
#include "kernels/cpu/similar_rows_kernels.h"
#include "runtime/onednn_library.h"

/// The pass mark-similar-rows: whose convolutions it marks, and that the numbers of a plan hardly depend on it.
namespace ascribe::test {
namespace {

using Ints = std::vector<int64_t>;

CompileOptions unmarked() {
  CompileOptions options;
  options.withoutPasses = {"mark-similar-rows"};
  return options;
}

/// Six copies of one picture of which a mask says what is replaced; `mixed` the picture itself, or six others.
std::shared_ptr<const Plan> plan(bool ofOnePicture, CompileOptions options = {}) {
  Graph graph;
  Builder b{graph};
  const ValueId mask = graph.addInput("mask", DType::Bool, Shape{6, 3, 20, 20}), kept = graph.addInput("kept", DType::F32, Shape{ofOnePicture ? 1 : 6, 3, 20, 20});
  const ValueId x = b.node("where", {mask, b.scalar(DType::F32, -1.5), kept});
  const ValueId first = b.node("relu", {b.node("conv", {x, b.constant(floats({16, 3, 3, 3}, 1)), b.constant(floats({16}, 2))}, {{"pads", Ints{1, 1, 1, 1}}})});
  const ValueId second = b.node("conv", {first, b.constant(floats({16, 16, 3, 3}, 3)), b.constant(floats({16}, 4))}, {{"pads", Ints{1, 1, 1, 1}}});
  graph.outputs = {b.node("globalAveragePool", {second})};
  return compile(graph, std::make_shared<Parameters>(), options);
}

int64_t markedIn(const Plan& plan) {
  return std::count_if(plan.graph().nodes.begin(), plan.graph().nodes.end(), [](const Node& node) { return node.attributes.has("similarRows"); });
}

TEST(the_first_convolution_of_copies_of_one_example_is_marked) {
  EXPECT_EQ(markedIn(*plan(true)), 1);
  EXPECT_EQ(markedIn(*plan(false)), 0);
  EXPECT_EQ(markedIn(*plan(true, unmarked())), 0);
}

TEST(copies_give_what_they_give_when_nothing_is_brought_up_to_date) {
  if (onednn() == nullptr || cpu::similarRowsKernels() == nullptr) SKIP("needs oneDNN and AVX-512");
  HostTensor mask(DType::Bool, Shape{6, 3, 20, 20});
  auto* removed = static_cast<uint8_t*>(mask.mutableData());
  // Nested, as curves have them: row r has every number whose place is below r modulo 31.
  for (int64_t i = 0; i < mask.shape().count(); ++i) removed[i] = i % 1200 % 31 < i / 1200 ? 1 : 0;
  const auto run = [&](CompileOptions options) {
    RunRequest request;
    request.plan = plan(true, options);
    request.inputs = {mask, floats({1, 3, 20, 20}, 5)};
    return ascribe::test::run(std::move(request), 2)[0];
  };
  const HostTensor with = run({}), without = run(unmarked());
  double error = 0, size = 0;
  for (int64_t i = 0; i < with.shape().count(); ++i) {
    error += std::pow(with.real(i) - without.real(i), 2);
    size += std::pow(without.real(i), 2);
  }
  EXPECT_TRUE(error > 0);
  EXPECT_TRUE(std::sqrt(error / size) < 1e-6);
}

/// A convolution of copies of one picture with numbers replaced by `other`, and behind it one whose values lie in blocks.
std::shared_ptr<const Plan> planOf(const Shape& copies, double other, const HostTensor& first, const HostTensor& second, const CompileOptions& options) {
  Graph graph;
  Builder b{graph};
  Shape one = copies;
  one[0] = 1;
  const ValueId mask = graph.addInput("mask", DType::Bool, copies), kept = graph.addInput("kept", DType::F32, one);
  const ValueId x = b.node("where", {mask, b.scalar(DType::F32, other), kept});
  graph.outputs = {b.node("conv", {b.node("conv", {x, b.constant(first)}, {{"pads", Ints{1, 1, 1, 1}}}), b.constant(second)})};
  return compile(graph, std::make_shared<Parameters>(), options);
}

/// The greatest relative L2 error of a copy's convolution that is brought up to date, against one that is computed anew.
double errorOf(const HostTensor& mask, const HostTensor& kept, float other) {
  const auto run = [&](const CompileOptions& options) {
    RunRequest request;
    request.plan = planOf(mask.shape(), static_cast<double>(other), floats({16, 3, 3, 3}, 1), floats({16, 16, 1, 1}, 3), options);
    request.inputs = {mask, kept};
    return ascribe::test::run(std::move(request), 1)[0];
  };
  const HostTensor with = run({}), without = run(unmarked());
  const int64_t rows = with.shape()[0], each = with.shape().count() / rows;
  double most = 0;
  for (int64_t row = 0; row < rows; ++row) {
    double error = 0, size = 0;
    for (int64_t i = row * each; i < (row + 1) * each; ++i) {
      error += std::pow(with.real(i) - without.real(i), 2);
      size += std::pow(without.real(i), 2);
    }
    most = std::max(most, std::sqrt(error / size));
  }
  return most;
}

/// Of 3 x 20 x 20 numbers those at 13 i + 1 are 3^-i: each copy is without one more of them, and all others are tiny.
TEST(numbers_that_shrink_step_by_step_take_no_bits_with_them) {
  if (onednn() == nullptr || cpu::similarRowsKernels() == nullptr) SKIP("needs oneDNN and AVX-512");
  constexpr int64_t kCopies = 14;
  HostTensor mask(DType::Bool, Shape{kCopies, 3, 20, 20}), kept = floats({1, 3, 20, 20}, 5, -1e-7, 1e-7);
  auto* removed = static_cast<uint8_t*>(mask.mutableData());
  std::fill_n(removed, mask.shape().count(), uint8_t{0});
  for (int64_t i = 0; i < kCopies; ++i) {
    static_cast<float*>(kept.mutableData())[13 * i + 1] = std::pow(3.0F, -static_cast<float>(i));
    for (int64_t copy = i + 1; copy < kCopies; ++copy) removed[copy * 1200 + 13 * i + 1] = 1;
  }
  EXPECT_TRUE(errorOf(mask, kept, 0) < 1e-6);
}

/// The sum of 27 numbers up to 1, by weights up to 1e37, is one that single precision has; of 27 numbers of 2 it is none.
TEST(sums_that_were_infinite_are_made_anew) {
  if (onednn() == nullptr || cpu::similarRowsKernels() == nullptr) SKIP("needs oneDNN and AVX-512");
  constexpr int64_t kCopies = 6;
  // Which copies have an overflow in the middle, and which have a number replaced elsewhere.
  constexpr bool overflows[kCopies] = {false, true, false, true, true, false}, differs[kCopies] = {false, false, false, false, true, true};
  HostTensor mask(DType::Bool, Shape{kCopies, 3, 20, 20}), kept = floats({1, 3, 20, 20}, 5, 0, 1);
  auto* masked = static_cast<uint8_t*>(mask.mutableData());
  for (int64_t i = 0; i < mask.shape().count(); ++i) {
    const int64_t copy = i / 1200, y = i / 20 % 20, x = i % 20;
    const bool isMiddle = std::abs(y - 10) <= 1 && std::abs(x - 10) <= 1;
    masked[i] = (overflows[copy] && isMiddle) || (differs[copy] && y == 3 && x == 3) ? 1 : 0;
  }
  const auto run = [&](const CompileOptions& options) {
    RunRequest request;
    // Of all channels the mean.
    request.plan = planOf(mask.shape(), 2, floats({16, 3, 3, 3}, 1, 0.7e37, 1e37), floats({16, 16, 1, 1}, 1, 1.0 / 16, 1.0 / 16), options);
    request.inputs = {mask, kept};
    request.guard = false;
    return ascribe::test::run(std::move(request), 1)[0];
  };
  const HostTensor with = run({}), without = run(unmarked());
  const int64_t each = with.shape().count() / kCopies;
  for (int64_t copy = 0; copy < kCopies; ++copy) {
    int64_t infinite = 0;
    for (int64_t i = copy * each; i < (copy + 1) * each; ++i) {
      const bool isInfinite = std::isinf(without.real(i));
      infinite += isInfinite ? 1 : 0;
      if (isInfinite) EXPECT_EQ(with.real(i), without.real(i));
      else EXPECT_NEAR(with.real(i), without.real(i), 1e-6 * without.real(i));
    }
    EXPECT_EQ(infinite > 0, overflows[copy]);
  }
}

/// Changes from one row to the next where they may be at most `most`; nothing is written behind those.
int64_t changesBetween(const std::vector<float>& from, const std::vector<float>& to, size_t most, std::vector<cpu::NumberChange>& changes) {
  constexpr size_t kBehind = 64;
  changes.assign(most + kBehind, {-7, 0});
  float largest = 0;
  const int64_t found = cpu::similarRowsKernels()->findChanges(from.data(), to.data(), static_cast<int64_t>(from.size()), static_cast<int64_t>(most), changes.data(), &largest);
  for (size_t i = most; i < changes.size(); ++i) EXPECT_EQ(changes[i].place, -7);
  return found;
}

TEST(changes_are_found_in_the_last_numbers_too_and_more_than_there_is_room_for_are_none) {
  if (cpu::similarRowsKernels() == nullptr) SKIP("needs AVX-512");
  std::vector<cpu::NumberChange> changes;
  std::vector<float> from(85), to(85);
  to[3] = -2, to[84] = 1.5F;
  EXPECT_EQ(changesBetween(from, to, 40, changes), 2);
  EXPECT_EQ(changes[0].place, 3);
  EXPECT_EQ(changes[1].place, 84);
  EXPECT_EQ(changes[0].by, -2.0F);
  EXPECT_EQ(changes[1].by, 1.5F);
  std::fill(to.begin(), to.end(), 1.0F);
  EXPECT_EQ(changesBetween(from, to, 40, changes), -1);
}

TEST(what_is_no_number_is_not_brought_up_to_date) {
  if (cpu::similarRowsKernels() == nullptr) SKIP("needs AVX-512");
  std::vector<cpu::NumberChange> changes;
  const std::vector<float> from(48, -3e38F);
  std::vector<float> to = from;
  EXPECT_EQ(changesBetween(from, to, 40, changes), 0);
  for (const float odd : {NAN, INFINITY, 3e38F}) {  // the last one is further away than there are numbers
    to[20] = odd;
    EXPECT_EQ(changesBetween(from, to, 40, changes), -1);
  }
  cpu::Finish finish{};
  std::vector<float> sums(32, 2.0F), y(32);
  EXPECT_TRUE(cpu::similarRowsKernels()->finishSums(finish, sums.data(), y.data(), 32));
  for (const float odd : {NAN, INFINITY, -INFINITY}) {
    sums[19] = odd;
    EXPECT_TRUE(!cpu::similarRowsKernels()->finishSums(finish, sums.data(), y.data(), 32));
  }
}

}  // namespace
}  // namespace ascribe::test
