#include "methods/noise_job.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "runtime/error.h"
#include "runtime/parallel.h"
#include "runtime/xoroshiro.h"

namespace ascribe {

namespace {

template <class T>
double addNoise(const T* from, T* to, int64_t count, double scale, bool normal, const double* weights, Xoroshiro& stream) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double step = scale * (normal ? stream.normal() : 2 * stream.uniform() - 1);
    to[i] = static_cast<T>(static_cast<double>(from[i]) + step);
    if (weights != nullptr) sum += step * weights[i];
  }
  return sum;
}

}  // namespace

void NoiseRequest::check() const {
  int64_t numbers = 0;
  for (const HostTensor& tensor : tensors) {
    if (tensor.dtype() != DType::F32 && tensor.dtype() != DType::F64) throw Error("INPUT_DTYPE", "noise is added to f32 and f64 alone");
    if (tensor.shape().rank() == 0 || tensor.shape()[0] != 1)
      throw Error("INPUT_SHAPE", "noise is added to one example, received the shape " + tensor.shape().text());
    numbers += tensor.shape().count();
  }
  if (keys.empty()) throw Error("OPTION_RANGE", "there must be a key for each copy");
  if (!std::isfinite(scale)) throw Error("OPTION_RANGE", "the scale of the noise must be finite");
  if (!weights.empty() && std::cmp_not_equal(weights.size(), numbers))
    throw Error("INPUT_SHAPE", "there are " + std::to_string(weights.size()) + " weights for " + std::to_string(numbers) + " numbers");
}

NoiseJob::NoiseJob(NoiseRequest request) : request_(std::move(request)) {
  for (const HostTensor& tensor : request_.tensors) {
    Shape shape = tensor.shape();
    shape[0] = static_cast<int64_t>(request_.keys.size());
    copies_.emplace_back(tensor.dtype(), shape);
  }
  if (!request_.weights.empty()) sums_.resize(request_.keys.size());
}

void NoiseJob::draw(size_t copy) {
  Xoroshiro stream(request_.keys[copy]);
  const bool normal = request_.distribution == NoiseRequest::Distribution::Normal;
  const double* weights = request_.weights.empty() ? nullptr : request_.weights.data();
  double sum = 0;
  for (size_t i = 0; i < copies_.size(); ++i) {
    const HostTensor& tensor = request_.tensors[i];
    const int64_t count = tensor.shape().count(), first = static_cast<int64_t>(copy) * count;
    if (tensor.dtype() == DType::F32)
      sum += addNoise(tensor.as<float>(), static_cast<float*>(copies_[i].mutableData()) + first, count, request_.scale, normal, weights, stream);
    else
      sum += addNoise(tensor.as<double>(), static_cast<double*>(copies_[i].mutableData()) + first, count, request_.scale, normal, weights, stream);
    if (weights != nullptr) weights += count;
  }
  if (!sums_.empty()) sums_[copy] = sum;
}

Job::Step NoiseJob::advance(Slice& slice) {
  const size_t count = request_.keys.size();
  while (done_ < count) {
    slice.checkCancelled();
    // A stream is drawn from in order, so threads have copies of their own.
    const size_t turn = std::min(count - done_, static_cast<size_t>(parallelWidth()));
    parallelFor(static_cast<int64_t>(turn), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) draw(done_ + static_cast<size_t>(i));
    });
    done_ += turn;
    slice.progress(static_cast<double>(done_), static_cast<double>(count));
    if (slice.expired() && done_ < count) return Step::More;
  }
  return Step::Done;
}

}  // namespace ascribe
