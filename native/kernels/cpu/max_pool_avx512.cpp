#if defined(__x86_64__)
#include <algorithm>

#include "kernels/cpu/max_pool_kernels.h"
#include "kernels/cpu/simd.h"

namespace ascribe::cpu {
namespace {

ASCRIBE_INLINE __m512i loadBytes(const uint8_t* p) { return _mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }

struct Best {
  Vf value;
  __m512i tap;
  ASCRIBE_INLINE void start(const float* x, int number) {
    value = load(x);
    tap = _mm512_set1_epi32(number);
  }
  ASCRIBE_INLINE void meet(const float* x, int number) {
    const Vf here = load(x);
    const __mmask16 isNumber = _mm512_cmp_ps_mask(value, value, _CMP_ORD_Q);
    const __mmask16 takes = _mm512_mask_cmp_ps_mask(isNumber, here, value, _CMP_NLE_UQ);
    value = _mm512_mask_mov_ps(value, takes, here);
    tap = _mm512_mask_mov_epi32(tap, takes, _mm512_set1_epi32(number));
  }
  ASCRIBE_INLINE void store(float* y, uint8_t* taps) const {
    cpu::store(y, value);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(taps), _mm512_maskz_cvtepi32_epi8(0xffff, tap));
  }
};

/// A window whose taps [first, last) of each row meet the data.
ASCRIBE_INLINE Best windowAt(const MaxPoolTask& t, int64_t begin, int64_t first, int64_t last, int64_t step) {
  Best best;
  bool isFirst = true;
#pragma GCC unroll 3
  for (int64_t line = 0; line < t.lines; ++line) {
    const float* x = t.x[line] + begin * kLanes;
#pragma GCC unroll 3
    for (int64_t c = first; c < last; ++c) {
      const int number = t.firstTaps[line] + static_cast<int>(c);
      if (isFirst) best.start(x + c * step * kLanes, number);
      else best.meet(x + c * step * kLanes, number);
      isFirst = false;
    }
  }
  return best;
}

void forward(const MaxPoolTask& t) {
  const PoolRow& r = t.row;
  const bool isThree = r.kernel == 3 && r.dilation == 1 && t.lines == 3, isTwo = r.kernel == 2 && r.dilation == 1 && t.lines == 2;
  for (int64_t o = 0; o < r.out; ++o) {
    const int64_t begin = o * r.stride - r.pad;
    const int64_t first = begin >= 0 ? 0 : (-begin + r.dilation - 1) / r.dilation;
    const int64_t last = begin + (r.kernel - 1) * r.dilation < r.in ? r.kernel : (r.in - 1 - begin) / r.dilation + 1;
    const bool isWhole = first == 0 && last == r.kernel;
    MaxPoolTask known = t;
    Best best;
    if (isWhole && isThree) {
      known.lines = 3;
      best = windowAt(known, begin, 0, 3, 1);
    } else if (isWhole && isTwo) {
      known.lines = 2;
      best = windowAt(known, begin, 0, 2, 1);
    } else {
      best = windowAt(t, begin, first, last, r.dilation);
    }
    best.store(t.y + o * kLanes, t.taps + o * kLanes);
  }
}

ASCRIBE_INLINE Vf added(Vf sum, Vf g, __m512i tap, int number) { return _mm512_mask_add_ps(sum, _mm512_cmpeq_epi32_mask(tap, _mm512_set1_epi32(number)), sum, g); }

/// Windows [from, to), which lie inside of the data, of 3 at a stride of 2: what the next window shares stays in a register.
void threeByTwo(const MaxPoolGradientTask& t, int64_t line, int64_t from, int64_t to) {
  if (from >= to) return;
  const int number = t.firstTaps[line];
  float* x = t.x + (2 * from - t.row.pad) * kLanes;
  Vf shared = load(x);
  for (int64_t o = from; o < to; ++o, x += 2 * kLanes) {
    const Vf g = load(t.g[line] + o * kLanes);
    const __m512i tap = loadBytes(t.taps[line] + o * kLanes);
    store(x, added(shared, g, tap, number));
    store(x + kLanes, added(load(x + kLanes), g, tap, number + 1));
    shared = added(load(x + 2 * kLanes), g, tap, number + 2);
  }
  store(x, shared);
}

void anyWindows(const MaxPoolGradientTask& t, int64_t line, int64_t from, int64_t to) {
  const PoolRow& r = t.row;
  for (int64_t o = from; o < to; ++o) {
    const Vf g = load(t.g[line] + o * kLanes);
    const __m512i tap = loadBytes(t.taps[line] + o * kLanes);
    for (int64_t c = 0; c < r.kernel; ++c) {
      const int64_t column = o * r.stride - r.pad + c * r.dilation;
      if (column < 0 || column >= r.in) continue;
      float* x = t.x + column * kLanes;
      store(x, added(load(x), g, tap, t.firstTaps[line] + static_cast<int>(c)));
    }
  }
}

/// Sums in the order of the windows, so with the bits of a scatter.
void gradient(const MaxPoolGradientTask& t) {
  const PoolRow& r = t.row;
  for (int64_t i = 0; i < r.in; ++i) store(t.x + i * kLanes, Vf{});
  const bool isKnown = r.kernel == 3 && r.stride == 2 && r.dilation == 1;
  const int64_t first = isKnown ? (r.pad + 1) / 2 : r.out, last = isKnown ? std::min(r.out, (r.in - 1 + r.pad) / 2) : r.out;
  for (int64_t line = 0; line < t.lines; ++line) {
    anyWindows(t, line, 0, std::min(first, r.out));
    if (first < last) threeByTwo(t, line, first, last);
    anyWindows(t, line, std::max(std::min(first, r.out), last), r.out);
  }
}

}  // namespace

extern const MaxPoolKernels maxPoolAvx512;
const MaxPoolKernels maxPoolAvx512 = {kLanes, forward, gradient};

}  // namespace ascribe::cpu
#endif
