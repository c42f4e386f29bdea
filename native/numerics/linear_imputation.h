#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ascribe {

/// Fills missing pixels so that each is the weighted mean of its up to eight neighbours (1/6 beside it, 1/12
/// across a corner, scaled up at the rim): one sparse system with the same matrix for every channel.
///
/// Times the weights that lie inside the picture the matrix is symmetric and positive definite as long as one
/// pixel is known. It is solved by conjugate gradients with a modified incomplete factorisation, from the
/// values that a missing pixel had before: when ever more pixels go, each system starts from the last one's
/// solution.
class LinearImputation {
 public:
  /// `image` is planar, [channels, height, width].
  LinearImputation(int64_t height, int64_t width, int64_t channels, std::vector<double> image);

  /// The pixels that are missing from now on; at least one must be known.
  void begin(const std::vector<uint8_t>& missing);
  /// One iteration; false once all channels are solved.
  bool iterate();

  double value(int64_t channel, int64_t pixel) const {
    return values_[static_cast<size_t>(channel * area_ + pixel)];
  }

 private:
  void factorise();
  void startChannel();
  /// out = A in, over the missing pixels.
  void multiply(const std::vector<double>& in, std::vector<double>& out) const;
  void precondition();

  int64_t height_, width_, channels_, area_;
  std::vector<double> values_;

  /// Missing pixels in order, and for each the places (among them) of its neighbours, -1 where there is none.
  /// The first four come before it in the order, the last four behind it.
  std::vector<int64_t> pixels_;
  std::vector<int32_t> neighbours_;
  std::vector<double> diagonal_, factor_;
  std::vector<int32_t> placeOf_;

  int64_t channel_ = 0;
  bool isRunning_ = false;
  int64_t iterations_ = 0;
  double product_ = 0, limit_ = 0;
  std::vector<double> solution_, residual_, direction_, image_, scratch_;
};

}  // namespace ascribe
