#pragma once
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

  void start();
  /// True when every step has run.
  bool advance(Slice& slice);
  /// Of plan().steps(), since `start`.
  size_t stepsDone() const;

  /// Valid until the next start. Always plain layout, host memory.
  TensorRef output(size_t index) const;
  size_t bytes() const;
  const std::vector<NodeProfile>& profile() const { return profile_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::shared_ptr<const Plan> plan_;
  bool profiling_ = false, tracing_ = false;
  std::vector<NodeProfile> profile_;
};

/// State buffers (caches, running statistics) that executions of one conversation or training run share.
class Session {
 public:
  explicit Session(const Graph& graph, const std::map<std::string, int64_t>& sizes);
  void* data(size_t state);
  size_t count() const { return buffers_.size(); }
  const Shape& shape(size_t state) const { return shapes_[state]; }
  DType dtype(size_t state) const { return dtypes_[state]; }
  const std::string& name(size_t state) const { return names_[state]; }

 private:
  std::vector<std::shared_ptr<std::vector<std::byte>>> buffers_;
  std::vector<Shape> shapes_;
  std::vector<DType> dtypes_;
  std::vector<std::string> names_;
};

}  // namespace ascribe
