#include "runtime/team.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "runtime/cpu_set.h"
#include "runtime/threads.h"

namespace ascribe {
namespace {

// A caller waits for parts that are about to end.
constexpr std::chrono::microseconds callerSpin{40};
// A helper waits for the next region through kernels that run on one thread: a sleeping helper takes longer to wake
// than most regions last, so it would miss all of them from then on. Between jobs it does not spin (Team::rest).
constexpr std::chrono::microseconds helperSpin{300};

// The gap between two kernels that keep every thread busy.
constexpr std::chrono::microseconds patience{20};

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins until `ready()`, `stop` or the time is over; true if ready. On one core spinning only delays the other
/// thread.
template <class Ready>
bool spinUntil(Ready ready, std::chrono::microseconds time, const std::atomic<bool>* stop) {
  static const bool maySpin = usableCores() > 1;
  if (ready()) return true;
  if (!maySpin) return false;
  const auto start = std::chrono::steady_clock::now();
  for (auto now = start; now - start < time; now = std::chrono::steady_clock::now()) {
    for (int i = 0; i < 64; ++i) {
      if (ready()) return true;
      relax();
    }
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) break;
    // The thread that would make it ready may be waiting for this very core. Not at once: who yields to another
    // program's thread comes back milliseconds later.
    if (now - start > patience) std::this_thread::yield();
  }
  return ready();
}

/// A flag that one thread raises and one waits for: a bounded spin first, then a condition variable.
/// `sleeping` and `value` are sequentially consistent: either the waiter sees the new value before it sleeps,
/// or the raiser sees that it sleeps.
class Signal {
 public:
  void raise() {
    value_.fetch_add(1);
    if (!sleeping_.load()) return;
    const std::lock_guard lock(mutex_);
    condition_.notify_one();
  }
  /// Whether the waiter has given up its core; a moment later it may have or not.
  bool isAsleep() const { return sleeping_.load(std::memory_order_relaxed); }
  /// Waits until raised more often than `seen` counts, and returns the new count.
  uint64_t wait(uint64_t seen, std::chrono::microseconds spin, const std::atomic<bool>* stop = nullptr) {
    if (!spinUntil([&] { return value_.load(std::memory_order_acquire) != seen; }, spin, stop)) {
      std::unique_lock lock(mutex_);
      sleeping_.store(true);
      condition_.wait(lock, [&] { return value_.load() != seen; });
      sleeping_.store(false);
    }
    return seen + 1;
  }

 private:
  std::atomic<uint64_t> value_{0};
  std::atomic<bool> sleeping_{false};
  std::mutex mutex_;
  std::condition_variable condition_;
};

}  // namespace

// A region is offered under its number and taken once, by the helper or by the owner. One is in flight per helper at
// most: the owner changes `body` again only when the last one is finished or was its own.
struct alignas(64) Team::Helper {
  Signal started, finished;
  uint64_t regions = 0, finishedSeen = 0;  // the owner's counts
  std::atomic<uint64_t> offered{0};        // 0: taken
  std::optional<FunctionRef<void(int)>> body;
  int part = 0;
  std::atomic<bool> quit{false};  // read by a helper that may still be late for the last region
  std::thread thread;

  bool take(uint64_t region) { return offered.compare_exchange_strong(region, 0); }

  void offer(FunctionRef<void(int)> work, int which) {
    body.emplace(work);
    part = which;
    offered.store(++regions);
    if (started.isAsleep()) keepOffCallersCpu(thread);
    started.raise();
  }

  void loop(const std::atomic<bool>& resting) {
    for (uint64_t seen = 0;;) {
      seen = started.wait(seen, helperSpin, &resting);
      if (quit) return;
      // Late, and the owner did it: `body` may be gone.
      if (!take(seen)) continue;
      (*body)(part);
      finished.raise();
    }
  }
};

Team::Team(int width, std::function<void()> onThreadStart)
    : width_(width), onThreadStart_(std::move(onThreadStart)) {}

void Team::start() {
  started_ = true;
  for (int i = 1; i < width_; ++i) {
    auto helper = std::make_unique<Helper>();
    try {
      helper->thread = startThread([this, raw = helper.get()] {
        if (onThreadStart_) onThreadStart_();
        raw->loop(resting_);
      });
    } catch (const std::system_error&) {
      // The system refuses more threads: the parts stay the same, the owner runs those that lack a helper.
      return;
    }
    helpers_.push_back(std::move(helper));
  }
}

void Team::run(int parts, FunctionRef<void(int)> body) {
  if (!started_ && parts > 1) start();
  resting_.store(false, std::memory_order_relaxed);
  const int helped = std::min(parts, static_cast<int>(helpers_.size()) + 1);
  for (int i = 1; i < helped; ++i) {
    helpers_[i - 1]->offer(body, i);
  }
  body(0);
  for (int i = helped; i < parts; ++i) body(i);
  for (int i = 1; i < helped; ++i) {
    Helper& helper = *helpers_[i - 1];
    if (helper.take(helper.regions)) {
      // Late, perhaps because this thread has been moved to the helper's CPU.
      keepOffCallersCpu(helper.thread);
      body(i);
    } else {
      helper.finishedSeen = helper.finished.wait(helper.finishedSeen, callerSpin);
    }
  }
}

int Team::threads() {
  if (!started_ && width_ > 1) start();
  return static_cast<int>(helpers_.size()) + 1;
}

Team::~Team() {
  for (auto& helper : helpers_) {
    helper->quit = true;
    helper->started.raise();
    helper->thread.join();
  }
}

}  // namespace ascribe
