#include "runtime/fair_queue.h"

#include <algorithm>
#include <array>

#include "harness.h"

using namespace ascribe;

namespace {

std::shared_ptr<JobRecord> record(double weight = 1) {
  auto r = std::make_shared<JobRecord>();
  r->weight = weight;
  return r;
}

/// Serves `turns` turns of one unit each and returns how many each record got.
template <size_t N>
std::array<int, N> serve(FairQueue& queue, const std::array<std::shared_ptr<JobRecord>, N>& records,
                         int turns) {
  std::array<int, N> served{};
  for (int i = 0; i < turns; ++i) {
    const auto next = queue.pop();
    for (size_t k = 0; k < N; ++k) served[k] += next == records[k];
    queue.charge(*next, 1.0);
    queue.requeue(next);
  }
  return served;
}

}  // namespace

TEST(equal_jobs_share_equally) {
  FairQueue queue;
  const std::array records{record(), record(), record()};
  for (const auto& r : records) queue.push(r);
  EXPECT_TRUE((serve(queue, records, 300) == std::array<int, 3>{100, 100, 100}));
  EXPECT_EQ(records[0]->costSeconds, 100.0);
}

TEST(shares_follow_the_weights) {
  FairQueue queue;
  const std::array records{record(1), record(3)};
  for (const auto& r : records) queue.push(r);
  const auto served = serve(queue, records, 400);
  EXPECT_NEAR(served[0], 100, 2);
  EXPECT_NEAR(served[1], 300, 2);
}

TEST(a_newcomer_goes_next_but_earns_no_credit_for_the_past) {
  FairQueue queue;
  const auto old = record(), young = record();
  queue.push(old);
  for (int i = 0; i < 1000; ++i) {
    const auto next = queue.pop();
    queue.charge(*next, 1.0);
    queue.requeue(next);
  }
  queue.push(young);
  EXPECT_TRUE(queue.pop() == young);
  queue.charge(*young, 1.0);
  queue.requeue(young);
  const auto served = serve(queue, std::array{old, young}, 100);
  EXPECT_NEAR(served[0], 50, 1);
}

TEST(a_stream_of_short_jobs_leaves_a_long_one_its_share) {
  // As soon as one short job is done the next one is there, before the lane looks again.
  for (const double weight : {1.0, 3.0}) {
    FairQueue queue;
    const auto search = record(weight);
    queue.push(search);
    auto small = record();
    queue.push(small);
    double searched = 0, total = 0;
    int waited = 0, longest = 0;
    while (total < 1000) {
      const auto next = queue.pop();
      const double cost = next == search ? 2.0 : 0.8;
      queue.charge(*next, cost);
      total += cost;
      if (next == search) {
        searched += cost;
        longest = std::max(longest, ++waited);
        queue.requeue(search);
      } else {
        waited = 0;
        small = record();
        queue.push(small);
      }
    }
    EXPECT_NEAR(searched / total, weight / (weight + 1), 0.05);
    EXPECT_TRUE(longest <= weight + 1);  // turns for which a short job waits
  }
}

TEST(removed_jobs_are_not_served) {
  FairQueue queue;
  const auto a = record(), b = record();
  queue.push(a);
  queue.push(b);
  EXPECT_TRUE(queue.remove(a));
  EXPECT_TRUE(!queue.remove(a));
  EXPECT_TRUE(queue.pop() == b);
  EXPECT_TRUE(queue.empty());
}
