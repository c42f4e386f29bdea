#include "numerics/linear_imputation.h"

#include <array>
#include <cmath>
#include <utility>

#include "runtime/error.h"

namespace ascribe {

namespace {

struct Offset {
  int64_t down, right;
  double weight;
};

constexpr double kBeside = 1.0 / 6, kAcross = 1.0 / 12;
/// Neighbours before a pixel in reading order, then those behind it.
constexpr std::array<Offset, 8> kOffsets{{{-1, -1, kAcross},
                                          {-1, 0, kBeside},
                                          {-1, 1, kAcross},
                                          {0, -1, kBeside},
                                          {0, 1, kBeside},
                                          {1, -1, kAcross},
                                          {1, 0, kBeside},
                                          {1, 1, kAcross}}};
constexpr size_t kBefore = 4;
/// How much of what the factorisation drops is put on the diagonal; all of it may make a pivot vanish.
constexpr double kRelaxation = 0.97;
/// Of the residual, relative to the right-hand side: the values are rounded to float.
constexpr double kTolerance = 1e-9;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

LinearImputation::LinearImputation(int64_t height, int64_t width, int64_t channels, std::vector<double> image)
    : height_(height), width_(width), channels_(channels), area_(height * width), values_(std::move(image)) {}

void LinearImputation::begin(const std::vector<uint8_t>& missing) {
  pixels_.clear();
  placeOf_.assign(static_cast<size_t>(area_), -1);
  for (int64_t pixel = 0; pixel < area_; ++pixel) {
    if (missing[static_cast<size_t>(pixel)] == 0) continue;
    placeOf_[static_cast<size_t>(pixel)] = static_cast<int32_t>(pixels_.size());
    pixels_.push_back(pixel);
  }
  if (std::cmp_equal(pixels_.size(), area_))
    throw Error("OPTION_RANGE", "Every pixel is missing: there is nothing to fill them from");
  const size_t count = pixels_.size();
  neighbours_.assign(count * kOffsets.size(), -1);
  diagonal_.assign(count, 0);
  for (size_t at = 0; at < count; ++at) {
    const int64_t y = pixels_[at] / width_, x = pixels_[at] % width_;
    for (size_t k = 0; k < kOffsets.size(); ++k) {
      const int64_t toY = y + kOffsets[k].down, toX = x + kOffsets[k].right;
      if (toY < 0 || toX < 0 || toY >= height_ || toX >= width_) continue;
      diagonal_[at] += kOffsets[k].weight;
      neighbours_[at * kOffsets.size() + k] = placeOf_[static_cast<size_t>(toY * width_ + toX)];
    }
  }
  factorise();
  solution_.resize(count);
  residual_.resize(count);
  direction_.resize(count);
  image_.resize(count);
  scratch_.resize(count);
  channel_ = 0;
  isRunning_ = false;
}

/// Pivots of M = (D + L) D^-1 (D + U) with the strict triangles of the matrix: what M has too much beside the
/// diagonal is taken off the pivot.
void LinearImputation::factorise() {
  factor_ = diagonal_;
  for (size_t at = 0; at < pixels_.size(); ++at) {
    const int32_t* own = neighbours_.data() + at * kOffsets.size();
    for (size_t k = 0; k < kBefore; ++k) {
      if (own[k] < 0) continue;
      const auto before = static_cast<size_t>(own[k]);
      const int32_t* theirs = neighbours_.data() + before * kOffsets.size();
      const double entry = kOffsets[k].weight;
      double row = 0;
      for (size_t j = kBefore; j < kOffsets.size(); ++j)
        if (theirs[j] >= 0 && std::cmp_not_equal(theirs[j], at)) row += kOffsets[j].weight;
      factor_[at] -= entry * (entry + kRelaxation * row) / factor_[before];
    }
  }
}

void LinearImputation::multiply(const std::vector<double>& in, std::vector<double>& out) const {
  for (size_t at = 0; at < in.size(); ++at) {
    const int32_t* own = neighbours_.data() + at * kOffsets.size();
    double sum = diagonal_[at] * in[at];
    for (size_t k = 0; k < kOffsets.size(); ++k)
      if (own[k] >= 0) sum -= kOffsets[k].weight * in[static_cast<size_t>(own[k])];
    out[at] = sum;
  }
}

/// scratch = M^-1 residual.
void LinearImputation::precondition() {
  const size_t count = pixels_.size();
  for (size_t at = 0; at < count; ++at) {
    const int32_t* own = neighbours_.data() + at * kOffsets.size();
    double sum = residual_[at];
    for (size_t k = 0; k < kBefore; ++k)
      if (own[k] >= 0) sum += kOffsets[k].weight * scratch_[static_cast<size_t>(own[k])];
    scratch_[at] = sum / factor_[at];
  }
  for (size_t at = count; at-- > 0;) {
    const int32_t* own = neighbours_.data() + at * kOffsets.size();
    double sum = 0;
    for (size_t k = kBefore; k < kOffsets.size(); ++k)
      if (own[k] >= 0) sum += kOffsets[k].weight * scratch_[static_cast<size_t>(own[k])];
    scratch_[at] += sum / factor_[at];
  }
}

void LinearImputation::startChannel() {
  const double* plane = values_.data() + channel_ * area_;
  double norm = 0;
  for (size_t at = 0; at < pixels_.size(); ++at) {
    const int64_t y = pixels_[at] / width_, x = pixels_[at] % width_;
    double known = 0;
    for (const Offset& offset : kOffsets) {
      const int64_t toY = y + offset.down, toX = x + offset.right;
      if (toY < 0 || toX < 0 || toY >= height_ || toX >= width_) continue;
      const int64_t pixel = toY * width_ + toX;
      if (placeOf_[static_cast<size_t>(pixel)] < 0) known += offset.weight * plane[pixel];
    }
    residual_[at] = known;
    norm += known * known;
    solution_[at] = plane[pixels_[at]];
  }
  limit_ = kTolerance * std::sqrt(norm);
  multiply(solution_, image_);
  for (size_t at = 0; at < pixels_.size(); ++at) residual_[at] -= image_[at];
  precondition();
  direction_ = scratch_;
  product_ = dot(residual_, scratch_);
  iterations_ = 0;
  isRunning_ = true;
}

bool LinearImputation::iterate() {
  if (pixels_.empty() || channel_ == channels_) return false;
  if (!isRunning_) startChannel();
  // In exact arithmetic as many iterations as unknowns are enough; rounding asks for few more.
  const auto most = static_cast<int64_t>(2 * pixels_.size() + 100);
  if (std::sqrt(dot(residual_, residual_)) <= limit_ || product_ == 0) {
    double* plane = values_.data() + channel_ * area_;
    for (size_t at = 0; at < pixels_.size(); ++at) plane[pixels_[at]] = solution_[at];
    isRunning_ = false;
    return ++channel_ < channels_;
  }
  if (++iterations_ > most) throw Error("INTERNAL", "The imputation of missing pixels does not converge");
  multiply(direction_, image_);
  const double step = product_ / dot(direction_, image_);
  for (size_t at = 0; at < pixels_.size(); ++at) {
    solution_[at] += step * direction_[at];
    residual_[at] -= step * image_[at];
  }
  precondition();
  const double next = dot(residual_, scratch_);
  const double ratio = next / product_;
  for (size_t at = 0; at < pixels_.size(); ++at) direction_[at] = scratch_[at] + ratio * direction_[at];
  product_ = next;
  return true;
}

}  // namespace ascribe
