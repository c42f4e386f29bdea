#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/parallel.h"

namespace ascribe {

/// The threads of one lane: the thread that enters it (TeamScope) and width - 1 helpers, which start with the
/// first region, spin for a fraction of a millisecond after each one and then sleep, so that an idle engine costs
/// nothing.
class Team {
 public:
  /// `onThreadStart` runs first on every helper (name, niceness).
  explicit Team(int width, std::function<void()> onThreadStart = {});
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int width() const { return width_; }
  /// Threads that there are: `width`, unless the system refused some.
  int threads();

  /// Runs body(i) for i in [0, parts), parts <= width, part 0 on the calling thread. A part that no helper has
  /// begun by the time the caller is done with its own is the caller's too: where another process has the helper's
  /// core, a region takes as long as one thread needs and not a time slice more. Only one thread at a time may call
  /// it.
  void run(int parts, FunctionRef<void(int)> body);

  /// Nothing follows soon: the helpers stop spinning, so that who waits for the result gets a core.
  void rest() { resting_.store(true, std::memory_order_relaxed); }

 private:
  struct Helper;
  void start();

  const int width_;
  const std::function<void()> onThreadStart_;
  std::vector<std::unique_ptr<Helper>> helpers_;
  bool started_ = false;
  std::atomic<bool> resting_{false};
};

/// Makes `team` the one that parallelFor uses on this thread, for the scope's lifetime.
class TeamScope {
 public:
  explicit TeamScope(Team& team);
  ~TeamScope();
  TeamScope(const TeamScope&) = delete;
  TeamScope& operator=(const TeamScope&) = delete;

 private:
  Team* previous_;
};

}  // namespace ascribe
