#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include "graph/host_tensor.h"
#include "methods/finite.h"
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

  /// Tables that are made here: places of scores in the falling order of all scores of an item, which the inputs share one after the other.
  struct Ranked {
    HostTensor scores;  // f64 [items, scores]
    std::vector<size_t> inputs;
  };

  std::shared_ptr<const Plan> plan;
  std::vector<std::optional<HostTensor>> tables;
  std::optional<Ranked> ranked;
  std::vector<std::optional<HostTensor>> rows;  // [count, ...]
  std::vector<std::optional<Marks>> marks;
  int64_t count = 0, chunk = 1;
  bool guard = true;
  /// What arenas side by side hold together; one alone may be larger.
  size_t bytesTogether = size_t{1} << 30;
  std::shared_ptr<MemoryBudget> budget;

  /// Throws for sizes, dtypes and counts that do not fit each other or the plan.
  void check() const;
};

/// A plan over more rows than it takes at once: passes each take their share of what differs by row, and what the plan
/// says of them is collected. Rows that fill the last pass up repeat its first.
///
/// On the host every thread of the lane runs passes of its own, so that none waits for another at the end of a node and
/// what a pass computes stays in one core's cache: two threads on passes of 8 rows take three quarters of the time of two
/// threads on one pass of 24. What a row gives does not depend on which thread runs it.
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
  /// One pass after the other, by one thread at a time.
  struct Strand {
    std::unique_ptr<Execution> execution;
    FiniteGuard finite;
    /// What the last pass set, by input: taken back before the next.
    std::vector<std::vector<int64_t>> set;
    int64_t first = 0;
    bool running = false;
    Step last = Step::More;
    std::exception_ptr failure;
  };

  void begin();
  void rankTables();
  Strand openStrand();
  bool fill(Strand& strand);
  void fillRows(Strand& strand, size_t input, const HostTensor& rows, int64_t filled);
  void fillMarks(Strand& strand, size_t input, const RowsRequest::Marks& marks, int64_t filled);
  void collect(Strand& strand);
  Step work(Strand& strand, Slice& slice);
  void finish();

  RowsRequest request_;
  std::vector<Strand> strands_;
  std::chrono::steady_clock::time_point started_;
  std::vector<HostTensor> outputs_;
  std::atomic<int64_t> next_{0}, done_{0};
  std::atomic<bool> failed_{false};
  double milliseconds_ = 0;
  size_t peakBytes_ = 0;
};

}  // namespace ascribe
