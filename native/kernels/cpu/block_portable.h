// Four lanes that every compiler knows, for the portable kernels.
#pragma once
#include "kernels/cpu/block_body.h"

namespace ascribe::cpu {
namespace {

struct PortableLanes {
  static constexpr int kLanes = 4;
  typedef float Reals __attribute__((vector_size(16)));
  typedef int32_t Integers __attribute__((vector_size(16)));
  typedef uint32_t Bytes __attribute__((vector_size(16)));

  template <class T>
  static ASCRIBE_LANES T load(const std::byte* at) {
    T out;
    std::memcpy(&out, at, sizeof out);
    return out;
  }
  static ASCRIBE_LANES Reals halves(const std::byte* at) {
    uint16_t half[4];
    std::memcpy(half, at, sizeof half);
    return Reals{widenF16(half[0]), widenF16(half[1]), widenF16(half[2]), widenF16(half[3])};
  }
  static ASCRIBE_LANES Reals real(Integers x) { return __builtin_convertvector(x, Reals); }
  static ASCRIBE_LANES Reals splat(float x) { return Reals{x, x, x, x}; }
  static ASCRIBE_LANES Reals mul(Reals a, Reals b) { return a * b; }
  static ASCRIBE_LANES Reals add(Reals a, Reals b) { return a + b; }
  static ASCRIBE_LANES Reals sub(Reals a, Reals b) { return a - b; }
  static ASCRIBE_LANES void store(float* to, Reals x, int64_t count) {
    for (int64_t i = 0; i < kLanes && i < count; ++i) to[i] = x[i];
  }
  static ASCRIBE_LANES Integers zero() { return Integers{}; }
  static ASCRIBE_LANES Integers startSmall(int32_t x) { return Integers{x, x, x, x}; }
  static ASCRIBE_LANES Integers startOffset(int32_t x) { return startSmall(x); }
  static ASCRIBE_LANES Bytes bytes(const std::byte* at) { return load<Bytes>(at); }
  static ASCRIBE_LANES Bytes offset(const std::byte* at) { return bytes(at); }
  static ASCRIBE_LANES Bytes lowNibbles(Bytes x) { return x & 0x0f0f0f0fu; }
  static ASCRIBE_LANES Bytes highNibbles(Bytes x) { return x >> 4 & 0x0f0f0f0fu; }
  static ASCRIBE_LANES Bytes sixBits(Bytes nibbles, Bytes pairs, int group) { return nibbles | (pairs >> 2 * group & 0x03030303u) << 4; }
  static ASCRIBE_LANES Integers addSmall(Integers sum, Bytes w, const int8_t* x) {
    const auto whole = reinterpret_cast<Integers>(w);
    for (int i = 0; i < 4; ++i) sum += (whole >> 8 * i & 255) * static_cast<int32_t>(x[i]);
    return sum;
  }
  static ASCRIBE_LANES Integers addOffset(Integers sum, Bytes w, const int8_t* x) { return addSmall(sum, w, x); }
  static ASCRIBE_LANES Integers unsignedBytes(const std::byte* at) {
    uint8_t x[4];
    std::memcpy(x, at, sizeof x);
    return Integers{x[0], x[1], x[2], x[3]};
  }
  static ASCRIBE_LANES Integers signedBytes(const std::byte* at) {
    int8_t x[4];
    std::memcpy(x, at, sizeof x);
    return Integers{x[0], x[1], x[2], x[3]};
  }
  static ASCRIBE_LANES Integers mulIntegers(Integers a, Integers b) { return a * b; }
  static ASCRIBE_LANES Integers addIntegers(Integers a, Integers b) { return a + b; }
};

}  // namespace
}  // namespace ascribe::cpu
