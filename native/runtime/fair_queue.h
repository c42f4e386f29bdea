#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "runtime/job.h"

namespace ascribe {

using EnvironmentId = uint64_t;

/// What the engine keeps about a submitted job. All but `token` is guarded by the engine's mutex, or belongs
/// to the lane that has the job in a turn.
struct JobRecord {
  enum class State { Ready, Running, Waiting, Settled };

  std::shared_ptr<Job> job;
  EnvironmentId environment = 0;
  double weight = 1;
  Slice::Listener onProgress;
  /// nullptr: success.
  std::function<void(const Error*)> onSettled;
  CancelToken token;

  State state = State::Ready;
  bool wakePending = false;
  /// Its environment is going away: no callback may be called any more.
  bool dropped = false;
  uint64_t sequence = 0;
  /// Lane seconds used, divided by the weight, on the queue's common scale.
  double virtualTime = 0;
  double costSeconds = 0;
  Progress delivered;
  std::optional<Progress> undelivered;
  Slice::Clock::time_point lastDelivery{};
};

/// Weighted fair queueing over measured cost: the job that has had the least lane time per weight goes next,
/// so a short job submitted beside a long one runs at once, and equal jobs share equally.
///
/// The clock moves as fast as the jobs that are here are served on average. Newcomers start at it, so a stream of short
/// jobs, each of which comes when the last one is done, gets its share and no more: with a clock that stood still while
/// they are served, a long job beside them would never run again.
class FairQueue {
 public:
  /// A job that was not here a moment ago starts level with those that are: waiting earns no credit.
  void push(std::shared_ptr<JobRecord> record);
  /// Back after a turn.
  void requeue(std::shared_ptr<JobRecord> record);
  /// A turn of a job that was popped has ended and cost `seconds`.
  void charge(JobRecord& record, double seconds);
  std::shared_ptr<JobRecord> pop();
  bool remove(const std::shared_ptr<JobRecord>& record);
  bool empty() const { return ready_.empty(); }
  size_t size() const { return ready_.size(); }

 private:
  struct Earlier {
    bool operator()(const std::shared_ptr<JobRecord>& a, const std::shared_ptr<JobRecord>& b) const {
      if (a->virtualTime != b->virtualTime) return a->virtualTime < b->virtualTime;
      const bool fresh = a->costSeconds == 0, otherFresh = b->costSeconds == 0;
      return fresh != otherFresh ? fresh : a->sequence < b->sequence;
    }
  };
  std::set<std::shared_ptr<JobRecord>, Earlier> ready_;
  double clock_ = 0;
  /// Of the jobs that are ready or in a turn.
  double activeWeight_ = 0;
  size_t inTurn_ = 0;
  uint64_t sequence_ = 0;
};

}  // namespace ascribe
