#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/host_tensor.h"
#include "methods/finite.h"
#include "runtime/job.h"
#include "runtime/memory.h"
#include "runtime/random.h"

namespace ascribe {

/// See EnsembleRequest in typings/addon.d.ts. Vectors over inputs run parallel to the plan's inputs; absent entries are
/// inputs of another kind.
struct EnsembleRequest {
  enum class Quantity : uint8_t { Gradient, Absolute, InputTimesGradient, Integrated, ImportantDirection };
  enum class Statistic : uint8_t { Mean, MeanSquare, Variance, BiasedVariance };

  std::shared_ptr<const Plan> plan;
  std::vector<std::optional<HostTensor>> inputs;     // [items, ...item]
  std::vector<std::optional<HostTensor>> extras;     // [items, ...]
  std::vector<std::optional<HostTensor>> baselines;  // [items or 1, ...item]; with sampleBaselines [rows, ...item]
  /// By the plan's inputs: the explained input whose baseline this one is fed with, or -1.
  std::vector<int64_t> pairedWith;
  std::vector<double> points, weights;
  /// The row of the baselines that each sample starts from; empty: that of its item.
  std::vector<int64_t> sampleBaselines;
  /// The place of each sample on its path, in place of the one point; empty: the points.
  std::vector<double> samplePoints;
  /// A plan that makes its path itself has the numbers of each point here, [points, width], for this input; explained
  /// inputs are then given as they are.
  int64_t positionInput = -1;
  std::vector<double> positions, inputPosition, baselinePosition;
  /// What is explained and its baseline are one row of the plan, which makes the points of one item and gives the weighted
  /// sum of a pass; see SharedPath.
  bool shared = false;
  /// Of a shared plan that makes noisy samples of one item itself: its input of what addNoise reads, with a deviation for each
  /// explained input; -1 where there is none. What is summed is then what the plan makes of each sample, and of its mean.
  int64_t noiseInput = -1;
  /// Names of the plan's outputs before the objective; empty: those of the explained inputs.
  std::vector<std::string> outputs;
  /// Behind the objective the plan has one more output, [chunk, ...]: its rows at the inputs are kept.
  bool keepsOutput = false;
  Quantity quantity = Quantity::Gradient;
  int64_t samples = 1;
  std::vector<std::vector<double>> sigma;  // per input: [items], or empty
  Statistic statistic = Statistic::Mean;
  uint64_t seed = 0;
  std::vector<int64_t> itemKeys;  // empty: positions
  int64_t chunk = 1;
  bool guard = true;
  std::shared_ptr<MemoryBudget> budget;

  int64_t items() const;
  bool hasBaselines() const;
  bool hasNoise() const;
  /// The objective is also wanted at the start of the path.
  bool hasStart() const { return positionInput < 0 ? hasBaselines() : !baselinePosition.empty(); }
  /// Where the objective stands among the plan's outputs.
  size_t objectiveOutput() const;
  /// Throws for sizes, dtypes and counts that do not fit each other or the plan.
  void check() const;
};

struct EnsembleResult {
  std::vector<std::pair<std::string, HostTensor>> attributions;
  std::vector<double> objective, baselineObjective, sums;
  std::optional<HostTensor> output;  // [items, ...], of `keepsOutput`
  int64_t forwardPasses = 0, backwardPasses = 0;
  double milliseconds = 0;
  size_t peakBytes = 0;

  /// Makes room for what the model gives out at `items` inputs, and takes a row of it.
  void reserveOutput(const EnsembleRequest& request, int64_t items);
  void keepOutput(const EnsembleRequest& request, const Execution& execution, int64_t item, int64_t row);
};

/// Path, noise and accumulation of the gradient family. All (item, sample, point) triples form one sequence, item by
/// item, which fills the plan's batch chunk by chunk; an item's objective at its input and baseline are further entries
/// of it (unless a point of the path is that already). Gradients of a chunk are added up in the same order in double,
/// so one sample is being summed at any time and memory depends on neither steps nor samples nor items.
class GradientEnsemble : public Job {
 public:
  /// `request` must have passed its check.
  explicit GradientEnsemble(EnsembleRequest request);
  Step advance(Slice& slice) override;
  EnsembleResult takeResult() { return std::move(result_); }

 private:
  /// One explained input.
  struct Explained {
    size_t input;      // of the plan
    int64_t elements;  // of one item
    int64_t offset;    // of its elements among those of all explained inputs: addresses of the noise
  };
  /// One output that is summed: gradients, one for each explained input, or whatever the plan makes of a point.
  struct Summed {
    size_t output;     // of the plan
    int64_t elements;  // of one item
    int64_t offset;    // among those of all
  };
  /// An input with noise, from when its first point is filled in until its last gradient has been added.
  struct Sample {
    int64_t item = 0, index = 0;
    std::vector<double> noisy;  // x~, over all explained inputs
  };
  struct Slot {
    enum class Kind : uint8_t { Point, Input, Baseline };
    Kind kind = Kind::Point;
    int64_t item = 0, sample = 0;
    size_t point = 0;
    int64_t baseline = 0;  // row, of Kind::Baseline
  };
  enum class Stage : uint8_t { Fill, Run, Collect };

  void begin();
  std::optional<Slot> nextSlot();
  void fill(const Slot& slot, int64_t position);
  const std::vector<double>& fillSample(const Slot& slot);
  void fillNoise(const Slot& slot, int64_t position);
  RandomStream streamOf(const Slot& slot) const;
  double deviationOf(const Explained& e, const Slot& slot) const;
  void padChunk();
  /// False where the chunk must run once more to find the node that made NaN.
  void collect(const Slot& slot, int64_t position);
  void addPoint(const Slot& slot, int64_t position);
  void setInput(const Slot& slot, int64_t position);
  void setStart(const Slot& slot, int64_t position);
  void finishSample(const Slot& slot);
  void finishItem(int64_t item);
  void finishSole(int64_t item, int64_t position);
  bool isSolePass() const;
  void load(const std::vector<std::optional<HostTensor>>& from, int64_t item, std::vector<double>& out) const;
  const std::vector<double>& baselineRow(int64_t row);
  int64_t baselineRowOf(const Slot& slot) const;
  void fillPosition(const Slot& slot, int64_t position);
  double objectiveAt(int64_t position) const;

  EnsembleRequest request_;
  std::vector<Explained> explained_;
  std::vector<Summed> summed_;
  int64_t items_ = 0, elements_ = 0, summedElements_ = 0, total_ = 0, done_ = 0;
  bool noise_ = false, paired_ = false;  // paired: there are baselines
  /// Baselines whose objective an item needs, and the share of each in what it starts from.
  int64_t starts_ = 0;
  std::vector<double> startShares_;
  /// One baseline for all items, and nothing else differs between them: its objective is evaluated once.
  bool sharedBaseline_ = false;
  /// Each item is one pass at its input: what it reads and gives needs no doubles in between.
  bool isSole_ = false;
  /// x~ is read again when the gradients have come.
  bool keepsSamples_ = false;
  /// A sample is its noisy copy and nothing else, in single precision: it needs no doubles.
  bool onlyNoise_ = false;
  /// Points of the path that are the input or the baseline itself, so that their objective need not be evaluated apart.
  int64_t inputPoint_ = -1, baselinePoint_ = -1;

  std::unique_ptr<Execution> execution_;
  FiniteGuard finite_{request_.guard};
  std::vector<std::byte*> buffers_;  // by the plan's inputs
  std::shared_ptr<void> charge_;
  std::chrono::steady_clock::time_point started_;
  Stage stage_ = Stage::Fill;
  Slot next_;
  std::vector<Slot> slots_;
  size_t position_ = 0;
  int64_t filledRows_ = 0;
  std::deque<Sample> inFlight_;
  int64_t loadedBaseline_ = -1;
  std::vector<double> baseline_;
  std::vector<double> path_, mean_, moment_;  // of the sample and the item being collected
  /// Of the path's last point, where a step's share goes by the gradient it began with.
  std::vector<double> squares_;
  double squaresSum_ = 0, lastObjective_ = 0;
  int64_t samplesDone_ = 0;
  EnsembleResult result_;
};

}  // namespace ascribe
