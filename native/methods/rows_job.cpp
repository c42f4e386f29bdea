#include "methods/rows_job.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "graph/convert.h"
#include "numerics/falling_ranks.h"
#include "runtime/error.h"
#include "runtime/parallel.h"

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

void checkRanked(const Plan& plan, const RowsRequest::Ranked& ranked) {
  const Shape& scores = ranked.scores.shape();
  if (ranked.scores.dtype() != DType::F64) throw Error("INPUT_DTYPE", "scores to be ranked must be f64");
  if (scores.rank() != 2) throw Error("INPUT_SHAPE", "scores to be ranked have the shape " + scores.text() + ", expected [items, scores]");
  int64_t shared = 0;
  for (const size_t input : ranked.inputs) {
    const Value& value = inputOf(plan, input);
    if (value.type.dtype != DType::F32) throw Error("INPUT_DTYPE", "ranks are f32, and " + value.name + " is another input");
    checkLeading(value, scores[0]);
    shared += value.type.shape.count(1, value.type.shape.rank());
  }
  if (shared != scores[1])
    throw Error("INPUT_SHAPE", "there are " + std::to_string(scores[1]) + " scores to be ranked, and inputs for " + std::to_string(shared));
}

}  // namespace

void RowsRequest::check() const {
  if (count < 1) throw Error("OPTION_RANGE", "there must be a row");
  if (ranked) checkRanked(*plan, *ranked);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i]) checkRows(inputOf(*plan, i), *rows[i], count, chunk);
    if (marks[i]) checkMarks(inputOf(*plan, i), *marks[i], count, chunk);
  }
  for (const ValueId id : plan->graph().outputs) checkLeading(plan->graph().value(id), chunk);
}

RowsJob::Strand RowsJob::openStrand() {
  Strand strand{.execution = std::make_unique<Execution>(request_.plan, request_.budget), .finite = FiniteGuard(request_.guard)};
  strand.set.resize(request_.marks.size());
  for (size_t i = 0; i < request_.tables.size(); ++i)
    if (const auto& table = request_.tables[i]) strand.execution->bindInput(i, table->data(), table->dtype(), table->shape());
  return strand;
}

void RowsJob::rankTables() {
  if (!request_.ranked) return;
  const auto& [scores, inputs] = *request_.ranked;
  const int64_t items = scores.shape()[0], count = scores.shape()[1];
  // Like tables that are given, not counted against the job's bound.
  HostTensor ranks(DType::F32, scores.shape());
  auto* all = static_cast<float*>(ranks.mutableData());
  parallelFor(items, 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) fallingRanks(scores.as<double>() + item * count, count, all + item * count);
  });
  int64_t first = 0;
  for (const size_t input : inputs) {
    HostTensor table(DType::F32, inputOf(*request_.plan, input).type.shape);
    const int64_t own = table.shape().count(1, table.shape().rank());
    auto* to = static_cast<float*>(table.mutableData());
    for (int64_t item = 0; item < items; ++item) std::copy_n(all + item * count + first, own, to + item * own);
    first += own;
    request_.tables[input] = std::move(table);
  }
  request_.ranked.reset();
}

void RowsJob::begin() {
  started_ = std::chrono::steady_clock::now();
  rankTables();
  const Plan& plan = *request_.plan;
  for (const ValueId id : plan.graph().outputs) {
    Shape shape = plan.graph().shape(id);
    shape[0] = request_.count;
    outputs_.emplace_back(plan.graph().type(id).dtype, shape, request_.budget);
  }
  strands_.push_back(openStrand());
  // A device has a queue, which fills it by itself.
  const int64_t passes = (request_.count + request_.chunk - 1) / request_.chunk;
  // Fewer passes than threads are shared out node by node, so that no core is idle.
  const auto fitting = static_cast<int64_t>(request_.bytesTogether / std::max<size_t>(1, plan.arenaBytes() + plan.scratchBytes()));
  const bool isApart = plan.device()->hostAccessible() && passes >= parallelWidth();
  const int64_t wanted = isApart ? std::min<int64_t>(parallelWidth(), fitting) : 1;
  // As many as the memory bound holds.
  while (std::cmp_less(strands_.size(), wanted)) {
    try {
      strands_.push_back(openStrand());
    } catch (const Error& error) {
      if (std::strcmp(error.code(), "OUT_OF_MEMORY_BUDGET") != 0) throw;
      return;
    }
  }
}

void RowsJob::fillRows(Strand& strand, size_t input, const HostTensor& rows, int64_t filled) {
  const ValueType& type = inputOf(*request_.plan, input).type;
  const size_t bytes = rowBytes(type);
  const auto* from = static_cast<const std::byte*>(rows.data()) + static_cast<size_t>(strand.first) * bytes;
  if (filled == request_.chunk) {
    strand.execution->bindInput(input, from, type.dtype, type.shape);
    return;
  }
  auto* to = static_cast<std::byte*>(strand.execution->ownInput(input));
  std::memcpy(to, from, static_cast<size_t>(filled) * bytes);
  for (int64_t row = filled; row < request_.chunk; ++row) std::memcpy(to + static_cast<size_t>(row) * bytes, from, bytes);
}

void RowsJob::fillMarks(Strand& strand, size_t input, const RowsRequest::Marks& marks, int64_t filled) {
  auto* to = static_cast<uint8_t*>(strand.execution->ownInput(input));
  const int64_t width = static_cast<int64_t>(rowBytes(inputOf(*request_.plan, input).type));
  std::vector<int64_t>& set = strand.set[input];
  for (const int64_t place : set) to[place] = 0;
  set.clear();
  const auto* places = marks.places.as<int32_t>();
  for (int64_t row = 0; row < request_.chunk; ++row) {
    const auto of = static_cast<size_t>(strand.first + (row < filled ? row : 0));
    for (int64_t i = of == 0 ? 0 : marks.ends[of - 1]; i < marks.ends[of]; ++i) {
      to[row * width + places[i]] = 1;
      set.push_back(row * width + places[i]);
    }
  }
}

/// False where no pass is left.
bool RowsJob::fill(Strand& strand) {
  strand.first = next_.fetch_add(request_.chunk);
  if (strand.first >= request_.count) return false;
  const int64_t filled = std::min(request_.chunk, request_.count - strand.first);
  for (size_t i = 0; i < request_.rows.size(); ++i) {
    if (request_.rows[i]) fillRows(strand, i, *request_.rows[i], filled);
    if (request_.marks[i]) fillMarks(strand, i, *request_.marks[i], filled);
  }
  strand.execution->start();
  return strand.running = true;
}

void RowsJob::collect(Strand& strand) {
  const int64_t filled = std::min(request_.chunk, request_.count - strand.first);
  for (size_t o = 0; o < outputs_.size(); ++o) {
    const TensorRef output = strand.execution->output(o);
    const size_t bytes = bytesOf(output.dtype, output.shape.count(1, output.shape.rank()));
    std::memcpy(static_cast<std::byte*>(outputs_[o].mutableData()) + static_cast<size_t>(strand.first) * bytes, output.data, static_cast<size_t>(filled) * bytes);
  }
  done_ += filled;
  strand.running = false;
}

void RowsJob::finish() {
  peakBytes_ = 0;
  for (const Strand& strand : strands_) peakBytes_ += strand.execution->bytes();
  if (request_.budget) peakBytes_ = request_.budget->peak();
  milliseconds_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started_).count();
  // The arenas go now, not when the promise's value is collected.
  strands_.clear();
  request_.tables.clear();
  request_.rows.clear();
  request_.marks.clear();
}

/// Done where no pass is left for this strand; others may still be in theirs.
Job::Step RowsJob::work(Strand& strand, Slice& slice) {
  for (;;) {
    slice.checkCancelled();
    if (failed_) return Step::More;
    if (!strand.running && !fill(strand)) return Step::Done;
    if (const Step step = strand.execution->advance(slice); step != Step::Done) return step;
    if (!strand.finite.accepts(*strand.execution)) {
      strand.execution->start();
      continue;
    }
    collect(strand);
    if (slice.expired()) return Step::More;
  }
}

Job::Step RowsJob::advance(Slice& slice) {
  if (strands_.empty()) {
    slice.checkCancelled();
    begin();
  }
  if (strands_.size() == 1) {
    strands_[0].last = work(strands_[0], slice);
  } else {
    parallelFor(static_cast<int64_t>(strands_.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        Strand& strand = strands_[static_cast<size_t>(i)];
        if (strand.last == Step::Done) continue;
        // Nothing may be thrown across threads.
        try {
          strand.last = work(strand, slice);
        } catch (...) {
          strand.failure = std::current_exception();
          failed_ = true;
        }
      }
    });
  }
  for (const Strand& strand : strands_)
    if (strand.failure) std::rethrow_exception(strand.failure);
  slice.progress(static_cast<double>(done_), static_cast<double>(request_.count));
  if (strands_[0].last == Step::Wait) return Step::Wait;
  if (done_ < request_.count) return Step::More;
  finish();
  return Step::Done;
}

}  // namespace ascribe
