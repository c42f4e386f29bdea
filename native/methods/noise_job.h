#pragma once
#include <cstdint>
#include <vector>

#include "graph/host_tensor.h"
#include "runtime/job.h"

namespace ascribe {

/// See NoiseRequest in typings/addon.d.ts.
struct NoiseRequest {
  enum class Distribution : uint8_t { Uniform, Normal };

  std::vector<HostTensor> tensors;  // [1, ...item], f32 or f64
  std::vector<uint32_t> keys;
  Distribution distribution = Distribution::Uniform;
  double scale = 1;
  std::vector<double> weights;  // one for each number of all tensors, or none

  /// Throws for dtypes, sizes and counts that do not fit each other.
  void check() const;
};

/// Noisy copies of tensors, one for each key. A copy's numbers are drawn from its key's own stream, tensor after tensor.
class NoiseJob : public Job {
 public:
  /// `request` must have passed its check.
  explicit NoiseJob(NoiseRequest request);
  Step advance(Slice& slice) override;
  std::vector<HostTensor> takeCopies() { return std::move(copies_); }
  const std::vector<double>& sums() const { return sums_; }

 private:
  void draw(size_t copy);

  const NoiseRequest request_;
  std::vector<HostTensor> copies_;  // [keys, ...item]
  std::vector<double> sums_;
  size_t done_ = 0;
};

}  // namespace ascribe
