#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "runtime/error.h"

namespace ascribe {

/// Set from any thread, polled by the work. Once set it stays set.
class CancelToken {
 public:
  void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

/// How far a job is, in units of its own (steps, masks, subsets); total 0 means unknown.
struct Progress {
  double done = 0, total = 0;
  bool operator==(const Progress&) const = default;
};

/// What a job gets for one turn on a lane.
class Slice {
 public:
  using Clock = std::chrono::steady_clock;
  using Listener = std::function<void(const Progress&)>;

  /// `wake` is the job's own JobHandle::wake, empty where nobody but the caller drives the job.
  Slice(const CancelToken& token, Clock::duration quantum, std::function<void()> wake = {});

  /// The turn is over: `advance` returns at the next node boundary. Reads the clock, so once per node, not
  /// per row.
  bool expired() const noexcept { return Clock::now() >= end_; }

  bool cancelled() const noexcept { return token_.cancelled(); }
  /// Throws Error("ABORTED"). Called before every node and, through `currentToken`, in kernels over 50 ms.
  void checkCancelled() const;
  const CancelToken& token() const noexcept { return token_; }
  /// Makes this job ready again after Step::Wait; may be called from any thread, also after the job has settled.
  const std::function<void()>& waker() const noexcept { return wake_; }

  /// Notes how far the job is; the engine passes it on at most 30 times a second.
  void progress(double done, double total) noexcept { progress_ = Progress{done, total}; }
  const std::optional<Progress>& noted() const noexcept { return progress_; }

 private:
  const CancelToken& token_;
  const Clock::time_point end_;
  const std::function<void()> wake_;
  std::optional<Progress> progress_;
};

/// The token of the job that the calling lane thread is advancing; nullptr elsewhere, on helper threads too:
/// a kernel reads it before its loop and lets the loop's body capture it.
const CancelToken* currentToken() noexcept;

/// Work as a state machine that a lane advances in turns of about two milliseconds. It may continue on
/// another lane's thread, so it keeps no thread-local state between turns; turns of one job never overlap.
class Job {
 public:
  enum class Step {
    More,  ///< wants another turn
    Wait,  ///< has nothing to do until JobHandle::wake (a device's queue, an answer of a black box)
    Done,
  };
  virtual ~Job() = default;

  /// Works until the slice has expired, then returns at the next node boundary. Throws Error to fail.
  virtual Step advance(Slice& slice) = 0;
};

}  // namespace ascribe
