#include "methods/imputation_job.h"

#include <utility>

#include "runtime/error.h"
#include "runtime/random.h"

namespace ascribe {

namespace {

struct Extent {
  int64_t channels, height, width;
};

Extent extentOf(const ImputationRequest& request) {
  const Shape& shape = request.picture.shape();
  if (request.picture.dtype() != DType::F32 || shape.rank() != 4 || shape[0] != 1 || shape.count() == 0)
    throw Error("INPUT_SHAPE", "A picture is f32 with four axes, the first of 1");
  return request.channelsLast ? Extent{shape[3], shape[1], shape[2]} : Extent{shape[1], shape[2], shape[3]};
}

/// Where a channel's pixel stands in the picture.
int64_t offsetOf(const ImputationRequest& request, const Extent& extent, int64_t channel, int64_t pixel) {
  return request.channelsLast ? pixel * extent.channels + channel
                              : channel * extent.height * extent.width + pixel;
}

LinearImputation imputationOf(const ImputationRequest& request) {
  const Extent extent = extentOf(request);
  const int64_t area = extent.height * extent.width;
  std::vector<double> planes(static_cast<size_t>(extent.channels * area));
  const float* picture = request.picture.as<float>();
  for (int64_t channel = 0; channel < extent.channels; ++channel)
    for (int64_t pixel = 0; pixel < area; ++pixel)
      planes[static_cast<size_t>(channel * area + pixel)] =
          static_cast<double>(picture[offsetOf(request, extent, channel, pixel)]);
  return {extent.height, extent.width, extent.channels, std::move(planes)};
}

}  // namespace

ImputationJob::ImputationJob(ImputationRequest request)
    : request_(std::move(request)), imputation_(imputationOf(request_)) {
  const Extent extent = extentOf(request_);
  channels_ = extent.channels;
  height_ = extent.height;
  width_ = extent.width;
  area_ = height_ * width_;
  if (std::cmp_not_equal(request_.ranks.size(), area_))
    throw Error("INPUT_SHAPE", "There must be one rank a pixel");
  int64_t before = 0;
  for (const int64_t count : request_.counts) {
    if (count < before || count >= area_)
      throw Error("OPTION_RANGE", "Counts must ascend and leave at least one pixel");
    before = count;
  }
  Shape shape = request_.picture.shape();
  shape[0] = static_cast<int64_t>(request_.counts.size());
  pictures_ = HostTensor(DType::F32, shape);
}

Job::Step ImputationJob::advance(Slice& slice) {
  while (at_ < request_.counts.size()) {
    slice.checkCancelled();
    if (!isSolving_) {
      std::vector<uint8_t> missing(static_cast<size_t>(area_));
      const auto count = static_cast<float>(request_.counts[at_]);
      for (size_t pixel = 0; pixel < missing.size(); ++pixel)
        missing[pixel] = request_.ranks[pixel] < count ? 1 : 0;
      imputation_.begin(missing);
      isSolving_ = true;
    }
    if (!imputation_.iterate()) {
      store();
      isSolving_ = false;
      slice.progress(static_cast<double>(++at_), static_cast<double>(request_.counts.size()));
    }
    if (slice.expired() && at_ < request_.counts.size()) return Step::More;
  }
  return Step::Done;
}

void ImputationJob::store() {
  const Extent extent{channels_, height_, width_};
  const auto count = request_.counts[at_];
  const RandomStream stream(request_.seed, request_.item, static_cast<uint32_t>(count));
  const float* picture = request_.picture.as<float>();
  float* out = static_cast<float*>(pictures_.mutableData()) + static_cast<int64_t>(at_) * channels_ * area_;
  for (int64_t channel = 0; channel < channels_; ++channel)
    for (int64_t pixel = 0; pixel < area_; ++pixel) {
      const int64_t offset = offsetOf(request_, extent, channel, pixel);
      if (request_.ranks[static_cast<size_t>(pixel)] >= static_cast<float>(count)) {
        out[offset] = picture[offset];
        continue;
      }
      const double noise =
          request_.noise == 0
              ? 0
              : request_.noise * stream.normal(static_cast<uint64_t>(channel * area_ + pixel));
      out[offset] = static_cast<float>(imputation_.value(channel, pixel) + noise);
    }
}

}  // namespace ascribe
