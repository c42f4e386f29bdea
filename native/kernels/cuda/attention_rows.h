#pragma once
#include "kernels/cuda/product.h"
#include "kernels/cuda/rows.h"

// Rows of attention, summed over heads (and over rows) while a piece of their scores is held.
namespace ascribe::cuda {

struct AttentionRowsShape {
  int64_t items, heads, rows, groups, keys, depth, window;
  bool causal, keepsRows;
  float scale;
  int64_t perGroup = 1;
  /// One piece: so many groups of heads whole, or so many rows of one head.
  int64_t groupsEach = 0, rowsEach = 0;

  explicit AttentionRowsShape(const Call& call)
      : items(call.integers[0]), heads(call.integers[1]), rows(call.integers[2]), groups(call.integers[3]), keys(call.integers[4]), depth(call.integers[5]), window(call.integers[7]),
        causal(call.integers[6] != 0), keepsRows(call.integers[8] != 0), scale(call.reals[0]) {
    constexpr int64_t kMost = int64_t{16} << 20, kMostMatrices = 65535;  // scores of a piece; a grid's third side
    if (heads * rows * keys == 0) return;
    perGroup = heads / groups;
    const auto within = [](int64_t most, int64_t all) { return most < 1 ? 1 : most < all ? most : all; };
    groupsEach = perGroup * rows * keys > kMost || perGroup > kMostMatrices ? 0 : within(kMost / (perGroup * rows * keys), groups);
    if (groupsEach * perGroup > kMostMatrices) groupsEach = kMostMatrices / perGroup;
    rowsEach = groupsEach > 0 ? rows : within(kMost / keys, rows);
  }
  int64_t pieceBytes() const { return (groupsEach > 0 ? groupsEach * perGroup : 1) * rowsEach * keys * 4; }
  int64_t totals() const { return (keepsRows ? rows : 1) * keys; }
};
inline uint64_t attentionRowsScratch(const Call& call) {
  const AttentionRowsShape s(call);
  return static_cast<uint64_t>((s.pieceBytes() + 255) / 256 * 256 + s.totals() * 8);
}

/// Scores of `heads` heads and `rows` rows become probabilities over the keys that each row sees.
inline int rowsSoftmax(Stream& stream, const AttentionRowsShape& s, const Call& call, float* scores, int64_t item, int64_t head, int64_t row, int64_t rows, int64_t heads) {
  const Tensor& mask = call.tensors[4];
  const auto* masks = static_cast<const float*>(mask.data);
  const void* positions = call.tensors[2].data;
  const bool wide = call.tensors[2].type == ASCRIBE_CUDA_I64, causal = s.causal;
  const int64_t keys = s.keys, window = s.window;
  int64_t steps[4] = {};
  if (masks)
    for (int axis = 0; axis < 4; ++axis) steps[axis] = mask.strides[axis];
  const int64_t headStep = steps[1], rowStep = steps[2], keyStep = steps[3], itemOffset = item * steps[0];
  return overRows(stream, heads * rows, keys, [=] __device__(int64_t at, bool valid, int64_t lane, int64_t lanes, double* shared) {
    const int64_t h = head + at / rows, r = row + at % rows;
    int64_t first = 0, last = valid ? keys : 0;
    if (causal && valid) {
      int64_t position = wide ? static_cast<const int64_t*>(positions)[r] : static_cast<const int32_t*>(positions)[r];
      // Far beyond the keys is as good as at their end, and does not overflow.
      position = position < -1 ? -1 : position > keys + window ? keys + window : position;
      last = position + 1 < keys ? position + 1 : keys;
      first = window == 0 || position + 1 < window ? 0 : position + 1 - window;
      if (first > last) first = last;
    }
    float* p = scores + at * keys;
    const float* with = masks ? masks + itemOffset + h * headStep + r * rowStep : nullptr;
    const auto score = [&](int64_t i) { return with ? p[i] + with[i * keyStep] : p[i]; };
    double largest = -INFINITY, sum = 0;
    for (int64_t i = first + lane; i < last; i += lanes) largest = Larger{}(largest, static_cast<double>(score(i)));
    largest = together(largest, shared, Larger{});
    for (int64_t i = first + lane; i < last; i += lanes) sum += static_cast<double>(expf(score(i) - static_cast<float>(largest)));
    sum = together(sum, shared, Add{});
    for (int64_t i = lane; i < (valid ? keys : 0); i += lanes)
      p[i] = i < first || i >= last ? 0.0f : static_cast<float>(static_cast<double>(expf(score(i) - static_cast<float>(largest))) / sum);
  });
}

/// q, k, positions, weights?, mask?, y
inline int runAttentionRows(Stream& stream, const Call& call) {
  const AttentionRowsShape s(call);
  const auto of = [&](int i) { return static_cast<float*>(call.tensors[i].data); };
  float* out = of(5);
  const int64_t each = s.totals(), keys = s.keys;
  if (s.heads * s.rows * s.keys == 0) return overElements(stream, s.items * each, [=] __device__(int64_t i) { out[i] = 0; });
  auto* scores = static_cast<float*>(call.scratch);
  auto* totals = reinterpret_cast<double*>(static_cast<char*>(call.scratch) + (s.pieceBytes() + 255) / 256 * 256);
  const float* weights = of(3);
  const bool keepsRows = s.keepsRows;
  const int64_t headsEach = s.groupsEach > 0 ? s.groupsEach * s.perGroup : 1;
  for (int64_t item = 0; item < s.items; ++item)
    for (int64_t head = 0; head < s.heads; head += headsEach)
      for (int64_t row = 0; row < s.rows; row += s.rowsEach) {
        const int64_t heads = s.heads - head < headsEach ? s.heads - head : headsEach, rows = s.rows - row < s.rowsEach ? s.rows - row : s.rowsEach;
        Product p{of(0) + ((item * s.heads + head) * s.rows + row) * s.depth, of(1) + (item * s.groups + head / s.perGroup) * keys * s.depth, scores, heads, rows, keys, s.depth, s.depth, s.depth, keys};
        p.rightTransposed = true;
        p.scale = s.scale;
        // Heads of a group read the same keys.
        const int64_t inGroup = heads == 1 ? 1 : s.perGroup, dims[2] = {heads / inGroup, inGroup}, left[2] = {inGroup * s.rows * s.depth, s.rows * s.depth}, right[2] = {keys * s.depth, 0},
                      result[2] = {inGroup * rows * keys, rows * keys};
        int status = runProduct(stream, p, {Walk<1>(dims, 2, {left}), Walk<1>(dims, 2, {right}), Walk<1>(dims, 2, {result})});
        if (!status) status = rowsSoftmax(stream, s, call, scores, item, head, row, rows, heads);
        if (status) return status;
        // The order of the sums is that of the heads, and of the rows within.
        const bool begins = head == 0 && (keepsRows || row == 0), ends = head + heads == s.heads && (keepsRows || row + rows == s.rows);
        const int64_t summed = keepsRows ? 1 : rows, offset = keepsRows ? row * keys : 0;
        status = overElements(stream, keepsRows ? rows * keys : keys, [=] __device__(int64_t i) {
          const int64_t key = i % keys, first = i / keys;
          double sum = begins ? 0.0 : totals[offset + i];
          for (int64_t h = 0; h < heads; ++h) {
            const double weight = weights ? static_cast<double>(weights[head + h]) : 1.0;
            for (int64_t r = 0; r < summed; ++r) sum += weight * static_cast<double>(scores[(h * rows + first + r) * keys + key]);
          }
          totals[offset + i] = sum;
          if (ends) out[item * each + offset + i] = static_cast<float>(sum);
        });
        if (status) return status;
      }
  return ASCRIBE_OK;
}

}  // namespace ascribe::cuda
