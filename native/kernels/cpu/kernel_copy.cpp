#include <algorithm>
#include <cstring>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/strides.h"

namespace ascribe::cpu {
namespace {

/// A box of the shape `part` inside an array of the shape `whole`, from `begin` on: how many bytes of it lie in one piece,
/// and where each piece is.
struct Box {
  Box(const Shape& whole, const Shape& part, const std::vector<int64_t>& begin, size_t element) : part(part), strides(rowMajor(whole)) {
    for (int axis = 0; axis < whole.rank(); ++axis) offset += begin[static_cast<size_t>(axis)] * strides[static_cast<size_t>(axis)];
    // Axes from the end, as long as they are taken whole, and the first one that is not.
    while (outer > 0) {
      --outer;
      run *= part[outer];
      if (part[outer] != whole[outer]) break;
    }
    pieces = part.count(0, outer);
    bytes = static_cast<size_t>(run) * element;
  }
  int64_t at(int64_t piece) const {
    int64_t out = offset;
    for (int axis = outer; axis-- > 0;) {
      out += piece % part[axis] * strides[static_cast<size_t>(axis)];
      piece /= part[axis];
    }
    return out;
  }
  Shape part;
  Strides strides;
  int outer = part.rank();
  int64_t offset = 0, run = 1, pieces = 1;
  size_t bytes = 0;
};

void copyOut(const Box& box, const std::byte* whole, std::byte* part, size_t element) {
  parallelFor(box.pieces, std::max<int64_t>(1, kElementGrain / std::max<int64_t>(box.run, 1)), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      std::memcpy(part + static_cast<size_t>(i) * box.bytes, whole + static_cast<size_t>(box.at(i)) * element, box.bytes);
  });
}
void copyIn(const Box& box, std::byte* whole, const std::byte* part, size_t element) {
  parallelFor(box.pieces, std::max<int64_t>(1, kElementGrain / std::max<int64_t>(box.run, 1)), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      std::memcpy(whole + static_cast<size_t>(box.at(i)) * element, part + static_cast<size_t>(i) * box.bytes, box.bytes);
  });
}

void slice(const KernelArguments& k, const Node& node) {
  const size_t element = sizeOf(k.outputs[0].dtype);
  if (k.outputs[0].count() == 0) return;
  copyOut({k.inputs[0].shape, k.outputs[0].shape, node.attributes.integers("begin"), element}, k.inputs[0].as<std::byte>(), k.outputs[0].as<std::byte>(), element);
}

void concat(const KernelArguments& k, const Node& node) {
  const size_t element = sizeOf(k.outputs[0].dtype);
  std::vector<int64_t> begin(static_cast<size_t>(k.outputs[0].shape.rank()), 0);
  const auto axis = static_cast<size_t>(node.attributes.integer("axis"));
  for (const TensorRef& part : k.inputs) {
    if (part.count() > 0) copyIn({k.outputs[0].shape, part.shape, begin, element}, k.outputs[0].as<std::byte>(), part.as<std::byte>(), element);
    begin[axis] += part.shape[static_cast<int>(axis)];
  }
}

/// Zeros around, or another constant.
void pad(const KernelArguments& k, const Node& node) {
  const float value = k.has(2) ? *k.inputs[2].as<float>() : 0.0f;
  float* y = k.outputs[0].as<float>();
  parallelFor(k.outputs[0].count(), kElementGrain, [&](int64_t first, int64_t last) { std::fill(y + first, y + last, value); });
  if (k.inputs[0].count() == 0) return;
  copyIn({k.outputs[0].shape, k.inputs[0].shape, node.attributes.integers("before"), sizeof(float)}, k.outputs[0].as<std::byte>(), k.inputs[0].as<std::byte>(), sizeof(float));
}
/// (g [K, ...padded], like): the gradient of what was copied.
void padGrad(const KernelArguments& k, const Node& node) {
  if (k.outputs[0].count() == 0) return;
  std::vector<int64_t> begin{0};
  for (int64_t before : node.attributes.integers("before")) begin.push_back(before);
  copyOut({k.inputs[0].shape, k.outputs[0].shape, begin, sizeof(float)}, k.inputs[0].as<std::byte>(), k.outputs[0].as<std::byte>(), sizeof(float));
}

/// Any element type; steps of one.
bool takesSlice(const NodeSignature& s) {
  const auto& step = s.node.attributes.integers("step");
  return std::all_of(step.begin(), step.end(), [](int64_t one) { return one == 1; });
}
/// Constant padding that does not crop.
bool takesPad(const NodeSignature& s) {
  const auto notNegative = [](const std::vector<int64_t>& list) { return std::all_of(list.begin(), list.end(), [](int64_t n) { return n >= 0; }); };
  return takesF32(s) && s.node.attributes.text("mode") == "constant" && notNegative(s.node.attributes.integers("before")) &&
         notNegative(s.node.attributes.integers("after"));
}
bool takesConcat(const NodeSignature&) { return true; }

const RegisterKernelFunction registered[] = {
    {"slice", "cpu", slice, takesSlice},
    {"concat", "cpu", concat, takesConcat},
    {"pad", "cpu", pad, takesPad},
    {"padGrad", "cpu", padGrad, takesPad},
};

}  // namespace
}  // namespace ascribe::cpu
