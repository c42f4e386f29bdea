#if defined(__x86_64__)
// GCC 12 takes the undefined operand of its own intrinsics for an uninitialised variable.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include "kernels/cpu/gemm_body.h"

namespace ascribe::cpu {
namespace {

ASCRIBE_INLINE __m512i roundedLow(Vf x) { return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x)); }

/// Elements as the pair product sees them: rounded to bf16, to the nearest, ties to even; what is below the normal range
/// becomes zero.
template <class From>
struct Rounded {
  using Type = typename From::Type;
  static ASCRIBE_INLINE Vf vector(const Type* p) {
    return reinterpret_cast<Vf>(_mm512_slli_epi32(roundedLow(From::vector(p)), 16));
  }
  static ASCRIBE_INLINE float one(const Type* p) {
    const Vf rounded = reinterpret_cast<Vf>(_mm512_slli_epi32(roundedLow(_mm512_set1_ps(From::one(p))), 16));
    return _mm512_cvtss_f32(rounded);
  }
};

/// How 16 neighbours of a stored row are read: as low halves of words, and 32 of them as 16 words of pairs.
template <class From>
struct Words {
  using Type = typename From::Type;
  static ASCRIBE_INLINE __m512i halves(const Type* p) { return roundedLow(From::vector(p)); }
  static ASCRIBE_INLINE __m512i pairs(const Type* p) {
    return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(From::vector(p + 16), From::vector(p)));
  }
};
template <>
struct Words<FromBf16> {
  using Type = uint16_t;
  static ASCRIBE_INLINE __m512i halves(const Type* p) {
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static ASCRIBE_INLINE __m512i pairs(const Type* p) { return _mm512_loadu_si512(p); }
};

/// `n` <= 16 neighbours, zeros behind them.
template <class From>
ASCRIBE_INLINE __m512i someHalves(const typename From::Type* p, int64_t n) {
  if (n == 16) return Words<From>::halves(p);
  typename From::Type room[16] = {};
  for (int64_t i = 0; i < n; ++i) room[i] = p[i];
  return Words<From>::halves(room);
}

template <class From, int Width>
void packColumnPairs(float* panel, const void* source, int64_t stride, int64_t count, int64_t depth) {
  const auto* from = static_cast<const typename From::Type*>(source);
  for (int64_t p = 0; p < depth; p += 2, from += 2 * stride, panel += Width)
    for (int i = 0; i < Width; i += 16) {
      const __mmask16 kept = static_cast<__mmask16>((1u << (Width - i < 16 ? Width - i : 16)) - 1);
      const int64_t here = count - i < 0 ? 0 : count - i < 16 ? count - i : 16;
      __m512i words = someHalves<From>(from + i, here);
      if (p + 1 < depth) words = _mm512_or_si512(words, _mm512_slli_epi32(someHalves<From>(from + stride + i, here), 16));
      _mm512_mask_storeu_epi32(panel + i, kept, words);
    }
}

/// Words of 16 lines become lines of 16 words.
ASCRIBE_INLINE void transpose(__m512i (&w)[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(w[2 * i], w[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(w[2 * i], w[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    w[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    w[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    w[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    w[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  // w[4 i + j] holds, in its 128-bit part l, word 4 l + j of lines 4 i … 4 i + 3.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i a = _mm512_shuffle_i32x4(w[j], w[4 + j], 0x88), b = _mm512_shuffle_i32x4(w[j], w[4 + j], 0xdd);
    const __m512i c = _mm512_shuffle_i32x4(w[8 + j], w[12 + j], 0x88), d = _mm512_shuffle_i32x4(w[8 + j], w[12 + j], 0xdd);
    t[j] = _mm512_shuffle_i32x4(a, c, 0x88);
    t[4 + j] = _mm512_shuffle_i32x4(b, d, 0x88);
    t[8 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
    t[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) w[i] = t[i];
}

/// 32 elements of a line as 16 words; `n` of them are there.
template <class From>
ASCRIBE_INLINE __m512i linePairs(const typename From::Type* p, int64_t n) {
  if (n >= 32) return Words<From>::pairs(p);
  typename From::Type room[32] = {};
  for (int64_t i = 0; i < n; ++i) room[i] = p[i];
  return Words<From>::pairs(room);
}

template <class From, int Width>
void packLinePairs(float* panel, const void* source, int64_t stride, int64_t count, int64_t depth) {
  const auto* from = static_cast<const typename From::Type*>(source);
  for (int64_t p = 0; p < depth; p += 32, panel += 16 * Width) {
    const int64_t words = depth - p >= 32 ? 16 : (depth - p + 1) / 2;
    for (int i = 0; i < Width; i += 16) {
      constexpr int kLast = Width % 16 == 0 ? 16 : Width % 16;
      const int width = i + 16 <= Width ? 16 : kLast;
      __m512i lines[16];
#pragma GCC unroll 16
      for (int l = 0; l < 16; ++l)
        lines[l] = l < width && i + l < count ? linePairs<From>(from + (i + l) * stride + p, depth - p) : _mm512_setzero_si512();
      transpose(lines);
      const __mmask16 kept = static_cast<__mmask16>((1u << width) - 1);
      if (words == 16) {
#pragma GCC unroll 16
        for (int w = 0; w < 16; ++w) _mm512_mask_storeu_epi32(panel + w * Width + i, kept, lines[w]);
      } else {
        for (int w = 0; w < words; ++w) _mm512_mask_storeu_epi32(panel + w * Width + i, kept, lines[w]);
      }
    }
  }
}

void narrowLine(uint16_t* to, const float* from, int64_t n) {
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) _mm512_storeu_si512(to + i, Words<FromF32>::pairs(from + i));
  if (i == n) return;
  alignas(64) uint16_t last[32];
  _mm512_store_si512(last, linePairs<FromF32>(from + i, n - i));
  for (int64_t j = i; j < n; ++j) to[j] = last[j - i];
}

/// Two products of bf16 a lane, added to a sum in f32.
struct MultiplyPairs {
  static constexpr int pair = 2;
  static ASCRIBE_INLINE Vf run(Vf x, Vf line, Vf sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(line));
  }
};

constexpr GemmKernels makePairKernels() {
  GemmKernels out = makeGemmKernels(tile<MultiplyPairs>);
  // Twice as deep as f32 in bytes, so that products over up to 1,024 terms pass C once; a quarter as many columns beside it, since
  // those of the next sweep are fetched meanwhile.
  out.depthBlock = 1024;
  out.columnSweep = 128;
  out.columnBlock = 512;
  out.pair = 2;
  out.packA[0] = {packLinePairs<FromF32, kRows>, packColumnPairs<FromF32, kRows>};
  out.packA[1] = {packLinePairs<FromF16, kRows>, packColumnPairs<FromF16, kRows>};
  out.packA[2] = {packLinePairs<FromBf16, kRows>, packColumnPairs<FromBf16, kRows>};
  out.packB[0] = {packLinePairs<FromF32, kColumns>, packColumnPairs<FromF32, kColumns>};
  out.packB[1] = {packLinePairs<FromF16, kColumns>, packColumnPairs<FromF16, kColumns>};
  out.packB[2] = {packLinePairs<FromBf16, kColumns>, packColumnPairs<FromBf16, kColumns>};
  out.dots = dots<Rounded>;
  out.widen = widenLines<Rounded>;
  out.narrow = narrowLine;
  out.axpys = axpys<Rounded>;
  return out;
}

}  // namespace

extern const GemmKernels gemmAvx512Bf16;
const GemmKernels gemmAvx512Bf16 = makePairKernels();

}  // namespace ascribe::cpu
#endif
