#pragma once
#include "kernels/cuda/attention_gradient_tile.h"
#include "kernels/cuda/attention_tile.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/rows.h"

// Attention of few queries or large heads, and its gradient there, in pieces of some heads or some queries: the scores of a piece
// are all that is ever held.
namespace ascribe::cuda {

struct AttentionShape {
  int64_t heads, queries, keys, depth, width, cotangents;
  bool causal;
  float scale;
  /// One piece: so many heads whole, or so many queries of one head.
  int64_t headsEach, queriesEach;
  int64_t rowStep;  // between the scores of one query and the next: whole fours, so that products read them so

  explicit AttentionShape(const Call& call)
      : heads(call.integers[0]), queries(call.integers[1]), keys(call.integers[2]), depth(call.integers[3]), width(call.integers[4]), cotangents(call.integers[6] < 1 ? 1 : call.integers[6]),
        causal(call.integers[5] != 0), scale(call.reals[0]) {
    constexpr int64_t kMost = int64_t{16} << 20;  // scores of a piece
    rowStep = (keys + 3) / 4 * 4;
    const auto within = [](int64_t most, int64_t all) { return most < 1 ? 1 : most < all ? most : all; };
    queriesEach = within(kMost / (keys < 1 ? 1 : rowStep), queries < 1 ? 1 : queries);
    headsEach = queriesEach < queries ? 1 : within(kMost / (queries * keys < 1 ? 1 : queries * rowStep), heads < 1 ? 1 : heads);
    if (headsEach > 65535) headsEach = 65535;
  }
  int64_t pieceBytes() const { return headsEach * queriesEach * rowStep * 4; }
};
inline uint64_t attentionScratch(const Call& call) {
  if (call.kind == ASCRIBE_CUDA_ATTENTION && takesTiles(call)) return 0;
  if (call.kind == ASCRIBE_CUDA_ATTENTION_GRADIENT && gradientTakesTiles(call)) return static_cast<uint64_t>(AttentionGradientScratch(call).bytes);
  const int64_t pieces = call.kind == ASCRIBE_CUDA_ATTENTION ? 1 : 2;
  return static_cast<uint64_t>(pieces * (AttentionShape(call).pieceBytes() + 255) / 256 * 256 + 256 * pieces);
}

/// Elements of a row that a thread keeps, where there are no more.
constexpr int kHeld = 8;
/// Scores become probabilities: mask, the future, softmax.
inline int maskedSoftmax(Stream& stream, const AttentionShape& s, const Tensor& mask, float* scores, int64_t head, int64_t heads, int64_t query, int64_t queries) {
  const auto* masks = static_cast<const float*>(mask.data);
  const int64_t all = s.queries, keys = s.keys, step = s.rowStep;
  const bool causal = s.causal;
  const Walk<1> walk(mask.dims, masks ? mask.rank - 2 : 0, {mask.strides});
  const int64_t rowStep = masks ? mask.strides[mask.rank - 2] : 0, keyStep = masks ? mask.strides[mask.rank - 1] : 0;
  return overRows(stream, heads * queries, keys, [=] __device__(int64_t row, bool valid, int64_t lane, int64_t lanes, double* shared) {
    const int64_t q = query + row % queries, mine = valid ? keys : 0;
    // A causal row sees the keys up to its own, the sequences aligned at their ends.
    const int64_t seen = causal ? q - all + keys + 1 : keys;
    int64_t at[1] = {0};
    if (masks) walk.at(head + row / queries, at);
    float* p = scores + row * step;
    const auto score = [&](int64_t i) { return i >= seen ? -INFINITY : masks ? p[i] + masks[at[0] + q * rowStep + i * keyStep] : p[i]; };
    double largest = -INFINITY, sum = 0;
    if (keys <= kHeld * lanes) {
      float held[kHeld];
#pragma unroll
      for (int j = 0; j < kHeld; ++j) {
        const int64_t i = lane + j * lanes;
        held[j] = i < mine ? score(i) : -INFINITY;
        if (i < mine) largest = Larger{}(largest, static_cast<double>(held[j]));
      }
      largest = together(largest, shared, Larger{});
#pragma unroll
      for (int j = 0; j < kHeld; ++j) {
        held[j] = expf(held[j] - static_cast<float>(largest));
        if (lane + j * lanes < mine) sum += static_cast<double>(held[j]);
      }
      sum = together(sum, shared, Add{});
#pragma unroll
      for (int j = 0; j < kHeld; ++j)
        if (lane + j * lanes < mine) p[lane + j * lanes] = static_cast<float>(static_cast<double>(held[j]) / sum);
      return;
    }
    for (int64_t i = lane; i < mine; i += lanes) largest = Larger{}(largest, static_cast<double>(score(i)));
    largest = together(largest, shared, Larger{});
    for (int64_t i = lane; i < mine; i += lanes) sum += static_cast<double>(expf(score(i) - static_cast<float>(largest)));
    sum = together(sum, shared, Add{});
    for (int64_t i = lane; i < mine; i += lanes) p[i] = static_cast<float>(static_cast<double>(expf(score(i) - static_cast<float>(largest))) / sum);
  });
}

inline int productOf(Stream& stream, const float* left, bool leftTransposed, int64_t leftStep, int64_t leftItem, const float* right, bool rightTransposed, int64_t rightStep, int64_t rightItem,
                     float* result, int64_t resultStep, int64_t resultItem, int64_t count, int64_t rows, int64_t columns, int64_t depth, float scale = 1, bool accumulate = false) {
  Product p{left, right, result, count, rows, columns, depth, leftStep, rightStep, resultStep, leftTransposed, rightTransposed, accumulate, scale};
  return runProduct(stream, p, evenly(count, leftItem, rightItem, resultItem));
}

/// Calls piece(first head, heads, first query, queries) for all of them.
template <class F>
int overPieces(const AttentionShape& s, F&& piece) {
  for (int64_t head = 0; head < s.heads; head += s.headsEach)
    for (int64_t query = 0; query < s.queries; query += s.queriesEach) {
      const int64_t heads = s.heads - head < s.headsEach ? s.heads - head : s.headsEach, queries = s.queries - query < s.queriesEach ? s.queries - query : s.queriesEach;
      if (const int status = piece(head, heads, query, queries)) return status;
    }
  return ASCRIBE_OK;
}
inline int probabilities(Stream& stream, const AttentionShape& s, const float* q, const float* k, const Tensor& mask, float* p, int64_t head, int64_t heads, int64_t query, int64_t queries) {
  const int status = productOf(stream, q + (head * s.queries + query) * s.depth, false, s.depth, s.queries * s.depth, k + head * s.keys * s.depth, true, s.depth, s.keys * s.depth, p, s.rowStep,
                               queries * s.rowStep, heads, queries, s.keys, s.depth, s.scale);
  return status ? status : maskedSoftmax(stream, s, mask, p, head, heads, query, queries);
}

/// q, k, v, mask?, y
inline int runAttention(Stream& stream, const Call& call) {
  const auto of = [&](int i) { return static_cast<float*>(call.tensors[i].data); };
  if (takesTiles(call)) return runAttentionTiles(stream, call, {of(0), of(1), of(2), call.tensors[3], of(4), nullptr});
  const AttentionShape s(call);
  auto* p = static_cast<float*>(call.scratch);
  return overPieces(s, [&](int64_t head, int64_t heads, int64_t query, int64_t queries) {
    if (const int status = probabilities(stream, s, of(0), of(1), call.tensors[3], p, head, heads, query, queries)) return status;
    return productOf(stream, p, false, s.rowStep, queries * s.rowStep, of(2) + head * s.keys * s.width, false, s.width, s.keys * s.width, of(4) + (head * s.queries + query) * s.width, s.width,
                     s.queries * s.width, heads, queries, s.width, s.keys);
  });
}

/// s = p (s - <p, s>), row by row.
inline int scoreGradients(Stream& stream, int64_t rows, int64_t keys, int64_t step, const float* p, float* s) {
  return overRows(stream, rows, keys, [=] __device__(int64_t row, bool valid, int64_t lane, int64_t lanes, double* shared) {
    const int64_t mine = valid ? keys : 0;
    float* here = s + row * step;
    const float* weight = p + row * step;
    double sum = 0;
    for (int64_t i = lane; i < mine; i += lanes) sum += static_cast<double>(here[i]) * static_cast<double>(weight[i]);
    sum = together(sum, shared, Add{});
    for (int64_t i = lane; i < mine; i += lanes) here[i] = static_cast<float>(static_cast<double>(weight[i]) * (static_cast<double>(here[i]) - sum));
  });
}

/// g, q, k, v, mask?, dq, dk, dv. With s = p (g vᵀ - <p, g vᵀ>): dq = scale s k, dk = scale sᵀ q, dv = pᵀ g.
inline int runAttentionGradient(Stream& stream, const Call& call) {
  if (gradientTakesTiles(call)) return runAttentionGradientTiles(stream, call);
  const AttentionShape shape(call);
  const auto of = [&](int i) { return static_cast<float*>(call.tensors[i].data); };
  auto *p = static_cast<float*>(call.scratch), *s = p + (shape.pieceBytes() + 255) / 256 * 64;
  const int64_t perQuery = shape.heads * shape.queries, perKey = shape.heads * shape.keys;
  return overPieces(shape, [&](int64_t head, int64_t heads, int64_t query, int64_t queries) {
    int status = probabilities(stream, shape, of(1), of(2), call.tensors[4], p, head, heads, query, queries);
    const bool more = query > 0;  // later queries of a head add to the sums over its keys
    const int64_t rows = head * shape.queries + query, keys = shape.keys, step = shape.rowStep, block = queries * step;
    for (int64_t c = 0; c < shape.cotangents && !status; ++c) {
      const float* g = of(0) + (c * perQuery + rows) * shape.width;
      status = productOf(stream, g, false, shape.width, shape.queries * shape.width, of(3) + head * keys * shape.width, true, shape.width, keys * shape.width, s, step, block, heads, queries, keys,
                         shape.width);
      if (!status) status = scoreGradients(stream, heads * queries, keys, step, p, s);
      if (!status)
        status = productOf(stream, s, false, step, block, of(2) + head * keys * shape.depth, false, shape.depth, keys * shape.depth, of(5) + (c * perQuery + rows) * shape.depth, shape.depth,
                           shape.queries * shape.depth, heads, queries, shape.depth, keys, shape.scale);
      if (!status)
        status = productOf(stream, s, true, step, block, of(1) + rows * shape.depth, false, shape.depth, shape.queries * shape.depth, of(6) + (c * perKey + head * keys) * shape.depth, shape.depth,
                           keys * shape.depth, heads, keys, shape.depth, queries, shape.scale, more);
      if (!status)
        status = productOf(stream, p, true, step, block, g, false, shape.width, shape.queries * shape.width, of(7) + (c * perKey + head * keys) * shape.width, shape.width, keys * shape.width, heads,
                           keys, shape.width, queries, 1, more);
    }
    return status;
  });
}

}  // namespace ascribe::cuda
