#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "graph/host_tensor.h"
#include "runtime/execution.h"
#include "runtime/job.h"
#include "runtime/memory.h"

namespace ascribe {

/// See RowsRequest in typings/addon.d.ts. Vectors run parallel to the plan's inputs; absent entries are inputs of another
/// kind.
struct RowsRequest {
  /// Places that are set in one row after the other: row r has places[ends[r - 1]] … places[ends[r] - 1].
  struct Marks {
    std::vector<int64_t> ends;
    HostTensor places;  // i32
  };

  std::shared_ptr<const Plan> plan;
  std::vector<std::optional<HostTensor>> tables;
  std::vector<std::optional<HostTensor>> rows;  // [count, ...]
  std::vector<std::optional<Marks>> marks;
  int64_t count = 0, chunk = 1;
  bool guard = true;
  std::shared_ptr<MemoryBudget> budget;

  /// Throws for sizes, dtypes and counts that do not fit each other or the plan.
  void check() const;
};

/// A plan over more rows than it takes at once, pass after pass: each is given its share of what differs by row, and what
/// it says of them is collected. Rows that fill the last pass up repeat its first.
class RowsJob : public Job {
 public:
  /// `request` must have passed its check.
  explicit RowsJob(RowsRequest request) : request_(std::move(request)) {}
  Step advance(Slice& slice) override;
  /// By the plan's outputs, [count, ...].
  std::vector<HostTensor> takeOutputs() { return std::move(outputs_); }
  double milliseconds() const { return milliseconds_; }
  size_t peakBytes() const { return peakBytes_; }

 private:
  void begin();
  void fill();
  void fillRows(size_t input, const HostTensor& rows, int64_t filled);
  void fillMarks(size_t input, const RowsRequest::Marks& marks, int64_t filled);
  bool judge();
  void collect();
  void finish();

  RowsRequest request_;
  std::unique_ptr<Execution> execution_;
  std::chrono::steady_clock::time_point started_;
  /// What the last pass set, by input: taken back before the next.
  std::vector<std::vector<int64_t>> set_;
  std::vector<HostTensor> outputs_;
  int64_t first_ = 0;
  bool running_ = false, tracing_ = false;
  double milliseconds_ = 0;
  size_t peakBytes_ = 0;
};

}  // namespace ascribe
