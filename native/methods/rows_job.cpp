#include "methods/rows_job.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "graph/convert.h"
#include "methods/finite.h"

namespace ascribe {

namespace {

const Value& inputOf(const Plan& plan, size_t index) { return plan.graph().value(plan.graph().inputs[index]); }

size_t rowBytes(const ValueType& type) { return bytesOf(type.dtype, type.shape.count(1, type.shape.rank())); }

void checkLeading(const Value& value, int64_t chunk) {
  if (value.type.shape.rank() == 0 || value.type.shape[0] != chunk)
    throw Error("INPUT_SHAPE", value.name + " has the shape " + value.type.shape.text() + " in the plan; its first dimension must be the chunk, " +
                                   std::to_string(chunk));
}

void checkRows(const Value& value, const HostTensor& rows, int64_t count, int64_t chunk) {
  checkLeading(value, chunk);
  Shape shape = value.type.shape;
  shape[0] = count;
  if (!(rows.shape() == shape))
    throw Error("INPUT_SHAPE", "rows of " + value.name + " have the shape " + rows.shape().text() + ", expected " + shape.text());
  if (rows.dtype() != value.type.dtype)
    throw Error("INPUT_DTYPE", "rows of " + value.name + " are " + std::string(nameOf(rows.dtype())) + ", the plan wants " + std::string(nameOf(value.type.dtype)));
}

void checkMarks(const Value& value, const RowsRequest::Marks& marks, int64_t count, int64_t chunk) {
  checkLeading(value, chunk);
  if (value.type.dtype != DType::Bool) throw Error("INPUT_DTYPE", "places can be set in bool alone, and " + value.name + " is another input");
  if (marks.places.dtype() != DType::I32) throw Error("INPUT_DTYPE", "places of " + value.name + " must be i32");
  const int64_t width = value.type.shape.count(1, value.type.shape.rank());
  bool fits = std::cmp_equal(marks.ends.size(), count);
  int64_t before = 0;
  for (const int64_t end : marks.ends) {
    fits = fits && end >= before;
    before = end;
  }
  if (!fits || before != marks.places.shape().count())
    throw Error("INPUT_SHAPE", "the places of " + value.name + " must end, row by row, where the next ones begin");
  const auto* places = marks.places.as<int32_t>();
  for (int64_t i = 0; i < before; ++i)
    if (places[i] < 0 || places[i] >= width)
      throw Error("INPUT_VALUE", "place " + std::to_string(places[i]) + " of " + value.name + " is outside its " + std::to_string(width));
}

}  // namespace

void RowsRequest::check() const {
  if (count < 1) throw Error("OPTION_RANGE", "there must be a row");
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i]) checkRows(inputOf(*plan, i), *rows[i], count, chunk);
    if (marks[i]) checkMarks(inputOf(*plan, i), *marks[i], count, chunk);
  }
  for (const ValueId id : plan->graph().outputs) checkLeading(plan->graph().value(id), chunk);
}

void RowsJob::begin() {
  started_ = std::chrono::steady_clock::now();
  const Plan& plan = *request_.plan;
  execution_ = std::make_unique<Execution>(request_.plan, request_.budget);
  set_.resize(request_.marks.size());
  for (size_t i = 0; i < request_.tables.size(); ++i)
    if (const auto& table = request_.tables[i]) execution_->bindInput(i, table->data(), table->dtype(), table->shape());
  for (const ValueId id : plan.graph().outputs) {
    Shape shape = plan.graph().shape(id);
    shape[0] = request_.count;
    outputs_.emplace_back(plan.graph().type(id).dtype, shape, request_.budget);
  }
}

void RowsJob::fillRows(size_t input, const HostTensor& rows, int64_t filled) {
  const ValueType& type = inputOf(*request_.plan, input).type;
  const size_t bytes = rowBytes(type);
  const auto* from = static_cast<const std::byte*>(rows.data()) + static_cast<size_t>(first_) * bytes;
  if (filled == request_.chunk) {
    execution_->bindInput(input, from, type.dtype, type.shape);
    return;
  }
  auto* to = static_cast<std::byte*>(execution_->ownInput(input));
  std::memcpy(to, from, static_cast<size_t>(filled) * bytes);
  for (int64_t row = filled; row < request_.chunk; ++row) std::memcpy(to + static_cast<size_t>(row) * bytes, from, bytes);
}

void RowsJob::fillMarks(size_t input, const RowsRequest::Marks& marks, int64_t filled) {
  auto* to = static_cast<uint8_t*>(execution_->ownInput(input));
  const int64_t width = static_cast<int64_t>(rowBytes(inputOf(*request_.plan, input).type));
  for (const int64_t place : set_[input]) to[place] = 0;
  set_[input].clear();
  const auto* places = marks.places.as<int32_t>();
  for (int64_t row = 0; row < request_.chunk; ++row) {
    const auto of = static_cast<size_t>(first_ + (row < filled ? row : 0));
    for (int64_t i = of == 0 ? 0 : marks.ends[of - 1]; i < marks.ends[of]; ++i) {
      to[row * width + places[i]] = 1;
      set_[input].push_back(row * width + places[i]);
    }
  }
}

void RowsJob::fill() {
  const int64_t filled = std::min(request_.chunk, request_.count - first_);
  for (size_t i = 0; i < request_.rows.size(); ++i) {
    if (request_.rows[i]) fillRows(i, *request_.rows[i], filled);
    if (request_.marks[i]) fillMarks(i, *request_.marks[i], filled);
  }
  execution_->start();
  running_ = true;
}

/// False where the pass must run once more to find the node that made NaN.
bool RowsJob::judge() {
  if (tracing_) {
    // No node is to blame: the NaN came in with the rows or weights, and will again.
    execution_->enableTrace(tracing_ = false);
    request_.guard = false;
  }
  if (!request_.guard || outputsFinite(*execution_)) return true;
  execution_->enableTrace(tracing_ = true);
  return false;
}

void RowsJob::collect() {
  const int64_t filled = std::min(request_.chunk, request_.count - first_);
  for (size_t o = 0; o < outputs_.size(); ++o) {
    const TensorRef output = execution_->output(o);
    const size_t bytes = bytesOf(output.dtype, output.shape.count(1, output.shape.rank()));
    std::memcpy(static_cast<std::byte*>(outputs_[o].mutableData()) + static_cast<size_t>(first_) * bytes, output.data, static_cast<size_t>(filled) * bytes);
  }
  first_ += filled;
  running_ = false;
}

void RowsJob::finish() {
  peakBytes_ = request_.budget ? request_.budget->peak() : execution_->bytes();
  milliseconds_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started_).count();
  // The arena goes now, not when the promise's value is collected.
  execution_.reset();
  request_.tables.clear();
  request_.rows.clear();
  request_.marks.clear();
}

Job::Step RowsJob::advance(Slice& slice) {
  if (!execution_) {
    slice.checkCancelled();
    begin();
  }
  while (first_ < request_.count) {
    slice.checkCancelled();
    if (!running_) fill();
    if (const Step step = execution_->advance(slice); step != Step::Done) return step;
    if (!judge()) {
      execution_->start();
      continue;
    }
    collect();
    slice.progress(static_cast<double>(first_), static_cast<double>(request_.count));
    if (slice.expired() && first_ < request_.count) return Step::More;
  }
  finish();
  return Step::Done;
}

}  // namespace ascribe
