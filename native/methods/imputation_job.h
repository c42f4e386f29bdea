#pragma once
#include <cstdint>
#include <vector>

#include "graph/host_tensor.h"
#include "numerics/linear_imputation.h"
#include "runtime/job.h"

namespace ascribe {

struct ImputationRequest {
  /// f32, [1, C, H, W], or [1, H, W, C].
  HostTensor picture;
  bool channelsLast = false;
  /// f32: the place of each pixel in the order in which they go.
  std::vector<float> ranks;
  /// For each wanted picture how many pixels are gone, ascending, all of them never.
  std::vector<int64_t> counts;
  /// Standard deviation of what is added to every filled number.
  double noise = 0;
  /// Noise is keyed by (seed, item, count), so that it does not depend on which pictures are asked for
  /// together.
  uint64_t seed = 0;
  uint64_t item = 0;
};

/// Pictures without their first pixels, filled from what is left.
class ImputationJob : public Job {
 public:
  explicit ImputationJob(ImputationRequest request);
  Step advance(Slice& slice) override;
  /// f32, [counts, ...], laid out as the picture is.
  HostTensor takePictures() { return std::move(pictures_); }

 private:
  void store();

  const ImputationRequest request_;
  int64_t channels_ = 0, height_ = 0, width_ = 0, area_ = 0;
  LinearImputation imputation_;
  HostTensor pictures_;
  size_t at_ = 0;
  bool isSolving_ = false;
};

}  // namespace ascribe
