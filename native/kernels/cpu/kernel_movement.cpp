#include <cstring>

#include "graph/op.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/strided_loop.h"
#include "kernels/cpu/views.h"

namespace ascribe::cpu {
namespace {

/// Calls body with a value of a plain type of the size of `dtype`: movement does not care what the bits mean.
template <class Body>
void bySize(DType dtype, Body&& body) {
  switch (sizeOf(dtype)) {
    case 1: return body(uint8_t{});
    case 2: return body(uint16_t{});
    case 4: return body(uint32_t{});
    default: return body(uint64_t{});
  }
}

/// to (walked row by row) = from at these strides; offsets are of the first elements.
void gatherInto(const TensorRef& to, const Shape& shape, const Strides& toStrides, int64_t toOffset, const TensorRef& from, const Strides& fromStrides,
                int64_t fromOffset) {
  const StridedLoop<2> loop(shape, {toStrides, fromStrides});
  bySize(to.dtype, [&](auto zero) {
    using T = decltype(zero);
    T* y = to.as<T>() + toOffset;
    const T* x = from.as<T>() + fromOffset;
    const int64_t out = loop.step(0), in = loop.step(1);
    loop.run(kElementGrain, [&](const std::array<int64_t, 2>& at, int64_t n) {
      T* row = y + at[0];
      const T* source = x + at[1];
      if (out == 1 && in == 1) std::memcpy(row, source, static_cast<size_t>(n) * sizeof(T));
      else if (out == 1 && in == 0) std::fill_n(row, n, *source);
      else if (out == 1)
        for (int64_t i = 0; i < n; ++i) row[i] = source[i * in];
      else
        for (int64_t i = 0; i < n; ++i) row[i * out] = source[i * in];
    });
  });
}

void transpose(const KernelArguments& k, const Node& node) {
  const auto& permutation = node.attributes.integers("permutation");
  const Strides own = rowMajor(k.inputs[0].shape);
  Strides strides{};
  for (size_t i = 0; i < permutation.size(); ++i) strides[i] = own[static_cast<size_t>(permutation[i])];
  gatherInto(k.outputs[0], k.outputs[0].shape, rowMajor(k.outputs[0].shape), 0, k.inputs[0], strides, 0);
}

template <bool Like>
void expand(const KernelArguments& k, const Node& node) {
  const int leading = Like ? static_cast<int>(node.attributes.integer("leading")) : 0;
  const Shape& out = k.outputs[0].shape;
  gatherInto(k.outputs[0], out, rowMajor(out), 0, k.inputs[0], broadcastStrides(k.inputs[0].shape, out, leading), 0);
}

void concat(const KernelArguments& k, const Node& node) {
  const Shape& out = k.outputs[0].shape;
  const int axis = normaliseAxis(node.attributes.integer("axis"), out.rank());
  const Strides strides = rowMajor(out);
  int64_t before = 0;
  for (const TensorRef& x : k.inputs) {
    gatherInto(k.outputs[0], x.shape, strides, before * strides[static_cast<size_t>(axis)], x, rowMajor(x.shape), 0);
    before += x.shape[axis];
  }
}

void slice(const KernelArguments& k, const Node& node) {
  const SliceView view = sliceView(k.inputs[0].shape, node, 0);
  gatherInto(k.outputs[0], k.outputs[0].shape, rowMajor(k.outputs[0].shape), 0, k.inputs[0], view.strides, view.offset);
}

void fillFloats(const TensorRef& tensor, float value) {
  float* data = tensor.as<float>();
  parallelFor(tensor.count(), kElementGrain, [&](int64_t begin, int64_t end) { std::fill(data + begin, data + end, value); });
}
void sliceGrad(const KernelArguments& k, const Node& node) {
  const SliceView view = sliceView(k.outputs[0].shape, node, 1);
  fillFloats(k.outputs[0], 0);
  gatherInto(k.outputs[0], k.inputs[0].shape, view.strides, view.offset, k.inputs[0], rowMajor(k.inputs[0].shape), 0);
}

void pad(const KernelArguments& k, const Node& node) {
  const Kept kept = keptOf(k.inputs[0].shape, k.outputs[0].shape, node, 0);
  fillFloats(k.outputs[0], k.has(2) ? k.inputs[2].as<float>()[0] : 0.0f);
  gatherInto(k.outputs[0], kept.box, rowMajor(k.outputs[0].shape), kept.padded, k.inputs[0], rowMajor(k.inputs[0].shape), kept.source);
}
void padGrad(const KernelArguments& k, const Node& node) {
  const Kept kept = keptOf(k.outputs[0].shape, k.inputs[0].shape, node, 1);
  fillFloats(k.outputs[0], 0);
  gatherInto(k.outputs[0], kept.box, rowMajor(k.outputs[0].shape), kept.source, k.inputs[0], rowMajor(k.inputs[0].shape), kept.padded);
}
bool takesConstant(const NodeSignature& s) { return takesF32(s) && s.node.attributes.text("mode") == "constant"; }

const RegisterKernelFunction registered[] = {
    {"transpose", "cpu", transpose}, {"expand", "cpu", expand<false>}, {"expandLike", "cpu", expand<true>}, {"concat", "cpu", concat},
    {"slice", "cpu", slice},         {"sliceGrad", "cpu", sliceGrad, takesF32}, {"pad", "cpu", pad, takesConstant}, {"padGrad", "cpu", padGrad, takesConstant},
};

}  // namespace
}  // namespace ascribe::cpu
