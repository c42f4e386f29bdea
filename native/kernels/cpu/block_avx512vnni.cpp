#if defined(__x86_64__)
// GCC 12 takes the undefined operand of its own intrinsics for an uninitialised variable.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "kernels/cpu/block_body.h"

namespace ascribe::cpu {
namespace {

struct VnniLanes {
  static constexpr int kLanes = 16;
  using Reals = __m512;
  using Integers = __m512i;
  using Bytes = __m512i;

  static ASCRIBE_LANES Reals halves(const std::byte* at) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))); }
  static ASCRIBE_LANES Reals real(Integers x) { return _mm512_cvtepi32_ps(x); }
  static ASCRIBE_LANES Reals splat(float x) { return _mm512_set1_ps(x); }
  static ASCRIBE_LANES Reals mul(Reals a, Reals b) { return _mm512_mul_ps(a, b); }
  static ASCRIBE_LANES Reals add(Reals a, Reals b) { return _mm512_add_ps(a, b); }
  static ASCRIBE_LANES Reals sub(Reals a, Reals b) { return _mm512_sub_ps(a, b); }
  static ASCRIBE_LANES void store(float* to, Reals x, int64_t count) {
    const auto kept = static_cast<__mmask16>(count >= kLanes ? 0xffff : (1u << count) - 1);
    _mm512_mask_storeu_ps(to, kept, x);
  }
  static ASCRIBE_LANES Integers zero() { return _mm512_setzero_si512(); }
  static ASCRIBE_LANES Integers startSmall(int32_t x) { return _mm512_set1_epi32(x); }
  static ASCRIBE_LANES Integers startOffset(int32_t x) { return startSmall(x); }
  static ASCRIBE_LANES Bytes bytes(const std::byte* at) { return _mm512_loadu_si512(at); }
  static ASCRIBE_LANES Bytes offset(const std::byte* at) { return bytes(at); }
  static ASCRIBE_LANES Bytes lowNibbles(Bytes x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
  static ASCRIBE_LANES Bytes highNibbles(Bytes x) { return _mm512_and_si512(_mm512_srli_epi16(x, 4), _mm512_set1_epi8(15)); }
  static ASCRIBE_LANES Bytes sixBits(Bytes nibbles, Bytes pairs, int group) {
    const Bytes placed = group == 0 ? _mm512_slli_epi16(pairs, 4) : group == 1 ? _mm512_slli_epi16(pairs, 2) : group == 2 ? pairs : _mm512_srli_epi16(pairs, 2);
    return _mm512_or_si512(nibbles, _mm512_and_si512(placed, _mm512_set1_epi8(48)));
  }
  static ASCRIBE_LANES Integers addSmall(Integers sum, Bytes w, const int8_t* x) {
    int32_t four;
    std::memcpy(&four, x, sizeof four);
    return _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(four));
  }
  static ASCRIBE_LANES Integers addOffset(Integers sum, Bytes w, const int8_t* x) { return addSmall(sum, w, x); }
  static ASCRIBE_LANES Integers unsignedBytes(const std::byte* at) { return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))); }
  static ASCRIBE_LANES Integers signedBytes(const std::byte* at) { return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))); }
  static ASCRIBE_LANES Integers mulIntegers(Integers a, Integers b) { return _mm512_mullo_epi32(a, b); }
  static ASCRIBE_LANES Integers addIntegers(Integers a, Integers b) { return _mm512_add_epi32(a, b); }
};

}  // namespace

extern const BlockKernels blocksAvx512Vnni;
const BlockKernels blocksAvx512Vnni = makeBlockKernels<VnniLanes, kMostBlockRows, 8>("avx512_vnni");

}  // namespace ascribe::cpu
#endif
