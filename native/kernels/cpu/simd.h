// One vector type and its few operations, for the kernels that are compiled once per instruction set.
// Include it only in files named *_baseline.cpp, *_neon.cpp, *_avx2.cpp and *_avx512.cpp (through their *_body.h):
// everything here has internal linkage on purpose. A function shared between these files by the linker
// could be the copy with AVX-512 in it, and then crash an older machine.
// Every arm64 processor has NEON, so no flag tells its files from the baseline's: they define ASCRIBE_NEON.
#pragma once
#include <cstdint>
#include <cstring>

#include "graph/half.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(ASCRIBE_NEON)
#include <arm_neon.h>
#endif

namespace ascribe::cpu {
namespace {

#if defined(__AVX512F__)
using Vf = __m512;
constexpr int kLanes = 16;
#elif defined(__AVX2__)
using Vf = __m256;
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
typedef float Vf __attribute__((vector_size(16)));
#endif
typedef int32_t Vi __attribute__((vector_size(sizeof(Vf))));
typedef uint32_t Vu __attribute__((vector_size(sizeof(Vf))));
typedef double Vd __attribute__((vector_size(sizeof(Vf))));  // half as many lanes
typedef float VfHalf __attribute__((vector_size(sizeof(Vf) / 2)));
typedef float V4 __attribute__((vector_size(16)));
typedef int32_t Vi4 __attribute__((vector_size(16)));
constexpr int kDoubleLanes = kLanes / 2;

#define ASCRIBE_INLINE inline __attribute__((always_inline))

ASCRIBE_INLINE Vf load(const float* p) {
  Vf v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
ASCRIBE_INLINE void store(float* p, Vf v) { __builtin_memcpy(p, &v, sizeof v); }
/// The first n lanes, 0 < n <= kLanes; the others are 0 when loaded and stay untouched when stored.
#if defined(__AVX512F__)
ASCRIBE_INLINE __mmask16 laneMask(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
ASCRIBE_INLINE Vf loadPart(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(laneMask(n), p); }
ASCRIBE_INLINE void storePart(float* p, Vf v, int64_t n) { _mm512_mask_storeu_ps(p, laneMask(n), v); }
#else
ASCRIBE_INLINE Vf loadPart(const float* p, int64_t n) {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
ASCRIBE_INLINE void storePart(float* p, Vf v, int64_t n) {
  float lanes[kLanes];
  store(lanes, v);
  for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
}
#endif
ASCRIBE_INLINE V4 load4(const float* p) {
  V4 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
ASCRIBE_INLINE void store4(float* p, V4 v) { __builtin_memcpy(p, &v, sizeof v); }
/// Four elements of two vectors, counted through both. GCC has clang's builtin from version 12 on.
template <int A, int B, int C, int D>
ASCRIBE_INLINE V4 shuffle(V4 x, V4 y) {
#if defined(__clang__)
  return __builtin_shufflevector(x, y, A, B, C, D);
#else
  return __builtin_shuffle(x, y, Vi4{A, B, C, D});
#endif
}
ASCRIBE_INLINE Vf splat(float x) { return x - Vf{}; }
ASCRIBE_INLINE Vi splatInt(int32_t x) { return x - Vi{}; }
ASCRIBE_INLINE Vi bits(Vf v) { return reinterpret_cast<Vi>(v); }
ASCRIBE_INLINE Vf fromBits(Vi v) { return reinterpret_cast<Vf>(v); }

// The compiler is told never to contract a*b+c by itself (results would depend on its mood), so the fused
// form is asked for by name. Without the instruction it is two roundings.
ASCRIBE_INLINE Vf fma(Vf a, Vf b, Vf c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(ASCRIBE_NEON)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}
#if defined(__FMA__) || defined(ASCRIBE_NEON)
constexpr bool kFused = true;
#else
constexpr bool kFused = false;
#endif

// Both return the second operand where either is NaN: keep the data second and NaN goes through.
ASCRIBE_INLINE Vf maxOf(Vf bound, Vf x) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(0xffff, bound, x);  // the unmasked form trips a false warning of GCC 12
#elif defined(__AVX2__)
  return _mm256_max_ps(bound, x);
#else
  return bound > x ? bound : x;
#endif
}
ASCRIBE_INLINE Vf minOf(Vf bound, Vf x) {
#if defined(__AVX512F__)
  return _mm512_maskz_min_ps(0xffff, bound, x);
#elif defined(__AVX2__)
  return _mm256_min_ps(bound, x);
#else
  return bound < x ? bound : x;
#endif
}
ASCRIBE_INLINE Vf squareRoot(Vf x) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(0xffff, x);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(x);
#elif defined(ASCRIBE_NEON)
  return vsqrtq_f32(x);
#else
  for (int i = 0; i < kLanes; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}
ASCRIBE_INLINE Vf magnitude(Vf x) { return fromBits(bits(x) & splatInt(0x7fffffff)); }
ASCRIBE_INLINE Vf withSign(Vf size, Vf sign) {
  return fromBits((bits(size) & splatInt(0x7fffffff)) | (bits(sign) & splatInt(INT32_MIN)));
}
ASCRIBE_INLINE Vi toInt(Vf x) { return __builtin_convertvector(x, Vi); }
ASCRIBE_INLINE Vf toFloat(Vi x) { return __builtin_convertvector(x, Vf); }
/// Nearest, ties to even, for |x| < 2^22.
ASCRIBE_INLINE Vf nearestSmall(Vf x) {
  const Vf magic = splat(12582912.0f);
  return (x + magic) - magic;
}

ASCRIBE_INLINE void widen(Vf x, Vd& low, Vd& high) {
  VfHalf parts[2];
  __builtin_memcpy(parts, &x, sizeof x);
  low = __builtin_convertvector(parts[0], Vd);
  high = __builtin_convertvector(parts[1], Vd);
}
ASCRIBE_INLINE double sumOf(Vd v) {
  double total = 0;
  for (int i = 0; i < kDoubleLanes; ++i) total += v[i];
  return total;
}
ASCRIBE_INLINE float sumOf(Vf v) {
  float lanes[kLanes];
  store(lanes, v);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

/// Runs `f` over n elements, a vector at a time; the tail goes through a padded copy so that an element's
/// result never depends on its position.
template <class F>
ASCRIBE_INLINE void mapVectors(const float* x, float* y, int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(x + i)));
  if (i < n) {
    float tail[kLanes] = {};
    for (int64_t j = i; j < n; ++j) tail[j - i] = x[j];
    store(tail, f(load(tail)));
    for (int64_t j = i; j < n; ++j) y[j] = tail[j - i];
  }
}

}  // namespace
}  // namespace ascribe::cpu
