#include "runtime/random.h"

#include <cmath>
#include <set>
#include <vector>

#include "harness.h"

using namespace ascribe;
using Block = std::array<uint32_t, 4>;

// kat_vectors of Random123 (philox4x32, 10 rounds).
TEST(philox_known_answers) {
  EXPECT_TRUE((philox4x32({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_TRUE((philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) ==
               Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_TRUE((philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
               Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

namespace {

struct Moments {
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0;
};

template <class Draw>
Moments momentsOf(int count, Draw draw) {
  double s1 = 0, s2 = 0, s3 = 0, s4 = 0;
  for (int i = 0; i < count; ++i) {
    const double x = draw(i);
    s1 += x, s2 += x * x, s3 += x * x * x, s4 += x * x * x * x;
  }
  const double m = s1 / count, v = s2 / count - m * m;
  return {m, v, (s3 / count - 3 * m * s2 / count + 2 * m * m * m) / std::pow(v, 1.5),
          (s4 / count - 4 * m * s3 / count + 6 * m * m * s2 / count - 3 * m * m * m * m) / (v * v)};
}

constexpr int draws = 400000;

}  // namespace

// Bounds are five standard errors of each moment's estimate.
TEST(normal_moments_and_tail) {
  const RandomStream stream(7, 3, 0);
  const auto m = momentsOf(draws, [&](int i) { return stream.normal(i); });
  const double n = draws;
  EXPECT_NEAR(m.mean, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(m.variance, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(m.skewness, 0, 5 * std::sqrt(6 / n));
  EXPECT_NEAR(m.kurtosis, 3, 5 * std::sqrt(24 / n));
  int beyondTwo = 0;
  for (int i = 0; i < draws; ++i) beyondTwo += std::fabs(stream.normal(i)) > 2;
  const double share = 0.04550026389635842;
  EXPECT_NEAR(beyondTwo / n, share, 5 * std::sqrt(share * (1 - share) / n));
}

TEST(uniform_moments_and_range) {
  const RandomStream stream(7, 3, 1);
  const auto m = momentsOf(draws, [&](int i) { return stream.uniform(i); });
  EXPECT_NEAR(m.mean, 0.5, 5 * std::sqrt(1.0 / 12 / draws));
  EXPECT_NEAR(m.variance, 1.0 / 12, 5 * std::sqrt(1.0 / 180 / draws));
  const auto d = momentsOf(draws, [&](int i) { return stream.uniformDouble(i); });
  EXPECT_NEAR(d.mean, 0.5, 5 * std::sqrt(1.0 / 12 / draws));
  EXPECT_EQ(RandomStream::toUniform(~0u), 1.0f - 0x1p-24f);
  EXPECT_EQ(RandomStream::toUniform(0), 0.0f);
}

TEST(integers_are_uniform) {
  const RandomStream stream(1, 2, 3);
  std::vector<int> counts(10);
  for (int i = 0; i < draws; ++i) {
    const uint64_t value = stream.integer(i, 10);
    REQUIRE(value < 10);
    ++counts[value];
  }
  double chiSquare = 0;
  for (const int c : counts) chiSquare += std::pow(c - draws / 10.0, 2) / (draws / 10.0);
  EXPECT_TRUE(chiSquare < 33.7);  // 9 degrees of freedom, p = 1e-4
  EXPECT_EQ(stream.integer(5, 1), uint64_t{0});
}

TEST(any_split_of_a_fill_gives_the_same_numbers) {
  const RandomStream stream(11, 22, 33);
  std::vector<float> whole(41), parts(41);
  stream.fillNormal(whole.data(), 5, 41, 1.5, 0.25);
  for (int at = 0; at < 41;) {
    const int step = std::min(1 + at % 5, 41 - at);
    stream.fillNormal(parts.data() + at, 5 + at, step, 1.5, 0.25);
    at += step;
  }
  EXPECT_TRUE(whole == parts);
  EXPECT_EQ(whole[3], static_cast<float>(1.5 + 0.25 * stream.normal(8)));
  stream.fillUniform(whole.data(), 3, 41, 0, 1);
  for (int i = 0; i < 41; ++i) EXPECT_EQ(whole[i], stream.uniform(3 + i));
}

TEST(streams_differ_by_seed_item_and_sample) {
  std::set<Block> seen;
  int streams = 0;
  for (const uint64_t seed : {0ull, 1ull, 1ull << 32}) {
    for (const uint64_t item : {0ull, 1ull, 1ull << 32, (1ull << 32) + 1}) {
      for (const uint32_t sample : {0u, 1u, 1u << 31}) {
        for (const uint64_t block : {0ull, 1ull, 1ull << 32}) {
          seen.insert(RandomStream(seed, item, sample).block(block));
          ++streams;
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(streams));
}
