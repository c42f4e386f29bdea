#include "methods/shared_path.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "graph/convert.h"
#include "runtime/random.h"

namespace ascribe {

SharedPath::SharedPath(EnsembleRequest request) : request_(std::move(request)) {
  const Graph& graph = request_.plan->graph();
  items_ = request_.items();
  request_.pairedWith.resize(request_.inputs.size(), -1);
  bool hasInput = false, hasBaseline = request_.baselinePosition.empty();
  const int64_t rows = isNoisy() ? request_.samples : static_cast<int64_t>(request_.points.size());
  for (int64_t k = 0; k < rows; ++k) {
    slots_.push_back(k);
    hasInput = hasInput || isInput(k);
    hasBaseline = hasBaseline || isBaseline(k);
  }
  if (!hasBaseline) slots_.insert(slots_.begin(), kBaseline);
  if (!hasInput) slots_.insert(slots_.begin(), kInput);
  for (size_t i = 0; i < request_.inputs.size(); ++i) {
    if (!request_.inputs[i]) continue;
    const Shape& shape = graph.type(graph.inputs[i]).shape;
    explained_.push_back({i, explained_.size(), shape.count(), elements_});
    elements_ += shape.count();
    const size_t place = explained_.size() - 1;
    result_.attributions.emplace_back(place < request_.outputs.size() ? request_.outputs[place] : graph.value(graph.inputs[i]).name, HostTensor());
  }
}

void SharedPath::begin() {
  started_ = std::chrono::steady_clock::now();
  execution_ = std::make_unique<Execution>(request_.plan, request_.budget);
  const size_t bytes = static_cast<size_t>(elements_) * sizeof(double);
  if (request_.budget) {
    request_.budget->charge(bytes, "path sums");
    charge_ = std::shared_ptr<void>(static_cast<void*>(this), [budget = request_.budget, bytes](void*) { budget->refund(bytes); });
  }
  sums_.resize(static_cast<size_t>(elements_));
  buffers_.resize(request_.inputs.size());
  for (size_t i = 0; i < buffers_.size(); ++i)
    if (request_.inputs[i] || request_.extras[i] || request_.pairedWith[i] >= 0 || request_.positionInput == static_cast<int64_t>(i) || request_.noiseInput == static_cast<int64_t>(i))
      buffers_[i] = static_cast<std::byte*>(execution_->ownInput(i));
  for (const Explained& e : explained_) {
    Shape shape = request_.inputs[e.input]->shape();
    shape[0] = items_;
    result_.attributions[e.output].second = HostTensor(DType::F32, shape, request_.budget);
  }
  result_.objective.resize(static_cast<size_t>(items_));
  if (!request_.baselinePosition.empty()) result_.baselineObjective.resize(static_cast<size_t>(items_));
  result_.sums.resize(static_cast<size_t>(items_));
  result_.reserveOutput(request_, items_);
  beginItem();
}

void SharedPath::writeRow(size_t input, const HostTensor& from, int64_t item, int64_t row) {
  const DType dtype = request_.plan->graph().type(request_.plan->graph().inputs[input]).dtype;
  const int64_t count = from.shape().count(1, from.shape().rank()), source = from.shape()[0] == 1 ? 0 : item;
  const auto* bytes = static_cast<const std::byte*>(from.data()) + static_cast<size_t>(source * count) * sizeOf(from.dtype());
  std::byte* to = buffers_[input] + static_cast<size_t>(row * count) * sizeOf(dtype);
  if (from.dtype() == dtype) std::memcpy(to, bytes, static_cast<size_t>(count) * sizeOf(dtype));
  else convertElements(bytes, from.dtype(), to, dtype, count);
}

void SharedPath::beginItem() {
  next_ = 0;
  again_ = false;
  std::fill(sums_.begin(), sums_.end(), 0.0);
  for (size_t i = 0; i < buffers_.size(); ++i) {
    if (request_.inputs[i]) writeRow(i, *request_.inputs[i], item_, 0);
    if (const int64_t of = request_.pairedWith[i]; of >= 0) writeRow(i, *request_.baselines[static_cast<size_t>(of)], item_, 0);
    if (request_.extras[i])
      for (int64_t row = 0; row < request_.chunk; ++row) writeRow(i, *request_.extras[i], item_, row);
  }
}

const double* SharedPath::numbersOf(int64_t slot) const {
  const size_t width = request_.inputPosition.size();
  // All samples stand at the one point there is.
  return slot == kInput ? request_.inputPosition.data() : slot == kBaseline ? request_.baselinePosition.data() : request_.positions.data() + (isNoisy() ? 0 : static_cast<size_t>(slot) * width);
}

/// Rows that no slot takes stand at the input, where they weigh nothing.
void SharedPath::fillRows() {
  const size_t width = request_.inputPosition.size();
  const auto input = static_cast<size_t>(request_.positionInput);
  const DType dtype = request_.plan->graph().type(request_.plan->graph().inputs[input]).dtype;
  filled_ = std::min(slots_.size() - next_, static_cast<size_t>(request_.chunk));
  for (size_t row = 0; row < static_cast<size_t>(request_.chunk); ++row) {
    const int64_t slot = row < filled_ ? slots_[next_ + row] : kInput;
    if (isNoisy()) fillNoise(row, slot);
    const double* numbers = numbersOf(slot);
    convertElements(numbers, DType::F64, buffers_[input] + row * width * sizeOf(dtype), dtype, static_cast<int64_t>(width));
  }
}

/// What the input's own row draws does not matter: it has no deviation.
void SharedPath::fillNoise(size_t row, int64_t slot) {
  const int64_t key = request_.itemKeys.empty() ? item_ : request_.itemKeys[static_cast<size_t>(item_)];
  const RandomStream::Name name = RandomStream(request_.seed, static_cast<uint64_t>(key), static_cast<uint32_t>(std::max<int64_t>(slot, 0))).name();
  int64_t* to = reinterpret_cast<int64_t*>(buffers_[static_cast<size_t>(request_.noiseInput)]) + row * (2 + explained_.size());
  to[0] = static_cast<int64_t>(uint64_t{name.key1} << 32 | name.key0);
  to[1] = static_cast<int64_t>(uint64_t{name.item} << 32 | name.sample);
  for (const Explained& e : explained_) {
    const std::vector<double>& sigma = request_.sigma[e.input];
    to[2 + e.output] = slot == kInput || sigma.empty() ? 0 : std::bit_cast<int64_t>(sigma[static_cast<size_t>(item_)]);
  }
}

void SharedPath::collect() {
  const auto item = static_cast<size_t>(item_);
  for (const Explained& e : explained_) {
    const TensorRef sum = execution_->output(e.output);
    for (int64_t i = 0; i < e.elements; ++i)
      sums_[static_cast<size_t>(e.offset + i)] += sum.dtype == DType::F32 ? static_cast<double>(sum.as<float>()[i]) : sum.as<double>()[i];
  }
  const TensorRef objective = execution_->output(request_.objectiveOutput());
  for (size_t row = 0; row < filled_; ++row) {
    const int64_t slot = slots_[next_ + row];
    const double value = objective.dtype == DType::F32 ? static_cast<double>(objective.as<float>()[row]) : objective.as<double>()[row];
    if (isInput(slot)) {
      result_.objective[item] = value;
      result_.keepOutput(request_, *execution_, item_, static_cast<int64_t>(row));
    }
    if (!result_.baselineObjective.empty() && isBaseline(slot)) result_.baselineObjective[item] = value;
  }
  next_ += filled_;
}

namespace {
/// A row of a tensor of f32 or f64, read where it lies: a copy in double would be fresh memory for every result.
class Row {
 public:
  Row(const HostTensor& from, int64_t item, int64_t elements) {
    const int64_t first = from.shape()[0] == 1 ? 0 : item * elements;
    if (from.dtype() == DType::F32) single_ = from.as<float>() + first;
    else double_ = from.as<double>() + first;
  }
  double operator[](int64_t i) const { return single_ != nullptr ? static_cast<double>(single_[i]) : double_[i]; }

 private:
  const float* single_ = nullptr;
  const double* double_ = nullptr;
};
}  // namespace

void SharedPath::finishItem() {
  double total = 0;
  for (const Explained& e : explained_) {
    auto* out = static_cast<float*>(result_.attributions[e.output].second.mutableData()) + item_ * e.elements;
    const bool isDifference = request_.quantity == EnsembleRequest::Quantity::Integrated;
    const Row end(*request_.inputs[e.input], item_, e.elements), start(isDifference ? *request_.baselines[e.input] : *request_.inputs[e.input], item_, e.elements);
    const double share = isNoisy() ? 1 / static_cast<double>(request_.samples) : 1;
    for (int64_t i = 0; i < e.elements; ++i) {
      // Nothing times what fell is 0, not -0.
      const double value = 0.0 + sums_[static_cast<size_t>(e.offset + i)] * (isDifference ? end[i] - start[i] : share);
      out[i] = static_cast<float>(value);
      total += value;
    }
  }
  result_.sums[static_cast<size_t>(item_)] = total;
}

Job::Step SharedPath::advance(Slice& slice) {
  slice.checkCancelled();
  if (!execution_) begin();
  const auto total = static_cast<double>(slots_.size()) * static_cast<double>(items_);
  do {
    slice.checkCancelled();
    if (!running_) {
      fillRows();
      execution_->start(again_);
      running_ = true;
      continue;
    }
    if (const Step step = execution_->advance(slice); step != Step::Done) return step;
    if (!finite_.accepts(*execution_)) {
      execution_->start();
      continue;
    }
    running_ = false;
    again_ = true;
    collect();
    slice.progress(static_cast<double>(item_) * static_cast<double>(slots_.size()) + static_cast<double>(next_), total);
    if (next_ < slots_.size()) continue;
    finishItem();
    if (++item_ < items_) {
      beginItem();
      continue;
    }
    result_.forwardPasses = result_.backwardPasses = items_ * static_cast<int64_t>(slots_.size());
    result_.peakBytes = request_.budget ? request_.budget->peak() : execution_->bytes();
    result_.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started_).count();
    execution_.reset();
    charge_.reset();
    return Step::Done;
  } while (!slice.expired());
  return Step::More;
}

}  // namespace ascribe
