#pragma once
#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "methods/gradient_ensemble.h"

namespace ascribe {

/// A path of which each step depends on what came of the last, for one job without a crossing per step. What is
/// explained, its baselines and the further inputs stand in an ensemble's request; its points and samples are not read.
struct WalkRequest {
  EnsembleRequest base;
  enum class Kind : uint8_t { Guided, Pieces };
  Kind kind = Kind::Guided;
  // Guided.
  int64_t steps = 200;
  double fraction = 0.25, maximumDistance = 0.02;
  bool trapezoid = true;  // gradients at both ends of a step, else at its beginning
  // Pieces.
  int64_t segments = 1, maximumPieces = 1;

  void check() const;
};

/// The course of such a job: rows of the plan are filled, run and read until there are none left.
class PathWalk : public Job {
 public:
  explicit PathWalk(WalkRequest request);
  Step advance(Slice& slice) override;
  EnsembleResult takeResult() { return std::move(result_); }

 protected:
  /// Allocates what the walk holds, `doubles` of it.
  virtual void prepare() = 0;
  virtual size_t doubles() const = 0;
  /// Writes points into rows by `place`; false once there is nothing left to run.
  virtual bool fill() = 0;
  virtual void collect() = 0;
  virtual double share() const = 0;  // done, of 1

  /// Puts a point of an item (over all explained inputs) into a row.
  void place(int64_t row, int64_t item, const std::vector<double>& point);
  std::vector<double> load(const std::vector<std::optional<HostTensor>>& from, int64_t item) const;
  /// What an output holds for a row, appended over the explained inputs.
  void gradient(int64_t row, std::vector<double>& out) const;
  double number(size_t output, int64_t row) const;
  double objective(int64_t row) const { return number(request_.base.objectiveOutput(), row); }
  /// A row stands at an item's input.
  void setInput(int64_t item, int64_t row);
  void setAttribution(int64_t item, const std::vector<double>& values);

  WalkRequest request_;
  int64_t items_ = 0, elements_ = 0, evaluations_ = 0;
  EnsembleResult result_;

 private:
  struct Explained {
    size_t input, output;
    int64_t elements, offset;
  };
  void begin();
  void finish();

  std::vector<Explained> explained_;
  std::unique_ptr<Execution> execution_;
  FiniteGuard finite_{request_.base.guard};
  std::vector<std::byte*> buffers_;
  std::shared_ptr<void> charge_;
  std::chrono::steady_clock::time_point started_;
  bool running_ = false;
  int64_t filledRows_ = 0, rowsOnce_ = 0;
};

/// Guided integrated gradients: in every step the inputs with the least gradients move first.
std::shared_ptr<PathWalk> makeGuidedWalk(WalkRequest request);
/// The straight path of a network that is linear in pieces, from one piece to the next.
std::shared_ptr<PathWalk> makePieceWalk(WalkRequest request);

inline std::shared_ptr<PathWalk> makeWalk(WalkRequest request) {
  return request.kind == WalkRequest::Kind::Guided ? makeGuidedWalk(std::move(request)) : makePieceWalk(std::move(request));
}

}  // namespace ascribe
