#include "numerics/linear_imputation.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "harness.h"
#include "runtime/random.h"

using namespace ascribe;

namespace {

constexpr int64_t kHeight = 9, kWidth = 7, kArea = kHeight * kWidth;

double weightOf(int64_t down, int64_t right) {
  return down == 0 || right == 0 ? 1.0 / 6 : 1.0 / 12;
}

std::vector<double> randomImage(int64_t channels) {
  const RandomStream stream(5, 0, 0);
  std::vector<double> image(static_cast<size_t>(channels * kArea));
  for (size_t i = 0; i < image.size(); ++i) image[i] = stream.normal(i);
  return image;
}

/// The definition itself: how far a missing pixel is from the weighted mean of its neighbours.
double distanceFromMean(const LinearImputation& filled, int64_t channel, int64_t pixel) {
  double sum = 0, total = 0;
  for (int64_t down = -1; down <= 1; ++down)
    for (int64_t right = -1; right <= 1; ++right) {
      const int64_t y = pixel / kWidth + down, x = pixel % kWidth + right;
      if ((down == 0 && right == 0) || y < 0 || x < 0 || y >= kHeight || x >= kWidth) continue;
      sum += weightOf(down, right) * filled.value(channel, y * kWidth + x);
      total += weightOf(down, right);
    }
  return std::abs(filled.value(channel, pixel) - sum / total);
}

}  // namespace

TEST(every_missing_pixel_is_the_mean_of_its_neighbours_and_known_ones_stay) {
  const std::vector<double> image = randomImage(3);
  const RandomStream stream(6, 0, 0);
  LinearImputation filled(kHeight, kWidth, 3, image);
  std::vector<uint8_t> missing(kArea, 0);
  // Ever more pixels go, until one is left; each system starts from the last one.
  for (const double share : {0.1, 0.5, 0.9, 1.0}) {
    for (size_t pixel = 0; pixel < missing.size(); ++pixel)
      missing[pixel] = static_cast<double>(stream.uniform(pixel)) < share ? 1 : 0;
    missing[17] = 0;
    filled.begin(missing);
    while (filled.iterate()) {
    }
    for (int64_t channel = 0; channel < 3; ++channel)
      for (int64_t pixel = 0; pixel < kArea; ++pixel) {
        if (missing[static_cast<size_t>(pixel)] == 0) {
          EXPECT_EQ(filled.value(channel, pixel), image[static_cast<size_t>(channel * kArea + pixel)]);
        } else {
          EXPECT_NEAR(distanceFromMean(filled, channel, pixel), 0, 1e-7);
        }
      }
  }
  // One known pixel: all are alike.
  for (int64_t pixel = 0; pixel < kArea; ++pixel)
    EXPECT_NEAR(filled.value(1, pixel), image[kArea + 17], 1e-6);
}

TEST(a_picture_without_any_pixel_is_refused) {
  LinearImputation filled(kHeight, kWidth, 1, randomImage(1));
  EXPECT_THROWS_CODE(filled.begin(std::vector<uint8_t>(kArea, 1)), "OPTION_RANGE");
}

TEST(nothing_missing_is_done_at_once) {
  LinearImputation filled(kHeight, kWidth, 1, randomImage(1));
  filled.begin(std::vector<uint8_t>(kArea, 0));
  EXPECT_TRUE(!filled.iterate());
}
