#include "runtime/parallel.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <numeric>
#include <thread>
#include <vector>

#include "harness.h"
#include "runtime/cpu_set.h"
#include "runtime/team.h"
#include "runtime/threads.h"

using namespace ascribe;

namespace {

using Range = std::pair<int64_t, int64_t>;

std::vector<Range> partition(int64_t count, int64_t grain) {
  std::vector<Range> ranges(64, Range{-1, -1});
  std::atomic<int> used{0};
  parallelFor(count, grain, [&](int64_t begin, int64_t end) { ranges[used++] = {begin, end}; });
  ranges.resize(used);
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

double processCpuSeconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

}  // namespace

TEST(width_is_one_outside_a_lane) {
  EXPECT_EQ(parallelWidth(), 1);
  const auto ranges = partition(1000, 1);
  REQUIRE(ranges.size() == 1);
  EXPECT_TRUE((ranges[0] == Range{0, 1000}));
}

TEST(ranges_cover_everything_once_and_respect_the_grain) {
  Team team(4);
  const TeamScope scope(team);
  EXPECT_EQ(parallelWidth(), 4);
  for (const int64_t count : {1, 2, 3, 4, 5, 7, 8, 63, 64, 1000, 1001}) {
    for (const int64_t grain : {0, 1, 2, 3, 16, 300, 5000}) {
      const auto ranges = partition(count, grain);
      int64_t at = 0;
      for (const auto& [begin, end] : ranges) {
        EXPECT_EQ(begin, at);
        EXPECT_TRUE(end > begin);
        EXPECT_TRUE(end - begin >= std::min(grain, count));
        at = end;
      }
      EXPECT_EQ(at, count);
      EXPECT_TRUE((ranges == partition(count, grain)));
      if (grain <= 1 && count >= 4) EXPECT_EQ(ranges.size(), size_t{4});
    }
  }
  EXPECT_EQ(partition(0, 1).size(), size_t{0});
}

TEST(parts_run_on_different_threads_at_once) {
  Team team(3);
  const TeamScope scope(team);
  std::atomic<int> arrived{0};
  std::atomic<bool> allMet{true};
  // Each part waits for the others, which can only end if three threads run them.
  parallelFor(3, 1, [&](int64_t, int64_t) {
    ++arrived;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (arrived < 3) {
      if (std::chrono::steady_clock::now() > deadline) {
        allMet = false;
        return;
      }
      std::this_thread::yield();
    }
  });
  EXPECT_TRUE(allMet);
}

TEST(nested_calls_run_serially) {
  Team team(2);
  const TeamScope scope(team);
  std::atomic<int> inner{0};
  std::atomic<int> widths{0};
  parallelFor(2, 1, [&](int64_t, int64_t) {
    widths += parallelWidth();
    parallelFor(100, 1, [&](int64_t begin, int64_t end) { inner += begin == 0 && end == 100; });
  });
  EXPECT_EQ(inner.load(), 2);
  EXPECT_EQ(widths.load(), 2);
  EXPECT_EQ(parallelWidth(), 2);
}

TEST(many_regions_of_every_size_sum_right) {
  Team team(3);
  const TeamScope scope(team);
  std::vector<int64_t> values(997);
  std::iota(values.begin(), values.end(), 1);
  for (int round = 0; round < 5000; ++round) {
    std::atomic<int64_t> sum{0};
    const int64_t count = 1 + round % 997;
    parallelFor(count, 1 + round % 400, [&](int64_t begin, int64_t end) {
      sum += std::accumulate(values.begin() + begin, values.begin() + end, int64_t{0});
    });
    if (sum != count * (count + 1) / 2) EXPECT_EQ(sum.load(), count * (count + 1) / 2);
    // Some regions find the helpers asleep, most find them spinning.
    if (round % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(idle_helpers_burn_no_cpu) {
  Team team(2);
  const TeamScope scope(team);
  parallelFor(2, 1, [](int64_t, int64_t) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const double before = processCpuSeconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_TRUE(processCpuSeconds() - before < 0.02);
}

TEST(bodies_that_wait_for_each_other_each_have_a_thread) {
  Team team(2);
  const TeamScope scope(team);
  // More than the team has, and from inside a region too.
  for (const int parts : {1, 2, 3}) {
    std::atomic<int> arrived{0};
    runConcurrently(parts, [&](int) {
      ++arrived;
      while (arrived < parts) std::this_thread::yield();
    });
    EXPECT_EQ(arrived.load(), parts);
  }
}

TEST(a_busy_helpers_part_is_done_by_the_caller) {
  Team team(2);
  const TeamScope scope(team);
  // The helper sleeps after a pause, so the first regions find it too late; what counts is that each part runs once.
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> runs[2] = {};
    parallelFor(2, 1, [&](int64_t begin, int64_t) { ++runs[begin]; });
    if (runs[0] != 1 || runs[1] != 1) EXPECT_EQ(runs[0].load() * 10 + runs[1].load(), 11);
    if (round % 20 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(usable_cores_are_sane) {
  EXPECT_TRUE(usableCores() >= 1);
  EXPECT_TRUE(usableCores() <= static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
}

TEST(a_thread_kept_off_the_callers_cpu_may_use_every_other) {
  cpu_set_t mine;
  if (pthread_getaffinity_np(pthread_self(), sizeof mine, &mine) != 0 || CPU_COUNT(&mine) < 2) return;
  std::atomic<bool> quit{false};
  std::thread thread([&] {
    while (!quit) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  keepOffCallersCpu(thread);
  cpu_set_t theirs;
  EXPECT_EQ(pthread_getaffinity_np(thread.native_handle(), sizeof theirs, &theirs), 0);
  EXPECT_EQ(CPU_COUNT(&theirs), CPU_COUNT(&mine) - 1);
  CPU_AND(&theirs, &theirs, &mine);
  EXPECT_EQ(CPU_COUNT(&theirs), CPU_COUNT(&mine) - 1);
  quit = true;
  thread.join();
}
