#pragma once
#include <algorithm>
#include <string>

#include "kernels/kernel.h"
#include "runtime/error.h"

namespace ascribe {

/// Where a row of `window` reads: whichever kernel runs it.
struct WindowPlaces {
  int64_t picture, top, left, patchTop, patchLeft;  // the patch relative to the window

  WindowPlaces(const TensorRef& places, int64_t row) {
    const int64_t* at = places.as<int64_t>() + 5 * row;
    picture = at[0];
    top = bounded(at[1]);
    left = bounded(at[2]);
    patchTop = bounded(at[3]) - top;
    patchLeft = bounded(at[4]) - left;
  }

 private:
  /// Beyond it everything is outside; sums of it overflow nowhere.
  static int64_t bounded(int64_t place) { return std::clamp<int64_t>(place, -(int64_t{1} << 40), int64_t{1} << 40); }
};

/// Before any worker begins, which must not throw.
inline void checkWindowPlaces(const TensorRef& pictures, const TensorRef& places) {
  for (int64_t n = 0; n < places.shape[0]; ++n) {
    const int64_t picture = places.as<int64_t>()[5 * n];
    if (picture < 0 || picture >= pictures.shape[0])
      throw Error("INPUT_VALUE", "row " + std::to_string(n) + " is of picture " + std::to_string(picture) + " of " + std::to_string(pictures.shape[0]));
  }
}

}  // namespace ascribe
