// What GradientEnsemble writes into the plan's inputs: points of paths, noise, and what fills a chunk up.
#include <algorithm>
#include <cstring>

#include "graph/convert.h"
#include "kernels/cpu/noise.h"
#include "methods/gradient_ensemble.h"
#include "methods/item_elements.h"
#include "runtime/parallel.h"
#include "runtime/random.h"

namespace ascribe {

namespace {

/// out[i] += deviation * normal(offset + i), rounded to float where the plan computes in float.
void addNoise(const RandomStream& stream, int64_t offset, double deviation, bool rounded, double* out, int64_t count) {
  parallelFor(count, 1 << 12, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const auto element = static_cast<uint64_t>(offset + i);
      const auto pair = stream.normalPair(element / 2);
      for (uint64_t lane = element % 2; lane < 2 && i < end; ++lane, ++i) {
        out[i] += deviation * pair[lane];
        if (rounded) out[i] = static_cast<float>(out[i]);
      }
    }
  });
}

/// row = from + t (to - from); from may be null (then t is 1).
template <class T>
void writePoint(T* row, const double* from, const double* to, double t, int64_t count) {
  parallelFor(count, kItemGrain, [&](int64_t begin, int64_t end) {
    // t = 1 and t = 0 must give the end points to the bit.
    const double* plain = t == 1 || from == nullptr ? to : t == 0 ? from : nullptr;
    if (plain != nullptr)
      for (int64_t i = begin; i < end; ++i) row[i] = static_cast<T>(plain[i]);
    else
      for (int64_t i = begin; i < end; ++i) row[i] = static_cast<T>(from[i] + t * (to[i] - from[i]));
  });
}

}  // namespace

void GradientEnsemble::load(const std::vector<std::optional<HostTensor>>& from, int64_t item, std::vector<double>& out) const {
  out.resize(static_cast<size_t>(elements_));
  for (const Explained& e : explained_) {
    const HostTensor& tensor = *from[e.input];
    const int64_t row = tensor.shape()[0] == 1 ? 0 : item;
    const auto* bytes = static_cast<const std::byte*>(tensor.data()) + static_cast<size_t>(row * e.elements) * sizeOf(tensor.dtype());
    parallelFor(e.elements, kItemGrain, [&](int64_t begin, int64_t end) {
      convertElements(bytes + static_cast<size_t>(begin) * sizeOf(tensor.dtype()), tensor.dtype(), out.data() + e.offset + begin, DType::F64, end - begin);
    });
  }
}

const std::vector<double>& GradientEnsemble::baselineRow(int64_t row) {
  if (loadedBaseline_ != row) load(request_.baselines, row, baseline_);
  loadedBaseline_ = row;
  return baseline_;
}

/// Where the slot's path begins; `load` takes the one row there is for any.
int64_t GradientEnsemble::baselineRowOf(const Slot& slot) const {
  if (request_.sampleBaselines.empty()) return slot.item;
  return slot.kind == Slot::Kind::Point ? request_.sampleBaselines[static_cast<size_t>(slot.sample)] : slot.baseline;
}

RandomStream GradientEnsemble::streamOf(const Slot& slot) const {
  const int64_t key = request_.itemKeys.empty() ? slot.item : request_.itemKeys[static_cast<size_t>(slot.item)];
  return RandomStream(request_.seed, static_cast<uint64_t>(key), static_cast<uint32_t>(slot.sample));
}

double GradientEnsemble::deviationOf(const Explained& e, const Slot& slot) const {
  const std::vector<double>& sigma = request_.sigma[e.input];
  return sigma.empty() ? 0 : sigma[static_cast<size_t>(slot.item)];
}

/// x~ straight into the plan's input, to the same bits as by way of doubles.
void GradientEnsemble::fillNoise(const Slot& slot, int64_t position) {
  const RandomStream stream = streamOf(slot);
  for (const Explained& e : explained_) {
    const float* x = request_.inputs[e.input]->as<float>() + slot.item * e.elements;
    float* to = reinterpret_cast<float*>(buffers_[e.input]) + position * e.elements;
    if (const double deviation = deviationOf(e, slot); deviation > 0)
      cpu::addNormalNoise(stream, static_cast<uint64_t>(e.offset), deviation, x, to, e.elements);
    else
      std::memcpy(to, x, static_cast<size_t>(e.elements) * sizeof(float));
  }
}

/// x~ of the slot's sample, made at its first point.
const std::vector<double>& GradientEnsemble::fillSample(const Slot& slot) {
  if (!inFlight_.empty() && inFlight_.back().item == slot.item && inFlight_.back().index == slot.sample) return inFlight_.back().noisy;
  if (inFlight_.empty() || keepsSamples_) inFlight_.emplace_back();
  Sample& sample = inFlight_.back();
  sample.item = slot.item;
  sample.index = slot.sample;
  load(request_.inputs, slot.item, sample.noisy);
  const RandomStream stream = streamOf(slot);
  for (const Explained& e : explained_) {
    const double deviation = deviationOf(e, slot);
    const Graph& graph = request_.plan->graph();
    const bool rounded = graph.type(graph.inputs[e.input]).dtype == DType::F32;
    if (deviation > 0) addNoise(stream, e.offset, deviation, rounded, sample.noisy.data() + e.offset, e.elements);
  }
  return sample.noisy;
}

void GradientEnsemble::fill(const Slot& slot, int64_t position) {
  const Graph& graph = request_.plan->graph();
  for (size_t i = 0; i < request_.extras.size(); ++i) {
    if (!request_.extras[i]) continue;
    const HostTensor& extra = *request_.extras[i];
    const DType dtype = graph.type(graph.inputs[i]).dtype;
    const int64_t count = itemElements(extra.shape());
    const auto* row = static_cast<const std::byte*>(extra.data()) + static_cast<size_t>(slot.item * count) * sizeOf(extra.dtype());
    std::byte* to = buffers_[i] + static_cast<size_t>(position * count) * sizeOf(dtype);
    if (extra.dtype() == dtype)
      std::memcpy(to, row, static_cast<size_t>(count) * sizeOf(dtype));
    else
      convertElements(row, extra.dtype(), to, dtype, count);
  }
  if (onlyNoise_ && slot.kind == Slot::Kind::Point) return fillNoise(slot, position);
  for (size_t k = 0; isSole_ && k < explained_.size(); ++k) {
    const Explained& e = explained_[k];
    std::memcpy(reinterpret_cast<float*>(buffers_[e.input]) + position * e.elements, request_.inputs[e.input]->as<float>() + slot.item * e.elements, static_cast<size_t>(e.elements) * sizeof(float));
  }
  if (isSole_) return;
  const bool movesInPlan = request_.positionInput >= 0;
  if (movesInPlan) fillPosition(slot, position);
  const std::vector<double>* from = paired_ ? &baselineRow(baselineRowOf(slot)) : nullptr;
  std::vector<double> plain;
  const bool isStart = slot.kind == Slot::Kind::Baseline && !movesInPlan;
  if (slot.kind != Slot::Kind::Point && !isStart) load(request_.inputs, slot.item, plain);
  const std::vector<double>& to = slot.kind == Slot::Kind::Point ? fillSample(slot) : isStart ? *from : plain;
  const double point = request_.samplePoints.empty() ? request_.points[slot.point] : request_.samplePoints[static_cast<size_t>(slot.sample)];
  const double t = slot.kind == Slot::Kind::Point && !movesInPlan ? point : 1;
  const auto write = [&](size_t input, int64_t elements, const double* start, const double* end, double at) {
    const auto first = static_cast<size_t>(position * elements);
    if (graph.type(graph.inputs[input]).dtype == DType::F32)
      writePoint(reinterpret_cast<float*>(buffers_[input]) + first, start, end, at, elements);
    else
      writePoint(reinterpret_cast<double*>(buffers_[input]) + first, start, end, at, elements);
  };
  for (const Explained& e : explained_) {
    write(e.input, e.elements, from == nullptr ? nullptr : from->data() + e.offset, to.data() + e.offset, t);
    for (size_t i = 0; i < request_.pairedWith.size(); ++i)
      if (request_.pairedWith[i] == static_cast<int64_t>(e.input)) write(i, e.elements, nullptr, from->data() + e.offset, 1);
  }
}

void GradientEnsemble::fillPosition(const Slot& slot, int64_t position) {
  const auto input = static_cast<size_t>(request_.positionInput);
  const size_t width = request_.positions.size() / request_.points.size();
  const double* numbers = slot.kind == Slot::Kind::Point   ? request_.positions.data() + slot.point * width
                          : slot.kind == Slot::Kind::Input ? request_.inputPosition.data()
                                                           : request_.baselinePosition.data();
  const Graph& graph = request_.plan->graph();
  for (size_t i = 0; i < width; ++i) {
    const size_t at = static_cast<size_t>(position) * width + i;
    if (graph.type(graph.inputs[input]).dtype == DType::F32)
      reinterpret_cast<float*>(buffers_[input])[at] = static_cast<float>(numbers[i]);
    else
      reinterpret_cast<double*>(buffers_[input])[at] = numbers[i];
  }
}

/// Rows that no slot took keep what an earlier chunk left there, which is as good a point as any; rows that never held
/// one repeat the first.
void GradientEnsemble::padChunk() {
  filledRows_ = std::max(filledRows_, static_cast<int64_t>(slots_.size()));
  const Graph& graph = request_.plan->graph();
  for (; filledRows_ < request_.chunk; ++filledRows_)
    for (size_t i = 0; i < buffers_.size(); ++i) {
      if (buffers_[i] == nullptr) continue;
      const ValueType& type = graph.type(graph.inputs[i]);
      const size_t bytes = static_cast<size_t>(itemElements(type.shape)) * sizeOf(type.dtype);
      std::memcpy(buffers_[i] + static_cast<size_t>(filledRows_) * bytes, buffers_[i], bytes);
    }
}

}  // namespace ascribe
