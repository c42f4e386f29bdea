#include "graph/layout.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/math_kernels.h"

namespace ascribe::cpu {
namespace {

/// Elements of both ends that stay in the first-level cache while they are read for every row.
constexpr int64_t kColumns = 1024;

/// Elements as they lie, whatever the layout.
void interpolate(const KernelArguments& k, const Node&) {
  const TensorRef& from = k.inputs[0];
  const int64_t rows = k.inputs[2].shape[0], elements = storedShape({from.dtype, from.shape, from.layout, from.channelAxis}).count();
  const float *position = k.inputs[2].as<float>(), *a = from.as<float>(), *b = k.inputs[1].as<float>();
  float* out = k.outputs[0].as<float>();
  const MathKernels& math = *kernels().math;
  const int64_t blocks = (elements + kColumns - 1) / kColumns;
  parallelFor(blocks, std::max<int64_t>(1, kElementGrain / (kColumns * std::max<int64_t>(rows, 1))), [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kColumns, count = std::min(kColumns, elements - first);
      for (int64_t n = 0; n < rows; ++n) math.interpolate(a + first, b + first, out + n * elements + first, count, position[n]);
    }
  });
}

bool takes(const NodeSignature& s) {
  const ValueType &from = s.inputs[0], &out = s.outputs[0];
  const bool alike = sameLayout(from, s.inputs[1]) && sameLayout(from, out) && (from.layout == Layout::Plain || from.channelAxis >= 1);
  return takesF32(s) && alike && s.inputs[2].layout == Layout::Plain;
}

const RegisterKernel registered[] = {
    RegisterKernel({.op = "interpolate", .backend = "cpu", .make = nullptr, .anyLayout = true, .function = interpolate, .accepts = takes}),
};

}  // namespace
}  // namespace ascribe::cpu
