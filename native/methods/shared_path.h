#pragma once
#include <chrono>
#include <memory>
#include <vector>

#include "methods/gradient_ensemble.h"

namespace ascribe {

/// The paths of an ensemble whose plan makes the points of one item itself: what is explained and its baseline are one row,
/// positions say where each row of a pass stands and what it weighs, and the plan gives the weighted sum of a pass. So
/// what follows from the ends of a path alone is computed once for each item. Noisy samples of an item are made so too: the
/// plan draws them, each row by the name of its stream, and the job takes their mean.
class SharedPath : public Job {
 public:
  /// `request` must have passed its check, and be `shared`.
  explicit SharedPath(EnsembleRequest request);
  Step advance(Slice& slice) override;
  EnsembleResult takeResult() { return std::move(result_); }

 private:
  struct Explained {
    size_t input, output;
    int64_t elements, offset;
  };
  /// Rows of an item: its points or samples, and its ends where they are no points; -1 is the input, -2 the baseline.
  static constexpr int64_t kInput = -1, kBaseline = -2;

  void begin();
  void beginItem();
  void fillRows();
  void fillNoise(size_t row, int64_t slot);
  void collect();
  void finishItem();
  const double* numbersOf(int64_t slot) const;
  bool isNoisy() const { return request_.noiseInput >= 0; }
  bool isInput(int64_t slot) const { return slot == kInput || (!isNoisy() && slot >= 0 && request_.points[static_cast<size_t>(slot)] == 1); }
  bool isBaseline(int64_t slot) const { return slot == kBaseline || (!isNoisy() && slot >= 0 && request_.points[static_cast<size_t>(slot)] == 0); }
  void writeRow(size_t input, const HostTensor& from, int64_t item, int64_t row);

  EnsembleRequest request_;
  std::vector<Explained> explained_;
  std::vector<int64_t> slots_;
  int64_t items_ = 0, elements_ = 0, item_ = 0;
  size_t next_ = 0, filled_ = 0;  // of slots_
  std::unique_ptr<Execution> execution_;
  FiniteGuard finite_{request_.guard};
  std::vector<std::byte*> buffers_;
  std::shared_ptr<void> charge_;
  std::chrono::steady_clock::time_point started_;
  bool running_ = false, again_ = false;
  std::vector<double> sums_;
  EnsembleResult result_;
};

}  // namespace ascribe
