#pragma once
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/job.h"
#include "runtime/plan.h"

namespace ascribe {

class Session;
class MemoryBudget;

struct NodeProfile {
  NodeId node = 0;
  double startMs = 0, milliseconds = 0;
};

/// One run of a plan as a state machine over its steps: a lane advances it, and it stops at node boundaries when its
/// slice is over. Reusable: `start` again with other inputs keeps the arena.
///
/// Where the plan's device is not the host, inputs are uploaded, steps enqueued and outputs downloaded by the device's
/// queue, at most a bounded number of steps ahead of it; `advance` says Wait while the queue works, and calls the slice's
/// waker from then on. A run whose addresses come again is enqueued as the device wrote it down, see Recordings; one that is
/// profiled or traced goes node by node. Destroying an execution drops what the queue has not begun.
class Execution {
 public:
  Execution(std::shared_ptr<const Plan> plan, std::shared_ptr<MemoryBudget> budget, std::shared_ptr<Session> session = nullptr);
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  const Plan& plan() const { return *plan_; }
  /// Host memory that stays valid and unchanged until the run is over; dtype and shape must be those of the plan
  /// (f32 is widened for a plan in double). Run lengths may shorten axes.
  void bindInput(size_t index, const void* data, DType dtype, const Shape& shape);
  /// Host memory owned by the execution, written by the caller before `start`: for jobs that make their own inputs.
  void* ownInput(size_t index);
  void setRunLength(const std::string& symbol, int64_t length);
  void enableProfile(bool on) { profiling_ = on; }
  /// Makes the first node that turns finite operands into NaN or infinity throw NOT_FINITE; costs a pass over every result.
  void enableTrace(bool on) { tracing_ = on; }

  /// `again`: inputs that the plan has as steady hold what they held in the run before, and steps that follow from them
  /// alone are not repeated.
  void start(bool again = false);
  /// Done when every step has run and the outputs are there; More at the end of the slice.
  Job::Step advance(Slice& slice);
  /// Of plan().steps(), since `start`.
  size_t stepsDone() const;

  /// Valid until the next start. Always plain layout, host memory.
  TensorRef output(size_t index) const;
  /// The output itself where it has a memory of its own, so that nobody copies it; no data where it has none. It is then
  /// gone from here.
  HostTensor takeOutput(size_t index);
  /// Held by this execution: working memory, and copies on the device of what the host gives and gets.
  size_t bytes() const;
  const std::vector<NodeProfile>& profile() const { return profile_; }

 private:
  struct Impl;
  void readParameters();
  void readInputs();
  void runStep();
  void runPiece(const PlanPiece& piece);
  void askRecordings();
  Job::Step land(const Slice& slice);
  // The plan before the rest: its kernels and weights outlive what the queue still runs.
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<Impl> impl_;
  bool profiling_ = false, tracing_ = false;
  std::vector<NodeProfile> profile_;
};

/// State buffers (caches, running statistics) that executions of one conversation or training run share. They start as
/// zeros, on the device of the plans that use them. One execution at a time may hold them.
class Session {
 public:
  Session(const Graph& graph, const std::map<std::string, int64_t>& sizes, std::shared_ptr<Device> device = cpuDevice());
  /// Memory goes back in the order in which the next session gets it again, see Recordings.
  ~Session() {
    while (!buffers_.empty()) buffers_.pop_back();
  }
  void* address(size_t state) const { return buffers_[state].address(); }
  /// Waits for the device; throws OPTION_RANGE while a run uses the session.
  HostTensor read(size_t state) const;
  void write(size_t state, const HostTensor& tensor);

  const std::shared_ptr<Device>& device() const { return device_; }
  size_t count() const { return buffers_.size(); }
  const Shape& shape(size_t state) const { return shapes_[state]; }
  DType dtype(size_t state) const { return dtypes_[state]; }
  const std::string& name(size_t state) const { return names_[state]; }

  /// For the time of a run, a read or a write.
  class Use {
   public:
    explicit Use(const Session& session);
    ~Use() { session_.inUse_.store(false, std::memory_order_release); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    const Session& session_;
  };

 private:
  std::shared_ptr<Device> device_;
  std::vector<DeviceBuffer> buffers_;
  std::vector<Shape> shapes_;
  std::vector<DType> dtypes_;
  std::vector<std::string> names_;
  mutable std::atomic<bool> inUse_{false};
};

}  // namespace ascribe
