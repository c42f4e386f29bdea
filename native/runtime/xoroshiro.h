#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace ascribe {

/// The generator xoroshiro128+ of Blackman and Vigna, seeded and read as the package pure-rand does it, number for number:
/// metrics draw from it in TypeScript too, and a draw must not depend on which side it was made.
class Xoroshiro {
 public:
  explicit Xoroshiro(uint32_t seed) : first_(uint64_t{0xFFFFFFFF} << 32 | static_cast<uint32_t>(~seed)), second_(uint64_t{seed} << 32) {}

  uint32_t next() {
    const auto out = static_cast<uint32_t>(first_ + second_);
    const uint64_t both = first_ ^ second_;
    first_ = std::rotl(first_, 24) ^ both ^ both << 16;
    second_ = std::rotl(both, 37);
    return out;
  }

  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform() {
    const uint32_t high = next() & 0x3FFFFFF, low = next() & 0x7FFFFFF;
    return static_cast<double>(high) * 0x1p-26 + static_cast<double>(low) * 0x1p-53;
  }

  /// Standard normal by Box and Muller; of each pair of uniform numbers one.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * 3.14159265358979323846 * uniform());
  }

 private:
  uint64_t first_, second_;
};

}  // namespace ascribe
