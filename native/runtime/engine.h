#pragma once
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "runtime/engine_configuration.h"
#include "runtime/fair_queue.h"
#include "runtime/lanes.h"

namespace ascribe {

class Engine;

/// A submitted job, from outside. Copies are cheap; usable from any thread, also after the job has settled.
class JobHandle {
 public:
  JobHandle() = default;
  /// The job settles with ABORTED, before its next node.
  void cancel() const;
  /// Makes a job that returned Step::Wait ready again; a wake during its turn is not lost.
  void wake() const;
  /// Lane seconds used so far.
  double costSeconds() const;

 private:
  friend class Engine;
  JobHandle(Engine* engine, std::shared_ptr<JobRecord> record)
      : engine_(engine), record_(std::move(record)) {}
  Engine* engine_ = nullptr;
  std::shared_ptr<JobRecord> record_;
};

struct SubmitOptions {
  EnvironmentId environment = 0;
  /// Share of the lanes relative to other jobs, > 0.
  double weight = 1;
  /// Called on a lane's thread, at most about 30 times a second, and once more with the last state before
  /// success.
  Slice::Listener onProgress;
  /// Called once on a lane's thread, with nullptr for success, unless the environment is released before.
  /// Neither callback may throw or wait for the engine.
  std::function<void(const Error*)> onSettled;
};

/// The process's one engine: queue, lanes, environments. Threads start with the first job and end with the
/// last environment.
///
/// Environments are the host's JavaScript threads. Releasing one cancels its jobs, waits until none of them
/// is in a turn, and guarantees that none of its callbacks runs afterwards.
///
/// At exit of the process running turns are cancelled and waited for (two seconds at most), then the lanes
/// stand still while static destructors run; the engine itself is never destroyed. After fork() the child has
/// no lanes: the first use there makes a fresh engine and abandons the parent's, whose locks may be held by
/// threads that no longer exist.
class Engine {
 public:
  static Engine& instance();

  /// Engines of their own are for tests.
  explicit Engine(const EngineConfiguration& configuration = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Counts; every acquire is matched by one release.
  void acquire(EnvironmentId environment);
  /// Never call it from a job or a callback: it waits for them.
  void release(EnvironmentId environment);

  /// Takes effect at once if no job is queued or running; otherwise throws OPTION_RANGE unless nothing
  /// changes, because a job's results depend on the width it runs with.
  void configure(const EngineConfiguration& configuration);
  EngineConfiguration configuration() const;

  JobHandle submit(std::shared_ptr<Job> job, SubmitOptions options);

  struct Statistics {
    size_t environments = 0, ready = 0, running = 0, waiting = 0;
  };
  Statistics statistics() const;

  /// The process is about to end: running jobs stop at their next node (waited for, two seconds at most), others never
  /// begin. Best called before exit(): a library may register destructors at any first use, behind our exit handler.
  void halt();
  /// Makes the exit handler run before what was registered since the last call: called after a backend
  /// library with static destructors of its own has been loaded.
  static void haltLanesBeforeStaticDestructors();

 private:
  friend class JobHandle;
  using Lock = std::unique_lock<std::mutex>;

  void startLanes();
  void laneLoop();
  void runTurn(const std::shared_ptr<JobRecord>& record, Lock& lock);
  void settle(const std::shared_ptr<JobRecord>& record, const Error* error, Lock& lock);
  void wake(const std::shared_ptr<JobRecord>& record);
  void hurry(const std::shared_ptr<JobRecord>& record);
  void stopLanes(Lock& lock);

  mutable std::mutex mutex_;
  std::condition_variable work_, turnEnded_;
  EngineConfiguration configuration_;
  FairQueue ready_;
  struct Environment {
    size_t references = 0, running = 0;
    std::unordered_set<std::shared_ptr<JobRecord>> records;
  };
  std::map<EnvironmentId, Environment> environments_;
  size_t running_ = 0;
  std::unique_ptr<Lanes> lanes_;
  bool stopping_ = false, halted_ = false;
};

}  // namespace ascribe
