#include "kernels/cpu/attention_weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "cpu_support.h"
#include "graph/half.h"
#include "graph/op.h"
#include "harness.h"
#include "isa_scope.h"
#include "kernels/cpu/gemm_kernels.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernel.h"
#include "runtime/team.h"

// Weights of attention in bf16, against exponentials in double.
namespace ascribe::test {
namespace {

using namespace ascribe::cpu;

constexpr int64_t kDepth = 50, kApart = 144, kWidth = 3;
constexpr float kNone = std::numeric_limits<float>::infinity();

/// Rows against keys whose product is score(row, key): the one number of a row times that of a key.
struct Scores {
  std::vector<float> rows, keys;
  double at(size_t row, size_t key) const { return static_cast<double>(rows[row]) * static_cast<double>(keys[key]); }
};

/// What one piece of keys makes of rows that have seen nothing before, and of results that are 1.
struct Weighed {
  Weighed(const WeightKernel& kernel, const Scores& scores, float scale, int64_t seen, int64_t step) : rows(static_cast<int64_t>(scores.rows.size())) {
    const GemmKernels& gemm = *bf16Kernels()->gemm;
    const int64_t keys = static_cast<int64_t>(scores.keys.size()), words = gemm.words(kDepth), panels = (keys + gemm.columnTile - 1) / gemm.columnTile;
    std::vector<float> q(scores.rows.size() * kDepth), k(scores.keys.size() * kDepth);
    // Somewhere in the depth, so that words in the middle are read too.
    for (size_t i = 0; i < scores.rows.size(); ++i) q[i * kDepth + 41] = scores.rows[i];
    for (size_t j = 0; j < scores.keys.size(); ++j) k[j * kDepth + 41] = scores.keys[j];
    AlignedFloats left(static_cast<size_t>(gemm.rowTile * words)), right(static_cast<size_t>(panels * gemm.columnTile * words));
    gemm.packA[0].lines(left.data(), q.data(), kDepth, rows, kDepth);
    for (int64_t j = 0; j < keys; j += gemm.columnTile)
      gemm.packB[0].lines(right.data() + j * words, k.data() + j * kDepth, kDepth, std::min<int64_t>(gemm.columnTile, keys - j), kDepth);
    words_.assign(static_cast<size_t>(kernel.rows * kApart), std::nanf(""));
    tops.assign(static_cast<size_t>(kernel.rows), std::numeric_limits<float>::lowest());
    std::vector<float> parts(static_cast<size_t>(kernel.rows * kernel.lanes));
    results.assign(static_cast<size_t>(rows * kWidth), 1.0F);
    kernel.run({left.data(), words, scale, rows, tops.data(), parts.data(), results.data(), kWidth}, {right.data(), keys, seen, step}, words_.data(), kApart);
    for (int64_t i = 0; i < rows; ++i) {
      double sum = 0;
      for (int l = 0; l < kernel.lanes; ++l) sum += static_cast<double>(parts[static_cast<size_t>(i * kernel.lanes + l)]);
      sums.push_back(sum);
    }
  }
  double weight(int64_t row, int64_t key) const {
    uint16_t bits;
    std::memcpy(&bits, reinterpret_cast<const char*>(words_.data() + row * kApart) + 2 * key, sizeof bits);
    return static_cast<double>(widenBf16(bits));
  }
  int64_t rows;
  std::vector<float> tops, results;
  std::vector<double> sums;

 private:
  std::vector<float> words_;
};

template <class Body>
void whereThereAreWeights(Body&& body) {
  const IsaScope capped(Isa::Avx512Bf16);
  if (bf16Kernels() == nullptr) return;
  const WeightKernel* kernel = weightKernel(*bf16Kernels());
  EXPECT_TRUE(kernel != nullptr);
  if (kernel) body(*kernel);
}

/// Numbers that bf16 has, in no order, the first of them the greatest.
std::vector<float> numbers(int64_t count, double from, double to, uint64_t seed) {
  const HostTensor t = floats({count}, seed, from, to);
  std::vector<float> made(t.as<float>(), t.as<float>() + count);
  for (float& x : made) x = widenBf16(narrowBf16(x));
  std::iter_swap(made.begin(), std::max_element(made.begin(), made.end()));
  return made;
}

/// Half the distance of two numbers of bf16 beside x.
double halfStep(double x) { return std::ldexp(1.0, std::ilogb(x) - 8); }

TEST(weightsAreExponentialsWithinTheirErrorAndARounding) {
  whereThereAreWeights([](const WeightKernel& kernel) {
    for (const int64_t count : {kernel.rows, kernel.rows - 1, kernel.rows / 2, int{1}})
      for (const int64_t keys : {1, 31, 32, 33, 200, 256}) {
        const Scores scores{numbers(count, 0.5, 3, 1), numbers(keys, -25, 4, 2)};
        const float scale = 0.37F;
        const Weighed made(kernel, scores, scale, keys, 0);
        for (int64_t i = 0; i < count; ++i) {
          double sum = 0;
          for (int64_t j = 0; j < keys; ++j) {
            const double expected = static_cast<double>(kernel.factor) * std::exp(static_cast<double>(scale) * (scores.at(static_cast<size_t>(i), static_cast<size_t>(j)) - static_cast<double>(made.tops[static_cast<size_t>(i)])));
            EXPECT_NEAR(made.weight(i, j), expected, halfStep(expected) + static_cast<double>(kernel.error) * expected);
            sum += made.weight(i, j);
          }
          for (int64_t j = keys; j < (keys + 31) / 32 * 32; ++j) EXPECT_EQ(made.weight(i, j), 0.0);
          EXPECT_NEAR(made.sums[static_cast<size_t>(i)], sum, 1e-6 * sum);
        }
      }
  });
}

/// The error is of every exponential, so few of them are rounded to the other neighbour.
TEST(weightsAreNearlyAllRoundedToTheNearest) {
  whereThereAreWeights([](const WeightKernel& kernel) {
    const Scores scores{numbers(kernel.rows, 0.5, 3, 3), numbers(256, -9, 1, 4)};
    const Weighed made(kernel, scores, 0.37F, 256, 0);
    int64_t others = 0;
    for (int64_t i = 0; i < made.rows; ++i)
      for (int64_t j = 0; j < 256; ++j) {
        const double exact = static_cast<double>(kernel.factor) * std::exp(static_cast<double>(0.37F) * (scores.at(static_cast<size_t>(i), static_cast<size_t>(j)) - static_cast<double>(made.tops[static_cast<size_t>(i)])));
        others += made.weight(i, j) != static_cast<double>(widenBf16(narrowBf16(static_cast<float>(exact))));
      }
    EXPECT_TRUE(others < made.rows * 256 / 25);
  });
}

TEST(weightsOfKeysThatARowDoesNotSeeAreZero) {
  whereThereAreWeights([](const WeightKernel& kernel) {
    const Scores scores{numbers(kernel.rows, 0.5, 3, 1), numbers(100, -9, 4, 2)};
    for (const int64_t seen : {-3, 0, 1, 20, 32, 62, 64, 95}) {
      const Weighed made(kernel, scores, 0.5F, seen, 1);
      const int64_t last = std::min<int64_t>(100, seen + made.rows - 1);
      for (int64_t i = 0; i < made.rows; ++i) {
        for (int64_t j = 0; j < (last + 31) / 32 * 32; ++j) EXPECT_EQ(made.weight(i, j) > 0, j < std::min<int64_t>(100, seen + i));
        EXPECT_EQ(made.sums[static_cast<size_t>(i)] > 0, seen + i > 0);
      }
    }
  });
}

/// Where scores grow far above the top, what was made before is brought to the new one: rounded once more for each time.
TEST(weightsBeforeAHigherTopAreScaled) {
  whereThereAreWeights([](const WeightKernel& kernel) {
    Scores scores{numbers(kernel.rows, 1, 2, 1), {}};
    for (int j = 0; j < 256; ++j) scores.keys.push_back(widenBf16(narrowBf16(-60 + 0.25F * static_cast<float>(j))));
    const float scale = 0.8F;
    const Weighed made(kernel, scores, scale, 256, 0);
    for (int64_t i = 0; i < made.rows; ++i) {
      const size_t row = static_cast<size_t>(i);
      EXPECT_TRUE(static_cast<double>(made.tops[row]) > scores.at(row, 255) - 16 / static_cast<double>(scale));
      double sum = 0;
      for (int64_t j = 0; j < 256; ++j) {
        const double expected = static_cast<double>(kernel.factor) * std::exp(static_cast<double>(scale) * (scores.at(row, static_cast<size_t>(j)) - static_cast<double>(made.tops[row])));
        EXPECT_NEAR(made.weight(i, j), expected, 0.03 * expected + 1e-37);
        sum += made.weight(i, j);
      }
      EXPECT_NEAR(made.sums[row], sum, 4e-3 * sum);
      // All of them were made with the lowest top.
      for (int64_t c = 0; c < kWidth; ++c) EXPECT_EQ(made.results[static_cast<size_t>(i * kWidth + c)], 0.0F);
    }
  });
}

TEST(weightsOfARowDoNotDependOnOthers) {
  whereThereAreWeights([](const WeightKernel& kernel) {
    Scores all{numbers(kernel.rows, -3, 3, 7), numbers(256, -40, 40, 8)};
    std::reverse(all.keys.begin(), all.keys.end());
    const Weighed together(kernel, all, 0.6F, 256, 0);
    for (int64_t i = 0; i < together.rows; ++i) {
      const Weighed alone(kernel, {{all.rows[static_cast<size_t>(i)]}, all.keys}, 0.6F, 256, 0);
      for (int64_t j = 0; j < 256; ++j) EXPECT_EQ(alone.weight(0, j), together.weight(i, j));
      EXPECT_EQ(alone.sums[0], together.sums[static_cast<size_t>(i)]);
    }
  });
}

TEST(weightsOfNaNAndInfinity) {
  whereThereAreWeights([](const WeightKernel& kernel) {
    Scores scores{numbers(3, 0.5, 2, 1), numbers(96, -9, 4, 2)};
    scores.keys[40] = std::nanf("");
    const Weighed spoiled(kernel, scores, 0.5F, 40, 1);
    EXPECT_TRUE(!std::isnan(spoiled.sums[0]));
    EXPECT_TRUE(std::isnan(spoiled.sums[1]) && std::isnan(spoiled.sums[2]));
    scores.keys[40] = kNone;
    EXPECT_TRUE(std::isnan(Weighed(kernel, scores, 0.5F, 96, 0).sums[0]));
    scores.keys[40] = -kNone;
    const Weighed hidden(kernel, scores, 0.5F, 96, 0);
    // Of zeros times infinity in the depth there is none, so the product is -inf and its weight 0.
    EXPECT_EQ(hidden.weight(0, 40), 0.0);
    EXPECT_TRUE(std::isfinite(hidden.sums[0]));
    // Scores whose product with the scale is out of range.
    const Scores huge{{1.0F}, {0x1p100F, -0x1p100F, 0x1p100F, 0x1p99F}};
    const Weighed far(kernel, huge, 0x1p60F, 4, 0);
    EXPECT_EQ(far.weight(0, 0), far.weight(0, 2));
    EXPECT_TRUE(far.weight(0, 0) > 1);
    EXPECT_EQ(far.weight(0, 1) + far.weight(0, 3), 0.0);
  });
}

/// Of a whole attention: the same bits on any number of threads.
TEST(attentionInBf16IsTheSameOnAnyNumberOfThreads) {
  whereThereAreWeights([](const WeightKernel&) {
    Node node;
    node.op = &op("attention");
    node.inputs = {0, 1, 2};
    node.outputs = {3};
    node.attributes.set("scale", 0.3);
    node.attributes.set("causal", int64_t{1});
    node.attributes.set("products", std::string("bf16"));
    const Shape shape{5, 1100, 24};
    const std::array<ValueType, 3> inputs{ValueType{DType::F32, shape}, ValueType{DType::F32, shape}, ValueType{DType::F32, shape}};
    const std::array<ValueType, 1> outputs{ValueType{DType::F32, shape}};
    const std::array<const HostTensor*, 3> constants{};
    const std::array<std::string_view, 1> backends{"cpu"};
    const auto kernel = makeKernel({node, inputs, outputs, constants}, backends);
    HostTensor q = floats(shape, 1, -3, 3), k = floats(shape, 2, -3, 3), v = floats(shape, 3);
    const std::array<TensorRef, 3> operands{TensorRef{q.mutableData(), DType::F32, shape}, TensorRef{k.mutableData(), DType::F32, shape}, TensorRef{v.mutableData(), DType::F32, shape}};
    std::vector<float> first;
    for (const int width : {1, 2, 3}) {
      Team team(width);
      const TeamScope scope(team);
      std::vector<float> y(static_cast<size_t>(shape.count()), std::nanf(""));
      AlignedFloats scratch(kernel->scratchBytes() / sizeof(float) + 1);
      const std::array<TensorRef, 1> results{TensorRef{y.data(), DType::F32, shape}};
      kernel->run({operands, results, reinterpret_cast<std::byte*>(scratch.data())});
      if (first.empty()) first = y;
      EXPECT_TRUE(std::memcmp(y.data(), first.data(), y.size() * sizeof(float)) == 0);
    }
  });
}

}  // namespace
}  // namespace ascribe::test
