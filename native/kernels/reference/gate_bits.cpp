#include "kernels/reference/gate_bits.h"

#include "kernels/reference/register.h"

namespace ascribe::reference {

void gateBits(const KernelArguments& k, const Node& node) {
  const float* y = k.inputs[0].as<float>();
  auto* bits = k.outputs[0].as<uint8_t>();
  const int64_t elements = node.attributes.integer("elements");
  // Bounds as the activation had them: a result that was clipped to one equals it in single precision.
  const auto low = static_cast<float>(node.attributes.real("low")), high = static_cast<float>(node.attributes.real("high"));
  for (int64_t i = 0; i < (elements + 7) / 8; ++i) bits[i] = 0;
  for (int64_t i = 0; i < elements; ++i)
    if (y[i] > low && y[i] < high) bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | 1 << i % 8);
}

void bitGateGrad(const KernelArguments& k, const Node& node) {
  const float* g = k.inputs[0].as<float>();
  const auto* bits = k.inputs[1].as<uint8_t>();
  const int64_t elements = node.attributes.integer("elements");
  const auto alpha = static_cast<float>(node.attributes.real("alpha"));
  for (int64_t i = 0; i < k.outputs[0].count(); ++i) {
    const int64_t at = i % elements;
    const bool open = bits[at / 8] >> at % 8 & 1;
    k.outputs[0].as<float>()[i] = open ? g[i] : alpha == 0 ? 0.0f : alpha * g[i];
  }
}

namespace {

bool single(const NodeSignature& s) { return s.inputs[0].dtype == DType::F32; }
const Registered kernels[] = {{"gateBits", gateBits, single}, {"bitGateGrad", bitGateGrad, single}};

}  // namespace
}  // namespace ascribe::reference
