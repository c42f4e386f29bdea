#if defined(__aarch64__)
#define ASCRIBE_NEON 1
#include <utility>

#include "kernels/cpu/gemm_body.h"

namespace ascribe::cpu {
namespace {

/// A row of A times a line of B, added to the row's sums. The instruction takes its factor from one lane of a register:
/// six rows of a panel are two loads, and nothing is copied to all lanes.
template <int Row, int V>
ASCRIBE_INLINE void addRow(Vf (&sum)[V], const Vf (&line)[V], float32x4_t four, float32x2_t two) {
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v)
    if constexpr (Row < 4) sum[v] = vfmaq_laneq_f32(sum[v], line[v], four, Row);
    else sum[v] = vfmaq_lane_f32(sum[v], line[v], two, Row - 4);
}

template <int R, int V, int... I>
ASCRIBE_INLINE void addRows(Vf (&sum)[R][V], const Vf (&line)[V], const float* a, std::integer_sequence<int, I...>) {
  // Panels are kRows wide whatever R is.
  const float32x4_t four = vld1q_f32(a);
  const float32x2_t two = vld1_f32(a + 4);
  (addRow<I>(sum[I], line, four, two), ...);
}

template <int R, int V, bool IsPanel>
void laneRows(int64_t columns, int64_t depth, const float* a, int64_t lda, const float* b, float* c, int64_t ldc,
              const TileStore& s) {
  Vf sum[R][V] = {};
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) __builtin_prefetch(c + i * ldc, 1);
  // Not unrolled: GCC's scheduler then asks for more registers than there are.
#pragma GCC unroll 1
  for (int64_t p = 0; p < depth; ++p) {
    Vf line[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) line[v] = load(b + v * kLanes);
    if constexpr (IsPanel) {
      addRows(sum, line, a, std::make_integer_sequence<int, R>{});
    } else {
#pragma GCC unroll 8
      for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[i][v] = vfmaq_n_f32(sum[i][v], line[v], a[i * lda]);
    }
    a += IsPanel ? kRows : 1;
    b += kColumns;
  }
  storeRows<R, V>(sum, columns, c, ldc, s);
}

template <int V, bool IsPanel>
void laneTile(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t lda, const float* b, float* c,
              int64_t ldc, const TileStore& s) {
  switch (rows) {
    case 1: return laneRows<1, V, IsPanel>(columns, depth, a, lda, b, c, ldc, s);
    case 2: return laneRows<2, V, IsPanel>(columns, depth, a, lda, b, c, ldc, s);
    case 3: return laneRows<3, V, IsPanel>(columns, depth, a, lda, b, c, ldc, s);
    case 4: return laneRows<4, V, IsPanel>(columns, depth, a, lda, b, c, ldc, s);
    case 5: return laneRows<5, V, IsPanel>(columns, depth, a, lda, b, c, ldc, s);
    default: return laneRows<6, V, IsPanel>(columns, depth, a, lda, b, c, ldc, s);
  }
}

void tileByLanes(int64_t rows, int64_t columns, int64_t depth, const float* a, int64_t lda, const float* b, float* c,
                 int64_t ldc, const TileStore& s) {
  const bool isPanel = lda == 0;
  if (columns > 3 * kLanes) return (isPanel ? laneTile<4, true> : laneTile<4, false>)(rows, columns, depth, a, lda, b, c, ldc, s);
  if (columns > 2 * kLanes) return (isPanel ? laneTile<3, true> : laneTile<3, false>)(rows, columns, depth, a, lda, b, c, ldc, s);
  if (columns > kLanes) return (isPanel ? laneTile<2, true> : laneTile<2, false>)(rows, columns, depth, a, lda, b, c, ldc, s);
  (isPanel ? laneTile<1, true> : laneTile<1, false>)(rows, columns, depth, a, lda, b, c, ldc, s);
}

constexpr GemmKernels makeLaneKernels() {
  GemmKernels out = makeGemmKernels(tileByLanes);
  // Second-level caches of arm64 begin at half a megabyte: what stays there is half of what an x86-64 keeps.
  out.columnSweep = 256;
  return out;
}

}  // namespace

extern const GemmKernels gemmNeon;
const GemmKernels gemmNeon = makeLaneKernels();

}  // namespace ascribe::cpu
#endif
