#include "runtime/engine.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "harness.h"
#include "runtime/parallel.h"

using namespace ascribe;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

EngineConfiguration lanesOf(int lanes, int threads) {
  EngineConfiguration c;
  c.lanes = lanes;
  c.threadsPerLane = threads;
  c.niceness = 0;
  return c;
}

void busy(Clock::duration time) {
  const auto end = Clock::now() + time;
  while (Clock::now() < end) {
  }
}

/// `nodes` nodes of `nodeTime` each; counts what the tests look at.
struct NodesJob : Job {
  NodesJob(int nodes, Clock::duration nodeTime) : nodes(nodes), nodeTime(nodeTime) {}
  Step advance(Slice& slice) override {
    overlapping += inTurn.exchange(true);
    ++turns;
    while (done < nodes) {
      slice.checkCancelled();
      busy(nodeTime);
      slice.progress(++done, nodes);
      if (slice.expired()) break;
    }
    inTurn = false;
    return done < nodes ? Step::More : Step::Done;
  }
  const int nodes;
  const Clock::duration nodeTime;
  std::atomic<int> done{0}, turns{0}, overlapping{0};
  std::atomic<bool> inTurn{false};
};

struct FunctionJob : Job {
  explicit FunctionJob(std::function<Step(Slice&)> body) : body(std::move(body)) {}
  Step advance(Slice& slice) override { return body(slice); }
  std::function<Step(Slice&)> body;
};

/// Submits and keeps the outcome: "" for success, else the code.
struct Submission {
  Submission(Engine& engine, std::shared_ptr<Job> job, double weight = 1, EnvironmentId environment = 1,
             Slice::Listener onProgress = {}) {
    SubmitOptions options;
    options.environment = environment;
    options.weight = weight;
    options.onProgress = std::move(onProgress);
    options.onSettled = [promise = promise](const Error* error) {
      promise->set_value(error ? error->code() : "");
    };
    handle = engine.submit(std::move(job), std::move(options));
  }
  std::string outcome() {
    if (future.wait_for(30s) != std::future_status::ready) return "TIMEOUT";
    return future.get();
  }
  std::shared_ptr<std::promise<std::string>> promise = std::make_shared<std::promise<std::string>>();
  std::future<std::string> future = promise->get_future();
  JobHandle handle;
};

}  // namespace

TEST(a_job_runs_in_turns_on_a_lane_with_its_width) {
  Engine engine(lanesOf(1, 3));
  engine.acquire(1);
  std::atomic<int> width{0};
  Submission wide(engine, std::make_shared<FunctionJob>([&](Slice&) {
                    width = parallelWidth();
                    return Job::Step::Done;
                  }));
  EXPECT_EQ(wide.outcome(), "");
  EXPECT_EQ(width.load(), 3);
  const auto job = std::make_shared<NodesJob>(40, 500us);
  Submission sliced(engine, job);
  EXPECT_EQ(sliced.outcome(), "");
  EXPECT_EQ(job->done.load(), 40);
  EXPECT_TRUE(job->turns >= 5);
  EXPECT_EQ(job->overlapping.load(), 0);
  EXPECT_TRUE(sliced.handle.costSeconds() >= 0.02);
  engine.release(1);
}

TEST(errors_of_every_kind_settle_the_job) {
  Engine engine(lanesOf(1, 1));
  engine.acquire(1);
  auto outcomeOf = [&](std::function<Job::Step(Slice&)> body) {
    return Submission(engine, std::make_shared<FunctionJob>(std::move(body))).outcome();
  };
  EXPECT_EQ(outcomeOf([](Slice&) -> Job::Step { throw Error("NOT_FINITE", "x"); }), "NOT_FINITE");
  EXPECT_EQ(outcomeOf([](Slice&) -> Job::Step { throw std::bad_alloc(); }), "OUT_OF_MEMORY_BUDGET");
  EXPECT_EQ(outcomeOf([](Slice&) -> Job::Step { throw std::runtime_error("x"); }), "INTERNAL");
  EXPECT_EQ(outcomeOf([](Slice&) -> Job::Step { throw 1; }), "INTERNAL");
  EXPECT_EQ(outcomeOf([](Slice&) { return Job::Step::Done; }), "");
  engine.release(1);
}

TEST(cancellation_reaches_running_waiting_and_queued_jobs) {
  Engine engine(lanesOf(1, 1));
  engine.acquire(1);
  std::atomic<bool> sawToken{false};
  Submission running(engine, std::make_shared<FunctionJob>([&](Slice& slice) {
                       sawToken = currentToken() == &slice.token();
                       slice.checkCancelled();
                       busy(200us);
                       return Job::Step::More;
                     }));
  Submission waiting(engine, std::make_shared<FunctionJob>([](Slice&) { return Job::Step::Wait; }));
  const auto long1 = std::make_shared<NodesJob>(1000000, 1ms);
  Submission queued(engine, long1);
  std::this_thread::sleep_for(20ms);
  queued.handle.cancel();
  EXPECT_EQ(queued.outcome(), "ABORTED");
  waiting.handle.cancel();
  EXPECT_EQ(waiting.outcome(), "ABORTED");
  running.handle.cancel();
  EXPECT_EQ(running.outcome(), "ABORTED");
  running.handle.cancel();
  EXPECT_TRUE(sawToken);
  EXPECT_TRUE(currentToken() == nullptr);
  engine.release(1);
}

TEST(a_short_job_overtakes_a_long_one) {
  Engine engine(lanesOf(1, 1));
  engine.acquire(1);
  const auto search = std::make_shared<NodesJob>(400, 1ms);
  Submission slow(engine, search);
  std::this_thread::sleep_for(50ms);
  for (int i = 0; i < 5; ++i) {
    Submission quick(engine, std::make_shared<NodesJob>(5, 1ms));
    EXPECT_EQ(quick.outcome(), "");
  }
  EXPECT_TRUE(search->done < 400);
  slow.handle.cancel();
  EXPECT_EQ(slow.outcome(), "ABORTED");
  engine.release(1);
}

TEST(weights_set_the_shares) {
  Engine engine(lanesOf(1, 1));
  engine.acquire(1);
  const auto light = std::make_shared<NodesJob>(1000000, 500us),
             heavy = std::make_shared<NodesJob>(1000000, 500us);
  Submission a(engine, light, 1), b(engine, heavy, 3);
  std::this_thread::sleep_for(600ms);
  a.handle.cancel();
  b.handle.cancel();
  a.outcome(), b.outcome();
  const double ratio = b.handle.costSeconds() / a.handle.costSeconds();
  EXPECT_TRUE(ratio > 2 && ratio < 4);
  engine.release(1);
}

TEST(two_lanes_run_two_jobs_at_once) {
  Engine engine(lanesOf(2, 1));
  engine.acquire(1);
  std::atomic<int> arrived{0};
  auto meet = [&](Slice& slice) {
    ++arrived;
    const auto end = Clock::now() + 20s;
    while (arrived < 2 && Clock::now() < end) std::this_thread::yield();
    slice.checkCancelled();
    return Job::Step::Done;
  };
  Submission a(engine, std::make_shared<FunctionJob>(meet)), b(engine, std::make_shared<FunctionJob>(meet));
  EXPECT_EQ(a.outcome(), "");
  EXPECT_EQ(b.outcome(), "");
  EXPECT_EQ(arrived.load(), 2);
  engine.release(1);
}

TEST(wakes_are_not_lost) {
  Engine engine(lanesOf(1, 1));
  engine.acquire(1);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> turns{0};
    Submission job(engine, std::make_shared<FunctionJob>(
                               [&](Slice&) { return ++turns == 2 ? Job::Step::Done : Job::Step::Wait; }));
    if (round % 2) {
      while (turns == 0) std::this_thread::yield();
    }
    while (job.future.wait_for(0s) != std::future_status::ready) {
      if (turns == 1) {
        job.handle.wake();
        break;
      }
    }
    EXPECT_EQ(job.outcome(), "");
  }
  engine.release(1);
}

TEST(progress_is_coalesced_and_ends_complete) {
  Engine engine(lanesOf(1, 1));
  engine.acquire(1);
  std::vector<Progress> seen;
  Submission job(engine, std::make_shared<NodesJob>(600, 500us), 1, 1,
                 [&](const Progress& p) { seen.push_back(p); });
  EXPECT_EQ(job.outcome(), "");
  const double seconds = job.handle.costSeconds();
  EXPECT_TRUE(seen.size() >= 4);
  // The wall time is at least the cost; a loaded machine only makes updates rarer per wall second.
  EXPECT_TRUE(static_cast<double>(seen.size()) <= 2 + 40 * std::max(seconds, 0.3) * 10);
  EXPECT_EQ(seen.back().done, 600.0);
  EXPECT_EQ(seen.back().total, 600.0);
  for (size_t i = 1; i < seen.size(); ++i) EXPECT_TRUE(seen[i].done > seen[i - 1].done);
  engine.release(1);
}

TEST(release_stops_callbacks_and_leaves_other_environments_alone) {
  Engine engine(lanesOf(2, 1));
  engine.acquire(1);
  engine.acquire(2);
  std::atomic<int> callbacks{0};
  std::vector<std::weak_ptr<Job>> jobs;
  for (int i = 0; i < 20; ++i) {
    std::shared_ptr<Job> job =
        i % 3 == 2
            ? std::shared_ptr<Job>(std::make_shared<FunctionJob>([](Slice&) { return Job::Step::Wait; }))
            : std::make_shared<NodesJob>(1000000, 300us);
    jobs.push_back(job);
    SubmitOptions options;
    options.environment = 1;
    options.onProgress = [&](const Progress&) { ++callbacks; };
    options.onSettled = [&](const Error*) { ++callbacks; };
    engine.submit(std::move(job), options);
  }
  Submission other(engine, std::make_shared<NodesJob>(100, 500us), 1, 2);
  std::this_thread::sleep_for(30ms);
  engine.release(1);
  const int atRelease = callbacks;
  for (const auto& job : jobs) EXPECT_TRUE(job.expired());
  EXPECT_EQ(other.outcome(), "");
  EXPECT_EQ(callbacks.load(), atRelease);
  EXPECT_THROWS_CODE(engine.submit(std::make_shared<NodesJob>(1, 1us), SubmitOptions{}), "INTERNAL");
  engine.release(2);
  EXPECT_EQ(engine.statistics().environments, size_t{0});
}

TEST(environments_come_and_go_while_jobs_run) {
  Engine engine(lanesOf(2, 2));
  std::vector<std::thread> threads;
  std::atomic<int> settled{0}, failed{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 25; ++round) {
        const EnvironmentId id = t * 1000 + round + 1;
        std::atomic<int> settledHere{0};
        engine.acquire(id);
        for (int i = 0; i < 3; ++i) {
          SubmitOptions options;
          options.environment = id;
          options.onSettled = [&](const Error* error) {
            ++settledHere;
            failed += error != nullptr;
          };
          engine.submit(std::make_shared<FunctionJob>([n = 0](Slice&) mutable {
                          std::atomic<int64_t> sum{0};
                          parallelFor(1000, 10, [&](int64_t b, int64_t e) { sum += e - b; });
                          if (sum != 1000) throw Error("INTERNAL", "sum");
                          return ++n < 5 ? Job::Step::More : Job::Step::Done;
                        }),
                        options);
        }
        // Half of the rounds end in the middle of the jobs, the others after one of them.
        const auto end = Clock::now() + 20s;
        while (round % 2 && settledHere == 0 && Clock::now() < end) std::this_thread::yield();
        engine.release(id);
        settled += settledHere;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(engine.statistics().environments, size_t{0});
  EXPECT_EQ(failed.load(), 0);
  EXPECT_TRUE(settled >= 4 * 12);
}

TEST(configure_only_while_idle) {
  Engine engine(lanesOf(1, 1));
  engine.acquire(1);
  engine.configure(lanesOf(2, 2));
  EXPECT_EQ(engine.configuration().lanes, 2);
  Submission job(engine, std::make_shared<FunctionJob>([](Slice&) { return Job::Step::Wait; }));
  EXPECT_THROWS_CODE(engine.configure(lanesOf(1, 2)), "OPTION_RANGE");
  engine.configure(lanesOf(2, 2));
  job.handle.cancel();
  job.outcome();
  // The record leaves the books just after its callback.
  while (engine.statistics().running + engine.statistics().waiting > 0) std::this_thread::yield();
  engine.configure(lanesOf(1, 2));
  std::atomic<int> width{0};
  Submission next(engine, std::make_shared<FunctionJob>([&](Slice&) {
                    width = parallelWidth();
                    return Job::Step::Done;
                  }));
  EXPECT_EQ(next.outcome(), "");
  EXPECT_EQ(width.load(), 2);
  engine.release(1);
}

TEST(configuration_comes_from_the_environment_and_is_checked) {
  setenv("ASCRIBE_THREADS", "6", 1);
  setenv("ASCRIBE_LANES", "3", 1);
  EXPECT_EQ(resolve({}).lanes, 3);
  EXPECT_EQ(resolve({}).threadsPerLane, 2);
  setenv("ASCRIBE_THREADS", "many", 1);
  EXPECT_THROWS_CODE(resolve({}), "OPTION_RANGE");
  setenv("ASCRIBE_THREADS", "0", 1);
  EXPECT_THROWS_CODE(resolve({}), "OPTION_RANGE");
  unsetenv("ASCRIBE_THREADS");
  unsetenv("ASCRIBE_LANES");
  EXPECT_THROWS_CODE(resolve(lanesOf(-1, 1)), "OPTION_RANGE");
  EXPECT_THROWS_CODE(resolve(lanesOf(100, 100)), "OPTION_RANGE");
  EXPECT_EQ(resolve({}).lanes, 1);
}

// ThreadSanitizer does not support threads in a child forked from a process with threads.
#if !defined(__SANITIZE_THREAD__)
namespace {
bool isChild = false;
/// Exit status of a child that runs `body`; -1 if it was killed or did not end within ten seconds.
int statusOfChild(void (*body)()) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    isChild = true;
    alarm(10);
    body();
    std::exit(7);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
}  // namespace

// What a forked child or an interrupted process still holds at exit is no leak.
extern "C" __attribute__((visibility("default"))) int __lsan_is_turned_off() {
  return isChild;
}

TEST(exit_in_the_middle_of_jobs_neither_crashes_nor_hangs) {
  EXPECT_EQ(statusOfChild([] {
              Engine& engine = Engine::instance();
              engine.acquire(1);
              for (int i = 0; i < 4; ++i) {
                SubmitOptions options;
                options.environment = 1;
                engine.submit(std::make_shared<NodesJob>(1000000, 1ms), options);
              }
              std::this_thread::sleep_for(20ms);
              std::exit(5);
            }),
            5);
}

TEST(a_forked_child_gets_an_engine_of_its_own) {
  Engine& parent = Engine::instance();
  parent.acquire(1);
  Submission job(parent, std::make_shared<NodesJob>(1000000, 1ms));
  std::this_thread::sleep_for(5ms);
  EXPECT_EQ(statusOfChild([] {
              Engine& engine = Engine::instance();
              engine.acquire(2);
              Submission mine(engine, std::make_shared<NodesJob>(3, 1ms), 1, 2);
              const bool good = mine.outcome().empty();
              engine.release(2);
              std::exit(good ? 3 : 4);
            }),
            3);
  parent.release(1);
}
#endif
