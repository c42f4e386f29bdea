#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/host_tensor.h"
#include "runtime/execution.h"
#include "runtime/job.h"

namespace ascribe {

struct RunRequest {
  std::shared_ptr<const Plan> plan;
  /// By the plan's inputs; absent where none was given.
  std::vector<std::optional<HostTensor>> inputs;
  std::map<std::string, int64_t> runLengths;
  std::shared_ptr<Session> session;
  std::shared_ptr<MemoryBudget> budget;
  /// NaN or infinity in an output fails the job and names the node where it began.
  bool guard = true;
  bool profile = false;
};

struct ProfiledNode {
  std::string node, op, kernel;
  double startMs = 0, milliseconds = 0, flops = 0, bytes = 0;
};

/// One run of a plan.
class RunJob : public Job {
 public:
  explicit RunJob(RunRequest request) : request_(std::move(request)) {}
  Step advance(Slice& slice) override;

  /// Owned copies, which leave with the call; valid once the job is done.
  std::vector<HostTensor> takeOutputs() { return std::move(outputs_); }
  double milliseconds() const { return milliseconds_; }
  size_t peakBytes() const { return peakBytes_; }
  const std::vector<ProfiledNode>& profile() const { return profile_; }
  /// Of a profiled run: Plan::recordingReport.
  const std::string& recording() const { return recording_; }

 private:
  void begin();
  void finish();

  RunRequest request_;
  std::unique_ptr<Execution> execution_;
  std::chrono::steady_clock::time_point started_;
  bool tracing_ = false;
  std::vector<HostTensor> outputs_;
  std::vector<ProfiledNode> profile_;
  std::string recording_;
  double milliseconds_ = 0;
  size_t peakBytes_ = 0;
};


}  // namespace ascribe
