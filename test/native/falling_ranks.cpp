#include "numerics/falling_ranks.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "harness.h"
#include "runtime/random.h"

/// Places by digits, against a stable sort by comparison.
namespace ascribe::test {
namespace {

std::vector<float> byComparison(const std::vector<double>& scores) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  std::vector<float> ranks(scores.size());
  for (size_t rank = 0; rank < order.size(); ++rank) ranks[order[rank]] = static_cast<float>(rank);
  return ranks;
}

void expectRanked(const std::vector<double>& scores) {
  std::vector<float> ranks(scores.size(), -1);
  fallingRanks(scores.data(), static_cast<int64_t>(scores.size()), ranks.data());
  EXPECT_TRUE(ranks == byComparison(scores));
}

TEST(ranks_by_digits_are_those_of_a_stable_sort) {
  const RandomStream stream(11, 0, 0);
  std::vector<double> singles, doubles, ties;
  for (size_t i = 0; i < 5000; ++i) {
    const double drawn = stream.normal(i);
    doubles.push_back(drawn * (i % 7 == 0 ? 1e-200 : 1));
    singles.push_back(static_cast<float>(drawn));
    // A handful of numbers, both zeros among them.
    ties.push_back(static_cast<int>(drawn * 2) * (i % 2 == 0 ? 1.0 : -1.0));
  }
  expectRanked(singles);
  expectRanked(doubles);
  expectRanked(ties);
  expectRanked(std::vector<double>(3000, 0.25));
  expectRanked({-2});
  expectRanked({});
}

}  // namespace
}  // namespace ascribe::test
