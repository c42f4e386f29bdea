#pragma once
#include "kernels/cuda/attention_tile.h"
#include "kernels/cuda/rows.h"

// The gradient of attention without its scores. With p of a query's scores and s = p (g vᵀ - <p, g vᵀ>): dq = scale s k,
// dk = scale sᵀ q, dv = pᵀ g. One kernel goes through the keys for some queries, another one through the queries for some
// keys, so that every sum has one owner and one order; scores are computed in both.
namespace ascribe::cuda {

struct AttentionGradientOperands {
  const float *g, *q, *k, *v, *mask;
  float *dq, *dk, *dv;
  const float *tops, *inner;  // of each query: the greatest score and one over the sum of exponentials; <p, g vᵀ> by cotangents
  int heads, queries, keys, depth, width;
  bool causal;
  float scale;
  Walk<1> maskHeads;
  int64_t maskRow, maskKey;
  FastDivision blocks;
};

template <int Size, int Stages, int Resident, int Warps = 4>
struct AttentionGradientTile {
  static constexpr int kSize = Size, kStages = Stages, kResident = Resident, kRows = Warps * 16, kThreads = Warps * 32, kColumns = 32;
  using Staged = StagedRows<kColumns, Size>;
};

/// A warp's 16 rows times 32 that are staged: rows of queries by rows of keys, or of gradients by rows of values.
template <class Staged, int Size, bool Fours>
__device__ __forceinline__ void multiplyRows(float (&results)[4][4], const float* const (&rows)[2], const float* staged, int size, int group, int inGroup) {
#pragma unroll
  for (int first = 0; first < Size; first += 16) {
    if (first >= size) break;
    float own[2][4], right[4][4];
#pragma unroll
    for (int h = 0; h < 2; ++h) readFour<Fours>(rows[h] + first, size - first - inGroup * 4, own[h]);
    LeftParts left;
    left.along(own);
    Staged::loadAlong(staged, 0, first, group, inGroup, right);
    multiplyParts(results, left, right);
  }
}
/// Those of a product with the staged rows themselves.
template <class Staged, int Size>
__device__ __forceinline__ void addProduct(float (&results)[Size / 32][4][4], const float (&weights)[4][4], const float* staged, int size, int group, int inGroup) {
#pragma unroll
  for (int pair = 0; pair < 2; ++pair) {
    LeftParts left;
    left.across(weights[pair * 2], weights[pair * 2 + 1]);
#pragma unroll
    for (int b = 0; b < Size / 32; ++b) {
      if (b * 32 >= size) break;
      float right[4][4];
      Staged::loadAcross(staged, pair * 16, b * 32, group, inGroup, right);
      multiplyParts(results[b], left, right);
    }
  }
}
template <bool Fours, int Size>
__device__ __forceinline__ void writeRow(float* to, const float (&results)[Size / 32][4][4], int h, int size, float scale, int inGroup) {
#pragma unroll
  for (int b = 0; b < Size / 32; ++b)
#pragma unroll
    for (int c = 0; c < 2; ++c) {
      const int column = b * 32 + inGroup * 8 + c * 4;
      const auto& all = results[b];
      const float four[4] = {all[0][h * 2 + c] * scale, all[1][h * 2 + c] * scale, all[2][h * 2 + c] * scale, all[3][h * 2 + c] * scale};
      writeFour<Fours>(to + column, size - column, four);
    }
}

/// dq of some queries, or dk and dv of some keys; blockIdx.y is the cotangent.
template <class Tile, bool Fours, bool OfKeys>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kResident) attentionGradientKernel(AttentionGradientOperands a) {
  constexpr int kSize = Tile::kSize, kColumns = Tile::kColumns, kStages = Tile::kStages;
  using Staged = typename Tile::Staged;
  __shared__ __align__(16) float staged[kStages][2][Staged::kFloats];
  const int head = static_cast<int>(a.blocks.quotient(blockIdx.x)), block = static_cast<int>(blockIdx.x) - head * static_cast<int>(a.blocks.divisor);
  // Causal blocks are of different length: the longest begin first.
  const int firstRow = (a.causal && !OfKeys ? static_cast<int>(a.blocks.divisor) - 1 - block : block) * Tile::kRows;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32, group = lane / 4, inGroup = lane % 4;
  const int64_t ofHead = static_cast<int64_t>(head) * a.queries, ofBoth = (static_cast<int64_t>(blockIdx.y) * a.heads + head) * a.queries, keysOfHead = static_cast<int64_t>(head) * a.keys,
                keysOfBoth = (static_cast<int64_t>(blockIdx.y) * a.heads + head) * a.keys;
  const float *q = a.q + ofHead * a.depth, *g = a.g + ofBoth * a.width, *k = a.k + keysOfHead * a.depth, *v = a.v + keysOfHead * a.width, *tops = a.tops + ofHead * 2, *inner = a.inner + ofBoth;
  const int rowCount = OfKeys ? a.keys : a.queries, columnCount = OfKeys ? a.queries : a.keys, later = a.keys - a.queries;
  // Query i sees key j where j <= i + later.
  const int begin = OfKeys && a.causal && firstRow > later ? firstRow - later : 0;
  const int end = !OfKeys && a.causal && firstRow + Tile::kRows + later < a.keys ? firstRow + Tile::kRows + later : columnCount;
  const auto fetch = [&](int stage, int from) {
    Staged::template fetch<Fours, Tile::kThreads>(staged[stage][0], OfKeys ? q : k, from, columnCount, 0, a.depth);
    Staged::template fetch<Fours, Tile::kThreads>(staged[stage][1], OfKeys ? g : v, from, columnCount, 0, a.width);
    closeCopies();
  };
  if (kStages == 2 && begin < end) fetch(0, begin);

  int64_t maskOf[1] = {0};
  if (a.mask) a.maskHeads.at(head, maskOf);
  const float *mask = a.mask + maskOf[0], *deep[2], *wide[2];
  int rows[2];
  float top[2] = {}, inverse[2] = {}, mean[2] = {};
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int row = firstRow + warp * 16 + group + h * 8;
    rows[h] = row < rowCount ? row : rowCount - 1;
    deep[h] = (OfKeys ? k : q) + static_cast<int64_t>(rows[h]) * a.depth + inGroup * 4;
    wide[h] = (OfKeys ? v : g) + static_cast<int64_t>(rows[h]) * a.width + inGroup * 4;
    if (!OfKeys) top[h] = tops[rows[h] * 2], inverse[h] = tops[rows[h] * 2 + 1], mean[h] = inner[rows[h]];
  }

  float deepResults[kSize / 32][4][4] = {}, wideResults[OfKeys ? kSize / 32 : 1][4][4] = {};
  int stage = 0;
  for (int from = begin; from < end; from += kColumns) {
    if (kStages == 1) {
      __syncthreads();  // nobody reads what was there
      fetch(0, from);
    }
    awaitCopies<0>();
    __syncthreads();  // it is here, and with two stages nobody reads the one before any more
    if (kStages == 2 && from + kColumns < end) fetch(stage ^ 1, from + kColumns);
    const float *deepRows = staged[stage][0], *wideRows = staged[stage][1];
    if (kStages == 2) stage ^= 1;
    float p[4][4] = {}, s[4][4] = {};
    multiplyRows<Staged, kSize, Fours>(p, deep, deepRows, a.depth, group, inGroup);
    multiplyRows<Staged, kSize, Fours>(s, wide, wideRows, a.width, group, inGroup);
    const bool cut = from + kColumns > columnCount || (a.causal && (OfKeys ? firstRow + Tile::kRows - 1 > from + later : from + kColumns - 1 > firstRow + later));
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const int h = r / 2, column = from + j * 8 + inGroup * 2 + r % 2, inside = column < columnCount ? column : columnCount - 1;
        const int query = OfKeys ? inside : rows[h], key = OfKeys ? rows[h] : inside;
        float score = p[j][r] * a.scale;
        if (a.mask) score += mask[query * a.maskRow + key * a.maskKey];
        const float weight = powerOfTwo((score - (OfKeys ? tops[query * 2] : top[h])) * kLog2E) * (OfKeys ? tops[query * 2 + 1] : inverse[h]);
        const bool hidden = cut && (column >= columnCount || (a.causal && key > query + later));
        p[j][r] = hidden ? 0 : weight;
        s[j][r] = hidden ? 0 : weight * (s[j][r] - (OfKeys ? inner[query] : mean[h]));
      }
    addProduct<Staged, kSize>(deepResults, s, deepRows, a.depth, group, inGroup);
    if constexpr (OfKeys) addProduct<Staged, kSize>(wideResults, p, wideRows, a.width, group, inGroup);
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int row = firstRow + warp * 16 + group + h * 8;
    if (row >= rowCount) continue;
    writeRow<Fours, kSize>(OfKeys ? a.dk + (keysOfBoth + row) * a.depth : a.dq + (ofBoth + row) * a.depth, deepResults, h, a.depth, a.scale, inGroup);
    if constexpr (OfKeys) writeRow<Fours, kSize>(a.dv + (keysOfBoth + row) * a.width, wideResults, h, a.width, 1, inGroup);
  }
}

/// What the gradient keeps beside its results: what attention gives, and numbers of each query.
struct AttentionGradientScratch {
  int64_t tops, inner, bytes;  // where they begin, behind what attention gives; and the end
  explicit AttentionGradientScratch(const Call& call) {
    const int64_t queries = call.integers[0] * call.integers[1], cotangents = call.integers[6] < 1 ? 1 : call.integers[6];
    const auto behind = [](int64_t at, int64_t floats) { return at + (floats * 4 + 255) / 256 * 256; };
    tops = behind(0, queries * call.integers[4]);
    inner = behind(tops, queries * 2);
    bytes = behind(inner, queries * cotangents);
  }
};
constexpr int64_t kLargestGradientHead = 128;
inline bool gradientTakesTiles(const Call& call) {
  // Where the first queries see nothing, every key has their NaN.
  return takesTiles(call) && call.integers[3] <= kLargestGradientHead && call.integers[4] <= kLargestGradientHead && call.integers[6] <= 65535 && call.integers[0] * ((call.integers[2] + 31) / 32) < int64_t{1} << 31 && !(call.integers[5] && call.integers[1] > call.integers[2]);
}

/// g, q, k, v, mask?, dq, dk, dv
inline int runAttentionGradientTiles(Stream& stream, const Call& call) {
  const auto of = [&](int i) { return static_cast<float*>(call.tensors[i].data); };
  const AttentionGradientScratch room(call);
  const auto kept = [&](int64_t at) { return reinterpret_cast<float*>(static_cast<char*>(call.scratch) + at); };
  float *y = kept(0), *tops = kept(room.tops), *inner = kept(room.inner);
  const int64_t heads = call.integers[0], queries = call.integers[1], keys = call.integers[2], depth = call.integers[3], width = call.integers[4], cotangents = call.integers[6] < 1 ? 1 : call.integers[6];
  if (const int status = runAttentionTiles(stream, call, {of(1), of(2), of(3), call.tensors[4], y, tops})) return status;

  const float* g = of(0);
  const int64_t each = heads * queries;
  const int status = overRows(stream, cotangents * each, width, [=] __device__(int64_t row, bool valid, int64_t lane, int64_t lanes, double* shared) {
    double sum = 0;
    for (int64_t i = lane; i < (valid ? width : 0); i += lanes) sum += static_cast<double>(g[row * width + i]) * static_cast<double>(y[row % each * width + i]);
    sum = together(sum, shared, Add{});
    if (valid && lane == 0) inner[row] = static_cast<float>(sum);
  });
  if (status) return status;

  const Tensor& mask = call.tensors[4];
  const bool masked = mask.data != nullptr;
  AttentionGradientOperands a{g, of(1), of(2), of(3), of(4), of(5), of(6), of(7), tops, inner, static_cast<int>(heads), static_cast<int>(queries), static_cast<int>(keys), static_cast<int>(depth),
                              static_cast<int>(width), call.integers[5] != 0, call.reals[0], Walk<1>(mask.dims, masked ? mask.rank - 2 : 0, {mask.strides}), masked ? mask.strides[mask.rank - 2] : 0,
                              masked ? mask.strides[mask.rank - 1] : 0, FastDivision(1)};
  const auto with = [&](auto tile, auto fours, auto ofKeys) {
    using Tile = decltype(tile);
    constexpr bool kOfKeys = decltype(ofKeys)::value;
    const int64_t blocks = ((kOfKeys ? keys : queries) + Tile::kRows - 1) / Tile::kRows;
    a.blocks = FastDivision(blocks);
    return launch<true>(stream, attentionGradientKernel<Tile, decltype(fours)::value, kOfKeys>, dim3(static_cast<unsigned>(heads * blocks), static_cast<unsigned>(cotangents)), dim3(Tile::kThreads), a);
  };
  const auto both = [&](auto tile, auto fours) {
    const int first = with(tile, fours, std::false_type{});
    return first ? first : with(tile, fours, std::true_type{});
  };
  bool fours = depth % 4 == 0 && width % 4 == 0;
  for (const int i : {0, 1, 2, 3, 5, 6, 7}) fours = fours && isAligned(of(i));
  if (!fours) return both(AttentionGradientTile<128, 1, 1>{}, std::false_type{});
  if (depth > 64 || width > 64) return both(AttentionGradientTile<128, 1, 1>{}, std::true_type{});
  return queries < kLongKeys && keys < kLongKeys ? both(AttentionGradientTile<64, 2, 4, 2>{}, std::true_type{}) : both(AttentionGradientTile<64, 2, 2>{}, std::true_type{});
}

}  // namespace ascribe::cuda
