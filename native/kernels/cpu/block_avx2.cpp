#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/cpu/block_body.h"

namespace ascribe::cpu {
namespace {

struct Avx2Lanes {
  static constexpr int kLanes = 8;
  using Reals = __m256;
  using Integers = __m256i;
  using Bytes = __m256i;
  /// Integers of Q8_0: neighbouring products of bytes are added in 16 bits, which holds twice 128 x 127, so the sign goes to x.
  struct Offset {
    __m256i integers, magnitudes;
  };

  static ASCRIBE_LANES Reals halves(const std::byte* at) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))); }
  static ASCRIBE_LANES Reals real(Integers x) { return _mm256_cvtepi32_ps(x); }
  static ASCRIBE_LANES Reals splat(float x) { return _mm256_set1_ps(x); }
  static ASCRIBE_LANES Reals mul(Reals a, Reals b) { return _mm256_mul_ps(a, b); }
  static ASCRIBE_LANES Reals add(Reals a, Reals b) { return _mm256_add_ps(a, b); }
  static ASCRIBE_LANES Reals sub(Reals a, Reals b) { return _mm256_sub_ps(a, b); }
  static ASCRIBE_LANES void store(float* to, Reals x, int64_t count) {
    if (count >= kLanes) return _mm256_storeu_ps(to, x);
    float lanes[kLanes];
    _mm256_storeu_ps(lanes, x);
    for (int64_t i = 0; i < count; ++i) to[i] = lanes[i];
  }
  static ASCRIBE_LANES Integers zero() { return _mm256_setzero_si256(); }
  static ASCRIBE_LANES Integers startSmall(int32_t x) { return _mm256_set1_epi32(x); }
  static ASCRIBE_LANES Integers startOffset(int32_t) { return zero(); }
  static ASCRIBE_LANES Bytes bytes(const std::byte* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
  static ASCRIBE_LANES Offset offset(const std::byte* at) {
    const __m256i own = _mm256_xor_si256(bytes(at), _mm256_set1_epi8(-128));
    return {own, _mm256_abs_epi8(own)};
  }
  static ASCRIBE_LANES Bytes lowNibbles(Bytes x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
  static ASCRIBE_LANES Bytes highNibbles(Bytes x) { return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15)); }
  static ASCRIBE_LANES Bytes sixBits(Bytes nibbles, Bytes pairs, int group) {
    const Bytes placed = group == 0 ? _mm256_slli_epi16(pairs, 4) : group == 1 ? _mm256_slli_epi16(pairs, 2) : group == 2 ? pairs : _mm256_srli_epi16(pairs, 2);
    return _mm256_or_si256(nibbles, _mm256_and_si256(placed, _mm256_set1_epi8(48)));
  }
  static ASCRIBE_LANES __m256i four(const int8_t* x) {
    int32_t word;
    std::memcpy(&word, x, sizeof word);
    return _mm256_set1_epi32(word);
  }
  static ASCRIBE_LANES Integers addPairs(Integers sum, __m256i pairs) { return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))); }
  static ASCRIBE_LANES Integers addSmall(Integers sum, Bytes w, const int8_t* x) { return addPairs(sum, _mm256_maddubs_epi16(w, four(x))); }
  static ASCRIBE_LANES Integers addOffset(Integers sum, const Offset& w, const int8_t* x) {
    return addPairs(sum, _mm256_maddubs_epi16(w.magnitudes, _mm256_sign_epi8(four(x), w.integers)));
  }
  static ASCRIBE_LANES Integers unsignedBytes(const std::byte* at) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))); }
  static ASCRIBE_LANES Integers signedBytes(const std::byte* at) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))); }
  static ASCRIBE_LANES Integers mulIntegers(Integers a, Integers b) { return _mm256_mullo_epi32(a, b); }
  static ASCRIBE_LANES Integers addIntegers(Integers a, Integers b) { return _mm256_add_epi32(a, b); }
};

}  // namespace

extern const BlockKernels blocksAvx2;
const BlockKernels blocksAvx2 = makeBlockKernels<Avx2Lanes, 4, 4>("avx2");

}  // namespace ascribe::cpu
#endif
