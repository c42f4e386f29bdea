#include <algorithm>
#include <vector>

#include "graph/convert.h"
#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

int64_t readIndex(const TensorRef& indices, int64_t i, int64_t size) {
  const int64_t index = indices.dtype == DType::I64 ? indices.as<int64_t>()[i] : indices.as<int32_t>()[i];
  if (index < -size || index >= size)
    throw Error("INPUT_VALUE", "index " + std::to_string(index) + " is outside an axis of size " + std::to_string(size));
  return index < 0 ? index + size : index;
}

/// body(position in the gathered tensor, position in the data), in rows of `row` elements.
template <class Body>
void walkGather(const Shape& data, const TensorRef& indices, int64_t axis, Body&& body) {
  const AxisView v = aroundAxis(data, axis);
  const int64_t count = indices.count();
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t i = 0; i < count; ++i) body((o * count + i) * v.inner, (o * v.size + readIndex(indices, i, v.size)) * v.inner, v.inner);
}
template <class Body>
void walkGatherElements(const Shape& data, const TensorRef& indices, int64_t axis, Body&& body) {
  const Strides own = rowMajor(data);
  Strides strides = own;
  strides[static_cast<size_t>(axis)] = 0;
  walk<1>(indices.shape, {strides}, [&](int64_t i, const auto& at) {
    body(i, at[0] + readIndex(indices, i, data[static_cast<int>(axis)]) * own[static_cast<size_t>(axis)], int64_t{1});
  });
}
template <class Body>
void walkGatherNd(const Shape& data, const TensorRef& indices, int64_t batch, Body&& body) {
  const int64_t depth = indices.shape.at(-1), tuples = indices.shape.count(0, indices.shape.rank() - 1);
  const int b = static_cast<int>(batch);
  const int64_t perBatch = indices.shape.count(b, indices.shape.rank() - 1), batchSize = data.count(b, data.rank());
  const int64_t row = data.count(b + static_cast<int>(depth), data.rank());
  const Strides own = rowMajor(data);
  for (int64_t t = 0; t < tuples; ++t) {
    int64_t offset = perBatch ? t / perBatch * batchSize : 0;
    for (int64_t d = 0; d < depth; ++d) offset += readIndex(indices, t * depth + d, data[b + static_cast<int>(d)]) * own[static_cast<size_t>(b + d)];
    body(t * row, offset, row);
  }
}

template <class Body>
void walkAny(const Shape& data, const TensorRef& indices, const Node& node, Body&& body) {
  const std::string& name = node.op->name;
  if (name.rfind("gatherNd", 0) == 0) walkGatherNd(data, indices, node.attributes.integer("batchDims"), body);
  else if (name.rfind("gatherElements", 0) == 0) walkGatherElements(data, indices, node.attributes.integer("axis"), body);
  else walkGather(data, indices, node.attributes.integer("axis"), body);
}

void gather(const KernelArguments& k, const Node& node) {
  onSize(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    walkAny(k.inputs[0].shape, k.inputs[1], node, [&](int64_t to, int64_t from, int64_t row) { std::copy_n(k.inputs[0].as<T>() + from, row, k.outputs[0].as<T>() + to); });
  });
}
void storedGather(const KernelArguments& k, const Node&) {
  const TensorRef& rows = k.inputs[0];
  const int64_t width = rows.shape[1];
  for (int64_t i = 0; i < k.inputs[1].count(); ++i)
    convertElements(rows.as<std::byte>() + bytesOf(rows.dtype, width) * static_cast<size_t>(readIndex(k.inputs[1], i, rows.shape[0])), rows.dtype,
                    k.outputs[0].as<float>() + i * width, DType::F32, width);
}
/// (g [K, ...gathered], indices, like)
void gatherGrad(const KernelArguments& k, const Node& node) {
  const TensorRef &g = k.inputs[0], &out = k.outputs[0];
  const Shape data(out.shape.dims().subspan(1));
  const int64_t cotangents = g.shape[0], gathered = g.shape.count(1, g.shape.rank()), count = data.count();
  onFloating(g.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::vector<Wide<T>> sums(static_cast<size_t>(out.count()), Wide<T>(0));
    walkAny(data, k.inputs[1], node, [&](int64_t from, int64_t to, int64_t row) {
      for (int64_t c = 0; c < cotangents; ++c)
        for (int64_t i = 0; i < row; ++i) sums[static_cast<size_t>(c * count + to + i)] += Wide<T>(g.as<T>()[c * gathered + from + i]);
    });
    for (size_t i = 0; i < sums.size(); ++i) out.as<T>()[i] = narrow<T>(sums[i]);
  });
}

template <class T>
T combine(T old, T update, const std::string& reduction) {
  using W = Wide<T>;
  if (reduction == "add") return narrow<T>(plus(W(old), W(update)));
  if (reduction == "mul") return narrow<T>(times(W(old), W(update)));
  if (reduction == "max") return update > old ? update : old;
  if (reduction == "min") return update < old ? update : old;
  return update;
}
/// Scatter walks as the matching gather does, with reading and writing exchanged.
template <bool Nd>
void scatter(const KernelArguments& k, const Node& node) {
  const std::string& reduction = node.attributes.text("reduction");
  const TensorRef &data = k.inputs[0], &updates = k.inputs[2], &out = k.outputs[0];
  const auto body = [&](auto zero) {
    using T = decltype(zero);
    std::copy_n(data.as<T>(), data.count(), out.as<T>());
    const auto write = [&](int64_t from, int64_t to, int64_t row) {
      for (int64_t i = 0; i < row; ++i) out.as<T>()[to + i] = combine(out.as<T>()[to + i], updates.as<T>()[from + i], reduction);
    };
    if constexpr (Nd) walkGatherNd(data.shape, k.inputs[1], 0, write);
    else walkGatherElements(data.shape, k.inputs[1], node.attributes.integer("axis"), write);
  };
  if (data.dtype == DType::Bool) body(uint8_t{});
  else onNumeric(data.dtype, body);
}
bool scatterable(const NodeSignature& s) { return numeric(s) || boolean(s); }

const Registered kernels[] = {
    {"gather", gather}, {"storedGather", storedGather}, {"gatherElements", gather}, {"gatherNd", gather},
    {"gatherGrad", gatherGrad, floating}, {"gatherElementsGrad", gatherGrad, floating}, {"gatherNdGrad", gatherGrad, floating},
    {"scatterElements", scatter<false>, scatterable}, {"scatterNd", scatter<true>, scatterable},
};

}  // namespace
}  // namespace ascribe::reference
