#pragma once
#include <array>
#include <cmath>
#include <cstdint>

namespace ascribe {

/// The counter-based generator Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
/// easy as 1, 2, 3" (SC 2011): a keyed bijection of 128-bit counters, so that any element of any stream costs
/// the same.
inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t multiplier0 = 0xD2511F53, multiplier1 = 0xCD9E8D57;
  constexpr uint32_t weyl0 = 0x9E3779B9, weyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = multiplier0 * counter[0], product1 = multiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += weyl0;
    key[1] += weyl1;
  }
  return counter;
}

/// One stream of random numbers, named by (seed, item, sample) and addressed by element: never by the
/// position in a batch or by the order of calls, so results do not depend on batching, threads or devices.
///
/// Counter layout: words 0-1 the block (element / 4), word 2 the sample, word 3 the low half of the item; the
/// high half of the item is mixed into the key, whose words are the seed.
class RandomStream {
 public:
  RandomStream(uint64_t seed, uint64_t item, uint32_t sample)
      : sample_(sample), item_(static_cast<uint32_t>(item)) {
    key_ = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
    const auto high = static_cast<uint32_t>(item >> 32);
    if (high != 0) {
      const auto mixed = philox4x32({high, 0, 0, 0xA5C21B3E}, key_);
      key_ = {mixed[0], mixed[1]};
    }
  }

  /// What tells streams apart, for kernels that make many blocks at a time: words 2 and 3 of the counters, and the key.
  struct Name {
    uint32_t key0, key1, sample, item;
  };
  Name name() const { return {key_[0], key_[1], sample_, item_}; }

  /// Elements 4*block to 4*block + 3 as raw bits.
  std::array<uint32_t, 4> block(uint64_t block) const {
    return philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), sample_, item_},
                      key_);
  }

  uint32_t bits(uint64_t element) const { return block(element / 4)[element % 4]; }

  /// Uniform in [0, 1), a multiple of 2^-24 and therefore exact in float.
  float uniform(uint64_t element) const { return toUniform(bits(element)); }
  static float toUniform(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }

  /// Uniform in [0, 1), a multiple of 2^-53; element i takes 64 bits, those of elements 2i and 2i + 1 of
  /// `bits`.
  double uniformDouble(uint64_t element) const {
    return static_cast<double>(bits64(element) >> 11) * 0x1p-53;
  }

  /// Uniform in [0, bound), bound >= 1, from 64 bits by multiplication: the bias is below bound / 2^64.
  uint64_t integer(uint64_t element, uint64_t bound) const {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(bits64(element)) * bound) >> 64);
  }

  /// Standard normal by Box and Muller, computed in double. Elements come in pairs from one block of bits.
  double normal(uint64_t element) const {
    const auto pair = normalPair(element / 2);
    return pair[element % 2];
  }

  /// Elements 2*pair and 2*pair + 1 of `normal`.
  std::array<double, 2> normalPair(uint64_t pair) const {
    const auto words = block(pair);
    const uint64_t first = (uint64_t{words[0]} << 32 | words[1]) >> 11;
    const uint64_t second = (uint64_t{words[2]} << 32 | words[3]) >> 11;
    // (0, 1]: the logarithm must be finite.
    const double radius = std::sqrt(-2.0 * std::log(static_cast<double>(first + 1) * 0x1p-53));
    const double angle = 2.0 * 3.14159265358979323846 * (static_cast<double>(second) * 0x1p-53);
    return {radius * std::cos(angle), radius * std::sin(angle)};
  }

  /// Elements [begin, begin + count) of `normal`, scaled and rounded to float; any split into calls gives the
  /// same.
  void fillNormal(float* out, uint64_t begin, uint64_t count, double mean, double deviation) const {
    for (uint64_t i = 0; i < count;) {
      const uint64_t element = begin + i;
      const auto pair = normalPair(element / 2);
      if (element % 2 == 0) {
        out[i++] = static_cast<float>(mean + deviation * pair[0]);
        if (i == count) break;
      }
      out[i++] = static_cast<float>(mean + deviation * pair[1]);
    }
  }

  /// Elements [begin, begin + count) of `uniform`, mapped to [low, high).
  void fillUniform(float* out, uint64_t begin, uint64_t count, double low, double high) const {
    for (uint64_t i = 0; i < count;) {
      const auto words = block((begin + i) / 4);
      for (uint64_t lane = (begin + i) % 4; lane < 4 && i < count; ++lane, ++i) {
        out[i] = static_cast<float>(low + (high - low) * static_cast<double>(words[lane] >> 8) * 0x1p-24);
      }
    }
  }

 private:
  uint64_t bits64(uint64_t element) const {
    const auto words = block(element / 2);
    return element % 2 == 0 ? uint64_t{words[0]} << 32 | words[1] : uint64_t{words[2]} << 32 | words[3];
  }

  std::array<uint32_t, 2> key_;
  uint32_t sample_, item_;
};

}  // namespace ascribe
