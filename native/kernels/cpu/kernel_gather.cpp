#include <algorithm>
#include <cstring>
#include <string>

#include "graph/op.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/gemm_kernels.h"
#include "runtime/error.h"

namespace ascribe::cpu {
namespace {

int64_t placeOf(const TensorRef& indices, int64_t i, int64_t size) {
  const int64_t index = indices.dtype == DType::I64 ? indices.as<int64_t>()[i] : indices.as<int32_t>()[i];
  if (index < -size || index >= size) throw Error("INPUT_VALUE", "index " + std::to_string(index) + " is outside an axis of size " + std::to_string(size));
  return index < 0 ? index + size : index;
}

/// Rows of a matrix of weights, widened from their storage type: an embedding's table is read where it lies.
class StoredGather final : public CpuKernel {
 public:
  StoredGather() : CpuKernel("cpu-stored-gather") {}
  void run(const KernelArguments& k) const override {
    const TensorRef &rows = k.inputs[0], &indices = k.inputs[1];
    const int64_t width = rows.shape[1];
    const size_t bytes = bytesOf(rows.dtype, width);
    for (int64_t i = 0; i < indices.count(); ++i) {
      const auto at = static_cast<size_t>(placeOf(indices, i, rows.shape[0]));
      isa().gemm->widen(rows.dtype, k.outputs[0].as<float>() + i * width, rows.as<std::byte>() + at * bytes, width);
    }
  }
};

/// Rows of the data by their places along the axis: each is one copy. A place outside is an error, as in the reference.
void gather(const KernelArguments& k, const Node& node) {
  const TensorRef &data = k.inputs[0], &indices = k.inputs[1];
  const int axis = static_cast<int>(node.attributes.integer("axis"));
  const int64_t size = data.shape[axis], count = indices.count(), outer = data.shape.count(0, axis);
  const size_t row = static_cast<size_t>(data.shape.count(axis + 1, data.shape.rank())) * sizeOf(data.dtype);
  const auto *from = data.as<std::byte>();
  auto* to = k.outputs[0].as<std::byte>();
  const auto place = [&](int64_t i) { return placeOf(indices, i, size); };
  // Workers must not throw: the places are judged before any of them begins.
  for (int64_t i = 0; i < count; ++i) place(i);
  parallelFor(outer * count, std::max<int64_t>(1, kElementGrain * 4 / static_cast<int64_t>(std::max<size_t>(row, 1))), [&](int64_t begin, int64_t end) {
    if (row == sizeof(float)) {
      for (int64_t i = begin; i < end; ++i) reinterpret_cast<uint32_t*>(to)[i] = reinterpret_cast<const uint32_t*>(from)[i / count * size + place(i % count)];
      return;
    }
    for (int64_t i = begin; i < end; ++i) std::memcpy(to + static_cast<size_t>(i) * row, from + static_cast<size_t>(i / count * size + place(i % count)) * row, row);
  });
}

std::unique_ptr<Kernel> makeStored(const NodeSignature& s) {
  return isPackable(s.inputs[0].dtype) ? std::make_unique<StoredGather>() : nullptr;
}
const RegisterKernel stored({.op = "storedGather", .backend = "cpu", .make = makeStored});
const RegisterKernelFunction registered[] = {{"gather", "cpu", gather}};

}  // namespace
}  // namespace ascribe::cpu
