#include "methods/finite.h"

#include <atomic>
#include <cmath>

#include "runtime/parallel.h"

namespace ascribe {

namespace {
template <class T>
bool finite(const T* data, int64_t count) {
  // x - x is 0 for finite x and NaN otherwise; sums keep the NaN, and the loop needs no branch. Many sums beside each
  // other: one would wait for itself with every element.
  constexpr int kSums = 32;
  std::atomic<bool> all{true};
  parallelFor(count, int64_t{1} << 16, [&](int64_t begin, int64_t end) {
    T sums[kSums] = {};
    int64_t i = begin;
    for (; i + kSums <= end; i += kSums)
      for (int j = 0; j < kSums; ++j) sums[j] += data[i + j] - data[i + j];
    for (; i < end; ++i) sums[0] += data[i] - data[i];
    T sum = 0;
    for (const T each : sums) sum += each;
    if (sum != 0) all = false;
  });
  return all;
}
}  // namespace

bool outputsFinite(const Execution& execution) {
  for (size_t i = 0; i < execution.plan().outputs().size(); ++i) {
    const TensorRef output = execution.output(i);
    if (output.dtype == DType::F32 && !finite(output.as<float>(), output.count())) return false;
    if (output.dtype == DType::F64 && !finite(output.as<double>(), output.count())) return false;
  }
  return true;
}

bool FiniteGuard::accepts(Execution& execution) {
  if (tracing_) {
    execution.enableTrace(tracing_ = false);
    isOn_ = false;
  }
  if (!isOn_ || outputsFinite(execution)) return true;
  execution.enableTrace(tracing_ = true);
  return false;
}

}  // namespace ascribe
