#include "methods/finite.h"

#include <cmath>

namespace ascribe {

namespace {
template <class T>
bool finite(const T* data, int64_t count) {
  // x - x is 0 for finite x and NaN otherwise; sums keep the NaN, and the loop needs no branch.
  T sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += data[i] - data[i];
  return sum == 0;
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

}  // namespace ascribe
