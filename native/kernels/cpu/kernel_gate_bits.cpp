#include "graph/layout.h"
#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/math_kernels.h"

namespace ascribe::cpu {
namespace {

/// Elements as they lie, whatever the layout: bit i is that of element i.
void gateBits(const KernelArguments& k, const Node& node) {
  const float* y = k.inputs[0].as<float>();
  auto* bits = k.outputs[0].as<uint8_t>();
  const int64_t elements = node.attributes.integer("elements");
  const auto low = static_cast<float>(node.attributes.real("low")), high = static_cast<float>(node.attributes.real("high"));
  const MathKernels& math = *kernels().math;
  parallelFor((elements + 7) / 8, kElementGrain / 2, [&](int64_t begin, int64_t end) {
    math.gateBits(y + begin * 8, bits + begin, std::min(end * 8, elements) - begin * 8, low, high);
  });
}

/// g [K, ...]: every cotangent goes through the same gates.
void bitGateGrad(const KernelArguments& k, const Node& node) {
  const float* g = k.inputs[0].as<float>();
  const auto* bits = k.inputs[1].as<uint8_t>();
  float* out = k.outputs[0].as<float>();
  const int64_t elements = node.attributes.integer("elements"), cotangents = k.outputs[0].shape[0], bytes = (elements + 7) / 8;
  const auto alpha = static_cast<float>(node.attributes.real("alpha"));
  const MathKernels& math = *kernels().math;
  parallelFor(cotangents * bytes, kElementGrain / 8, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end;) {
      const int64_t cotangent = at / bytes, first = at % bytes, last = std::min(bytes, first + end - at);
      const int64_t from = cotangent * elements + first * 8;
      math.bitGate(g + from, bits + first, out + from, std::min(last * 8, elements) - first * 8, alpha);
      at += last - first;
    }
  });
}

bool takesGrad(const NodeSignature& s) {
  return takesF32(s) && storedShape(s.inputs[0]).count() == s.outputs[0].shape[0] * s.node.attributes.integer("elements") && sameLayout(s.inputs[0], s.outputs[0]);
}
bool takesBits(const NodeSignature& s) { return takesF32(s) && storedShape(s.inputs[0]).count() == s.node.attributes.integer("elements"); }

const RegisterKernel registered[] = {
    RegisterKernel({.op = "gateBits", .backend = "cpu", .make = nullptr, .anyLayout = true, .function = gateBits, .accepts = takesBits}),
    RegisterKernel({.op = "bitGateGrad", .backend = "cpu", .make = nullptr, .anyLayout = true, .function = bitGateGrad, .accepts = takesGrad}),
};

}  // namespace
}  // namespace ascribe::cpu
