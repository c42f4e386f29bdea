#include "methods/gradient_ensemble.h"

#include <algorithm>
#include <cmath>

#include "methods/item_elements.h"
#include "runtime/parallel.h"

namespace ascribe {

namespace {

template <class T>
void addWeighted(double* sum, const T* row, double weight, bool first, int64_t count) {
  parallelFor(count, kItemGrain, [&](int64_t begin, int64_t end) {
    if (first)
      for (int64_t i = begin; i < end; ++i) sum[i] = weight * static_cast<double>(row[i]);
    else
      for (int64_t i = begin; i < end; ++i) sum[i] += weight * static_cast<double>(row[i]);
  });
}

/// Writes scores and adds them to a sum: by sums of blocks, so that the order of addition does not depend on the number of threads.
template <class Score>
void writeScores(float* out, int64_t count, double& sum, const Score& score) {
  std::vector<double> blocks(static_cast<size_t>((count + kItemGrain - 1) / kItemGrain));
  parallelFor(static_cast<int64_t>(blocks.size()), 1, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      double own = 0;
      for (int64_t i = block * kItemGrain; i < std::min(count, (block + 1) * kItemGrain); ++i) {
        const double value = score(i);
        out[i] = static_cast<float>(value);
        own += value;
      }
      blocks[static_cast<size_t>(block)] = own;
    }
  });
  for (const double block : blocks) sum += block;
}

}  // namespace

GradientEnsemble::GradientEnsemble(EnsembleRequest request) : request_(std::move(request)) {
  using Quantity = EnsembleRequest::Quantity;
  const Plan& plan = *request_.plan;
  request_.pairedWith.resize(request_.inputs.size(), -1);
  items_ = request_.items();
  noise_ = request_.hasNoise();
  paired_ = request_.hasBaselines();
  bool oneBaseline = true, extras = false;
  std::vector<std::string> names = request_.outputs;
  for (size_t i = 0; i < request_.inputs.size(); ++i) {
    extras = extras || request_.extras[i].has_value();
    if (!request_.inputs[i]) continue;
    const int64_t count = itemElements(request_.inputs[i]->shape());
    explained_.push_back({i, count, elements_});
    elements_ += count;
    if (request_.baselines[i]) oneBaseline = oneBaseline && request_.baselines[i]->shape()[0] == 1;
    if (request_.outputs.empty()) names.push_back(plan.graph().value(plan.graph().inputs[i]).name);
  }
  for (size_t o = 0; o < names.size(); ++o) {
    const Shape& shape = plan.graph().type(plan.graph().outputs[o]).shape;
    const int64_t count = shape.count(2, shape.rank());
    summed_.push_back({o, count, summedElements_});
    summedElements_ += count;
    result_.attributions.emplace_back(names[o], HostTensor());
  }
  const auto samples = static_cast<double>(request_.samples);
  if (request_.hasStart()) startShares_ = {1};
  if (!request_.sampleBaselines.empty()) {
    startShares_.assign(static_cast<size_t>(request_.baselines[explained_[0].input]->shape()[0]), 0);
    for (int64_t row : request_.sampleBaselines) startShares_[static_cast<size_t>(row)] += 1 / samples;
  }
  starts_ = static_cast<int64_t>(startShares_.size());
  sharedBaseline_ = paired_ && (oneBaseline || !request_.sampleBaselines.empty()) && !extras;
  keepsSamples_ = request_.points.size() > 1 || request_.quantity == Quantity::InputTimesGradient || request_.quantity == Quantity::Integrated;
  onlyNoise_ = noise_ && !paired_ && !keepsSamples_ && request_.positionInput < 0 && request_.samplePoints.empty();
  for (const Explained& e : explained_)
    onlyNoise_ = onlyNoise_ && plan.graph().type(plan.graph().inputs[e.input]).dtype == DType::F32 && request_.inputs[e.input]->dtype() == DType::F32;
  const bool isPlain = !noise_ && request_.positionInput < 0 && request_.samplePoints.empty() && request_.sampleBaselines.empty();
  for (size_t k = 0; k < request_.points.size() && isPlain; ++k) {
    if (request_.points[k] == 1) inputPoint_ = static_cast<int64_t>(k);
    if (request_.points[k] == 0) baselinePoint_ = static_cast<int64_t>(k);
  }
  if (starts_ == 0) baselinePoint_ = -1;
  isSole_ = isPlain && !paired_ && inputPoint_ == 0 && request_.points.size() == 1 && request_.weights[0] == 1 && isSolePass();
  const int64_t apart = (inputPoint_ < 0 ? items_ : 0) + (baselinePoint_ >= 0 ? 0 : sharedBaseline_ ? starts_ : starts_ * items_);
  total_ = items_ * request_.samples * static_cast<int64_t>(request_.points.size()) + apart;
  next_.kind = inputPoint_ < 0 ? Slot::Kind::Input : starts_ > 0 && baselinePoint_ < 0 ? Slot::Kind::Baseline : Slot::Kind::Point;
}

/// Whether one sample's scores are what a pass gives, in single precision like all that it reads.
bool GradientEnsemble::isSolePass() const {
  using Quantity = EnsembleRequest::Quantity;
  const Graph& graph = request_.plan->graph();
  if (request_.samples != 1 || request_.statistic != EnsembleRequest::Statistic::Mean) return false;
  if (request_.quantity == Quantity::Integrated || request_.quantity == Quantity::ImportantDirection) return false;
  return std::all_of(explained_.begin(), explained_.end(), [&](const Explained& e) { return request_.inputs[e.input]->dtype() == DType::F32 && graph.type(graph.inputs[e.input]).dtype == DType::F32; }) &&
         std::all_of(summed_.begin(), summed_.end(), [&](const Summed& s) { return graph.type(graph.outputs[s.output]).dtype == DType::F32; });
}

void GradientEnsemble::begin() {
  using Statistic = EnsembleRequest::Statistic;
  started_ = std::chrono::steady_clock::now();
  execution_ = std::make_unique<Execution>(request_.plan, request_.budget);
  buffers_.resize(request_.inputs.size());
  for (size_t i = 0; i < request_.inputs.size(); ++i) {
    const bool isMade = request_.pairedWith[i] >= 0 || request_.positionInput == static_cast<int64_t>(i);
    if (!request_.inputs[i] && !request_.extras[i] && !isMade) continue;
    buffers_[i] = static_cast<std::byte*>(execution_->ownInput(i));
  }
  const auto elements = static_cast<size_t>(elements_), summed = static_cast<size_t>(summedElements_);
  const bool moments = request_.statistic == Statistic::Variance || request_.statistic == Statistic::BiasedVariance;
  const bool squares = request_.quantity == EnsembleRequest::Quantity::ImportantDirection;
  const auto points = static_cast<int64_t>(request_.points.size());
  const int64_t samplesInChunk = keepsSamples_ ? std::min((request_.chunk + points - 1) / points + 1, items_ * request_.samples) : 1;
  const size_t doubles = (static_cast<size_t>(samplesInChunk) + (paired_ ? 1 : 0)) * elements + (size_t{2} + moments + squares) * summed;
  const size_t bytes = isSole_ ? 0 : doubles * sizeof(double);
  if (request_.budget) {
    request_.budget->charge(bytes, "noise and path sums");
    charge_ = std::shared_ptr<void>(static_cast<void*>(this), [budget = request_.budget, bytes](void*) { budget->refund(bytes); });
  }
  if (!isSole_) path_.resize(summed);
  if (!isSole_) mean_.resize(summed);
  if (moments) moment_.resize(summed);
  if (squares) squares_.resize(summed);
  const Graph& graph = request_.plan->graph();
  for (size_t o = 0; o < summed_.size(); ++o) {
    Shape shape{items_};
    const Shape& whole = graph.type(graph.outputs[o]).shape;
    for (int axis = 2; axis < whole.rank(); ++axis) shape.push(whole[axis]);
    result_.attributions[o].second = HostTensor(DType::F32, shape, request_.budget);
  }
  result_.objective.resize(static_cast<size_t>(items_));
  if (starts_ > 0) result_.baselineObjective.resize(static_cast<size_t>(items_));
  result_.sums.resize(static_cast<size_t>(items_));
  result_.reserveOutput(request_, items_);
}

std::optional<GradientEnsemble::Slot> GradientEnsemble::nextSlot() {
  if (next_.item == items_) return std::nullopt;
  const Slot slot = next_;
  const auto startsOf = [&](int64_t item) { return starts_ > 0 && baselinePoint_ < 0 && (!sharedBaseline_ || item == 0); };
  switch (slot.kind) {
    case Slot::Kind::Input: next_.kind = startsOf(slot.item) ? Slot::Kind::Baseline : Slot::Kind::Point; break;
    case Slot::Kind::Baseline:
      if (++next_.baseline < starts_) break;
      next_.baseline = 0;
      next_.kind = Slot::Kind::Point;
      break;
    case Slot::Kind::Point:
      if (++next_.point < request_.points.size()) break;
      next_.point = 0;
      if (++next_.sample < request_.samples) break;
      next_ = Slot{};
      next_.item = slot.item + 1;
      next_.kind = inputPoint_ < 0 ? Slot::Kind::Input : startsOf(next_.item) ? Slot::Kind::Baseline : Slot::Kind::Point;
  }
  return slot;
}

double GradientEnsemble::objectiveAt(int64_t position) const {
  const TensorRef objective = execution_->output(request_.objectiveOutput());
  return objective.dtype == DType::F32 ? static_cast<double>(objective.as<float>()[position]) : objective.as<double>()[position];
}

void GradientEnsemble::setInput(const Slot& slot, int64_t position) {
  result_.objective[static_cast<size_t>(slot.item)] = objectiveAt(position);
  result_.keepOutput(request_, *execution_, slot.item, position);
}

void GradientEnsemble::setStart(const Slot& slot, int64_t position) {
  const double share = startShares_[static_cast<size_t>(slot.baseline)] * objectiveAt(position);
  if (!sharedBaseline_) result_.baselineObjective[static_cast<size_t>(slot.item)] += share;
  if (sharedBaseline_ && slot.item == 0)
    for (double& start : result_.baselineObjective) start += share;
}

void GradientEnsemble::collect(const Slot& slot, int64_t position) {
  if (slot.kind == Slot::Kind::Input) setInput(slot, position);
  if (slot.kind == Slot::Kind::Baseline) setStart(slot, position);
  if (slot.kind != Slot::Kind::Point) return;
  const auto point = static_cast<int64_t>(slot.point);
  if (slot.sample == 0 && point == inputPoint_) setInput(slot, position);
  if (slot.sample == 0 && point == baselinePoint_ && paired_) setStart(slot, position);
  if (isSole_) return finishSole(slot.item, position);
  addPoint(slot, position);
  if (slot.point + 1 < request_.points.size()) return;
  finishSample(slot);
  if (slot.sample + 1 == request_.samples) finishItem(slot.item);
}

void GradientEnsemble::addPoint(const Slot& slot, int64_t position) {
  const bool isDirection = request_.quantity == EnsembleRequest::Quantity::ImportantDirection;
  const auto add = [&](double* sum, const Summed& s, double weight, bool first) {
    const TensorRef value = execution_->output(s.output);
    const int64_t row = position * s.elements;
    if (value.dtype == DType::F32)
      addWeighted(sum + s.offset, value.as<float>() + row, weight, first, s.elements);
    else
      addWeighted(sum + s.offset, value.as<double>() + row, weight, first, s.elements);
  };
  if (!isDirection) {
    for (const Summed& s : summed_) add(path_.data(), s, request_.weights[slot.point], slot.point == 0);
    return;
  }
  // What the step from the last point to this one changed, by the squared gradient there.
  const double objective = objectiveAt(position);
  const double step = slot.point == 0 || squaresSum_ == 0 ? 0 : (objective - lastObjective_) / squaresSum_;
  lastObjective_ = objective;
  if (slot.point == 0) std::fill(path_.begin(), path_.end(), 0.0);
  for (size_t i = 0; i < path_.size() && step != 0; ++i) path_[i] += step * squares_[i];
  for (const Summed& s : summed_) add(squares_.data(), s, 1, true);
  squaresSum_ = 0;
  for (double& square : squares_) squaresSum_ += square *= square;
}

void GradientEnsemble::finishSample(const Slot& slot) {
  using Quantity = EnsembleRequest::Quantity;
  using Statistic = EnsembleRequest::Statistic;
  const double* noisy = keepsSamples_ ? inFlight_.front().noisy.data() : nullptr;
  const double* origin = request_.quantity == Quantity::Integrated ? baselineRow(baselineRowOf(slot)).data() : nullptr;
  const auto n = static_cast<double>(++samplesDone_);
  parallelFor(summedElements_, kItemGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double phi = path_[static_cast<size_t>(i)];
      if (request_.quantity == Quantity::Absolute) phi = std::fabs(phi);
      if (request_.quantity == Quantity::InputTimesGradient) phi *= noisy[i];
      if (request_.quantity == Quantity::Integrated) phi *= noisy[i] - origin[i];
      if (request_.statistic == Statistic::MeanSquare) phi *= phi;
      double& mean = mean_[static_cast<size_t>(i)];
      const double before = phi - mean;
      mean += before / n;
      if (!moment_.empty()) moment_[static_cast<size_t>(i)] += before * (phi - mean);
    }
  });
  // Without keepsSamples_ the one entry is scratch for the sample being filled.
  if (keepsSamples_) inFlight_.pop_front();
}

/// What finishSample and finishItem make of a single pass at the input, to the bit.
void GradientEnsemble::finishSole(int64_t item, int64_t position) {
  using Quantity = EnsembleRequest::Quantity;
  double sum = 0;
  for (size_t k = 0; k < summed_.size(); ++k) {
    const Summed& s = summed_[k];
    auto* out = static_cast<float*>(result_.attributions[s.output].second.mutableData()) + item * s.elements;
    const float* gradient = execution_->output(s.output).as<float>() + position * s.elements;
    switch (request_.quantity) {
      case Quantity::Absolute:
        writeScores(out, s.elements, sum, [&](int64_t i) { return std::fabs(static_cast<double>(gradient[i])); });
        break;
      case Quantity::InputTimesGradient: {
        const float* x = request_.inputs[explained_[k].input]->as<float>() + item * s.elements;
        // Nothing times what fell is 0, not -0.
        writeScores(out, s.elements, sum, [&](int64_t i) { return 0.0 + static_cast<double>(gradient[i]) * static_cast<double>(x[i]); });
        break;
      }
      default: writeScores(out, s.elements, sum, [&](int64_t i) { return 0.0 + static_cast<double>(gradient[i]); });
    }
  }
  result_.sums[static_cast<size_t>(item)] = sum;
}

void GradientEnsemble::finishItem(int64_t item) {
  using Statistic = EnsembleRequest::Statistic;
  const auto n = static_cast<double>(samplesDone_);
  const double scale = request_.statistic == Statistic::Variance ? 1 / (n - 1) : 1 / n;
  double sum = 0;
  for (const Summed& s : summed_) {
    auto* out = static_cast<float*>(result_.attributions[s.output].second.mutableData()) + item * s.elements;
    writeScores(out, s.elements, sum, [&](int64_t i) {
      const auto at = static_cast<size_t>(s.offset + i);
      return moment_.empty() ? mean_[at] : moment_[at] * scale;
    });
  }
  result_.sums[static_cast<size_t>(item)] = sum;
  std::fill(mean_.begin(), mean_.end(), 0.0);
  std::fill(moment_.begin(), moment_.end(), 0.0);
  samplesDone_ = 0;
}

Job::Step GradientEnsemble::advance(Slice& slice) {
  if (!execution_) {
    slice.checkCancelled();
    begin();
  }
  do {
    slice.checkCancelled();
    if (stage_ == Stage::Fill) {
      const auto slot = static_cast<int64_t>(slots_.size()) < request_.chunk ? nextSlot() : std::nullopt;
      if (slot) {
        fill(*slot, static_cast<int64_t>(slots_.size()));
        slots_.push_back(*slot);
        continue;
      }
      padChunk();
      execution_->start();
      stage_ = Stage::Run;
    } else if (stage_ == Stage::Run) {
      if (const Step step = execution_->advance(slice); step != Step::Done) return step;
      if (finite_.accepts(*execution_))
        stage_ = Stage::Collect;
      else
        execution_->start();
    } else if (position_ < slots_.size()) {
      collect(slots_[position_], static_cast<int64_t>(position_));
      ++position_;
      slice.progress(static_cast<double>(++done_), static_cast<double>(total_));
    } else if (next_.item == items_) {
      result_.forwardPasses = result_.backwardPasses = total_;
      result_.peakBytes = request_.budget ? request_.budget->peak() : execution_->bytes();
      result_.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started_).count();
      execution_.reset();
      charge_.reset();
      return Step::Done;
    } else {
      slots_.clear();
      position_ = 0;
      stage_ = Stage::Fill;
    }
  } while (!slice.expired());
  return Step::More;
}

}  // namespace ascribe
