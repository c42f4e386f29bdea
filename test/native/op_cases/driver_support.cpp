#include "op_cases/driver_support.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "graph/op.h"

namespace ascribe::test {

const std::map<std::string, std::vector<const OpCase*>>& casesByOp() {
  static const auto grouped = [] {
    std::map<std::string, std::vector<const OpCase*>> out;
    for (const OpCase& test : opCases()) out[test.op].push_back(&test);
    return out;
  }();
  return grouped;
}

bool isDrivenElsewhere(std::string_view op) {
  // Weights in their storage type: stored_weights.cpp. What gates save: gate_bits.cpp; what max pools do: max_pool_blocked.cpp. Two convolutions in one: separable_conv.cpp. The products of a gated layer: gated_layer.cpp. Products of the same rows: joined_products.cpp. Gates in convolutions: fuse_gates.cpp. Rotary positions: rotary.cpp.
  return op == "vjp" || op == "customDerivative" || op == "if" || op == "loop" || op == "reorder" || op == "storedMatMul" || op == "storedGather" ||
         op == "gateBits" || op == "bitGateGrad" || op == "maxPoolTaps" || op == "maxPoolTapsGrad" || op == "separableConv" || op == "gatedLayer" || op == "joinedMatMul" ||
         op == "gatedConv" || op == "fusedConvDataGradient" || op == "rotary";
}

std::vector<std::string_view> fastBackends(std::string_view op) {
  std::vector<std::string_view> out;
  for (const std::string_view backend : {"onednn", "cpu"})
    for (const KernelEntry* entry : kernelsOf(op))
      if (entry->backend == backend) {
        out.push_back(backend);
        break;
      }
  return out;
}

std::unique_ptr<Kernel> kernelOf(std::string_view backend, const CaseGraph& graph, const std::vector<HostTensor>& operands, const std::vector<bool>& known) {
  std::vector<ValueType> inputs(operands.size()), outputs;
  std::vector<const HostTensor*> constants(operands.size(), nullptr);
  for (size_t i = 0; i < operands.size(); ++i) {
    if (graph.operands[i] == kNone) continue;
    inputs[i] = graph.graph.type(graph.operands[i]);
    if (known[i]) constants[i] = &operands[i];
  }
  for (const ValueId id : graph.results) outputs.push_back(graph.graph.type(id));
  const std::array<std::string_view, 1> backends{backend};
  return makeKernel({graph.node(), inputs, outputs, constants}, backends);
}

std::vector<bool> knownOperands(const OpCase& test) {
  std::vector<bool> known(test.operands.size());
  for (size_t i = 1; i < known.size(); ++i) known[i] = !test.operands[i].absent;
  return known;
}

double largestDifference(const HostTensor& actual, const HostTensor& expected) {
  double largest = 0, scale = 0;
  for (int64_t i = 0; i < expected.shape().count(); ++i) {
    const double a = actual.real(i), b = expected.real(i);
    if (a == b || (std::isnan(a) && std::isnan(b))) {
      if (std::isfinite(b)) scale = std::max(scale, std::fabs(b));
      continue;
    }
    if (!std::isfinite(a) || !std::isfinite(b)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::fabs(a - b));
    scale = std::max(scale, std::fabs(b));
  }
  return largest == 0 ? 0 : largest / scale;
}

double relativeNorm(const std::vector<HostTensor>& actual, const std::vector<HostTensor>& expected) {
  double difference = 0, size = 0;
  for (size_t k = 0; k < expected.size(); ++k)
    for (int64_t i = 0; i < expected[k].shape().count(); ++i) {
      const double a = actual[k].real(i), b = expected[k].real(i);
      if (a == b ? std::isinf(b) : std::isnan(a) && std::isnan(b)) continue;
      difference += (a - b) * (a - b);
      size += b * b;
    }
  return difference == 0 ? 0 : std::sqrt(difference / size);
}

}  // namespace ascribe::test
