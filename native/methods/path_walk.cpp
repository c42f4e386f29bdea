#include "methods/path_walk.h"

#include <cmath>
#include <cstring>

#include "graph/convert.h"

namespace ascribe {

void WalkRequest::check() const {
  base.check();
  if (!base.hasBaselines()) throw Error("INPUT_MISSING", "a path needs baselines");
  size_t explained = 0;
  for (const auto& input : base.inputs) explained += input.has_value();
  const size_t wanted = explained + (kind == Kind::Pieces ? 2 : 1) + base.keepsOutput;
  if (base.plan->outputs().size() != wanted)
    throw Error("OPTION_RANGE", "the plan has " + std::to_string(base.plan->outputs().size()) + " outputs, this path needs " + std::to_string(wanted));
  const Graph& graph = base.plan->graph();
  for (size_t i = 0, o = 0; i < base.inputs.size(); ++i)
    if (base.inputs[i] && !(graph.type(graph.outputs[o++]).shape == prepend(1, graph.type(graph.inputs[i]).shape)))
      throw Error("INPUT_SHAPE", "gradient output " + std::to_string(o - 1) + " does not have the shape of its input");
  if (kind == Kind::Pieces) {
    if (!(graph.type(graph.outputs[explained]).shape == Shape{1, base.chunk})) throw Error("INPUT_SHAPE", "the reach must be one number for each example");
    if (base.items() != 1) throw Error("OPTION_RANGE", "a path is walked piece by piece for one item at a time");
    if (segments < 1 || segments > base.chunk) throw Error("OPTION_RANGE", "a path has from 1 to `chunk` segments");
  }
}

PathWalk::PathWalk(WalkRequest request) : request_(std::move(request)) {
  EnsembleRequest& base = request_.base;
  base.pairedWith.resize(base.inputs.size(), -1);
  items_ = base.items();
  const Graph& graph = base.plan->graph();
  for (size_t i = 0; i < base.inputs.size(); ++i) {
    if (!base.inputs[i]) continue;
    const Shape& shape = base.inputs[i]->shape();
    const int64_t count = shape.count(1, shape.rank());
    explained_.push_back({i, explained_.size(), count, elements_});
    elements_ += count;
    result_.attributions.emplace_back(graph.value(graph.inputs[i]).name, HostTensor());
  }
}

void PathWalk::begin() {
  EnsembleRequest& base = request_.base;
  started_ = std::chrono::steady_clock::now();
  execution_ = std::make_unique<Execution>(base.plan, base.budget);
  buffers_.resize(base.inputs.size());
  for (size_t i = 0; i < base.inputs.size(); ++i)
    if (base.inputs[i] || base.extras[i] || base.pairedWith[i] >= 0) buffers_[i] = static_cast<std::byte*>(execution_->ownInput(i));
  const size_t bytes = doubles() * sizeof(double);
  if (base.budget) {
    base.budget->charge(bytes, "the state of the path");
    charge_ = std::shared_ptr<void>(static_cast<void*>(this), [budget = base.budget, bytes](void*) { budget->refund(bytes); });
  }
  for (const Explained& e : explained_) result_.attributions[e.output].second = HostTensor(DType::F32, base.inputs[e.input]->shape(), base.budget);
  result_.objective.resize(static_cast<size_t>(items_));
  result_.baselineObjective.resize(static_cast<size_t>(items_));
  result_.sums.resize(static_cast<size_t>(items_));
  result_.reserveOutput(base, items_);
  prepare();
}

std::vector<double> PathWalk::load(const std::vector<std::optional<HostTensor>>& from, int64_t item) const {
  std::vector<double> out(static_cast<size_t>(elements_));
  for (const Explained& e : explained_) {
    const HostTensor& tensor = *from[e.input];
    const int64_t row = tensor.shape()[0] == 1 ? 0 : item;
    const auto* bytes = static_cast<const std::byte*>(tensor.data()) + static_cast<size_t>(row * e.elements) * sizeOf(tensor.dtype());
    convertElements(bytes, tensor.dtype(), out.data() + e.offset, DType::F64, e.elements);
  }
  return out;
}

void PathWalk::place(int64_t row, int64_t item, const std::vector<double>& point) {
  const EnsembleRequest& base = request_.base;
  const Graph& graph = base.plan->graph();
  rowsOnce_ = std::max(rowsOnce_, row + 1);
  ++evaluations_;
  const auto write = [&](size_t input, const double* from, int64_t count) {
    const DType dtype = graph.type(graph.inputs[input]).dtype;
    convertElements(from, DType::F64, buffers_[input] + static_cast<size_t>(row * count) * sizeOf(dtype), dtype, count);
  };
  for (size_t i = 0; i < base.inputs.size(); ++i) {
    if (!base.extras[i]) continue;
    const HostTensor& extra = *base.extras[i];
    const DType dtype = graph.type(graph.inputs[i]).dtype;
    const int64_t count = extra.shape().count(1, extra.shape().rank());
    const auto* from = static_cast<const std::byte*>(extra.data()) + static_cast<size_t>(item * count) * sizeOf(extra.dtype());
    std::byte* to = buffers_[i] + static_cast<size_t>(row * count) * sizeOf(dtype);
    if (extra.dtype() == dtype)
      std::memcpy(to, from, static_cast<size_t>(count) * sizeOf(dtype));
    else
      convertElements(from, extra.dtype(), to, dtype, count);
  }
  for (const Explained& e : explained_) {
    write(e.input, point.data() + e.offset, e.elements);
    for (size_t i = 0; i < base.pairedWith.size(); ++i)
      if (base.pairedWith[i] == static_cast<int64_t>(e.input)) write(i, load(base.baselines, item).data() + e.offset, e.elements);
  }
}

void PathWalk::gradient(int64_t row, std::vector<double>& out) const {
  out.resize(static_cast<size_t>(elements_));
  for (const Explained& e : explained_) {
    const TensorRef value = execution_->output(e.output);
    const auto* from = static_cast<const std::byte*>(value.data) + static_cast<size_t>(row * e.elements) * sizeOf(value.dtype);
    convertElements(from, value.dtype, out.data() + e.offset, DType::F64, e.elements);
  }
}

void PathWalk::setInput(int64_t item, int64_t row) {
  result_.objective[static_cast<size_t>(item)] = objective(row);
  result_.keepOutput(request_.base, *execution_, item, row);
}

double PathWalk::number(size_t output, int64_t row) const {
  const TensorRef value = execution_->output(output);
  return value.dtype == DType::F32 ? static_cast<double>(value.as<float>()[row]) : value.as<double>()[row];
}

void PathWalk::setAttribution(int64_t item, const std::vector<double>& values) {
  double sum = 0;
  for (const Explained& e : explained_) {
    auto* out = static_cast<float*>(result_.attributions[e.output].second.mutableData()) + item * e.elements;
    for (int64_t i = 0; i < e.elements; ++i) {
      const double value = values[static_cast<size_t>(e.offset + i)];
      out[i] = static_cast<float>(value);
      sum += value;
    }
  }
  result_.sums[static_cast<size_t>(item)] = sum;
}

void PathWalk::finish() {
  result_.forwardPasses = result_.backwardPasses = evaluations_;
  result_.peakBytes = request_.base.budget ? request_.base.budget->peak() : execution_->bytes();
  result_.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started_).count();
  execution_.reset();
  charge_.reset();
}

Job::Step PathWalk::advance(Slice& slice) {
  slice.checkCancelled();
  if (!execution_) begin();
  do {
    slice.checkCancelled();
    if (!running_) {
      if (!fill()) {
        finish();
        return Step::Done;
      }
      // Rows that never held a point repeat the first.
      const EnsembleRequest& base = request_.base;
      for (filledRows_ = std::max(filledRows_, rowsOnce_); filledRows_ < base.chunk; ++filledRows_)
        for (size_t i = 0; i < buffers_.size(); ++i) {
          if (buffers_[i] == nullptr) continue;
          const ValueType& type = base.plan->graph().type(base.plan->graph().inputs[i]);
          const size_t bytes = static_cast<size_t>(type.shape.count(1, type.shape.rank())) * sizeOf(type.dtype);
          std::memcpy(buffers_[i] + static_cast<size_t>(filledRows_) * bytes, buffers_[i], bytes);
        }
      execution_->start();
      running_ = true;
      continue;
    }
    if (const Step step = execution_->advance(slice); step != Step::Done) return step;
    if (!finite_.accepts(*execution_)) {
      execution_->start();
      continue;
    }
    collect();
    running_ = false;
    slice.progress(share() * 1000, 1000);
  } while (!slice.expired());
  return Step::More;
}

}  // namespace ascribe
