#include "op_cases/backends.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "graph/convert.h"
#include "graph/op.h"
#include "guarded_run.h"
#include "harness.h"
#include "isa_scope.h"
#include "op_cases/driver_support.h"
#include "runtime/team.h"

namespace ascribe::test {
namespace {

/// What a backend's results must come to.
struct Expected {
  std::vector<HostTensor> inDouble;  // of the operands widened: for results in f32
  std::vector<HostTensor> exact;     // of the operands as they are: for integers and booleans
};

void expectResults(const OpCase& test, const std::vector<HostTensor>& actual, const Expected& expected, const std::string& what) {
  for (size_t i = 0; i < actual.size(); ++i) {
    const bool floating = isFloating(actual[i].dtype());
    const double difference = largestDifference(actual[i], floating ? expected.inDouble[i] : expected.exact[i]);
    if (!(difference <= (floating ? test.tolerance : 0)))
      fail(__FILE__, __LINE__, what + ": output " + std::to_string(i) + " is off by " + show(difference) + " of the largest element");
  }
}

void runOn(std::string_view backend, const OpCase& test, const CaseGraph& graph, const std::vector<HostTensor>& operands, const Expected& expected) {
  const std::vector<bool> nothing(operands.size(), false), most = knownOperands(test);
  for (const std::vector<bool>& known : {nothing, most}) {
    const std::unique_ptr<Kernel> kernel = kernelOf(backend, graph, operands, known);
    if (!kernel) continue;
    for (const int width : {1, 3}) {
      const std::string what = test.name() + " (" + std::string(kernel->name()) + ", " + std::string(cpu::kernels().name) + ", " + std::to_string(width) + " threads" +
                               (known == most ? ", operands known)" : ")");
      Team team(width);
      const TeamScope scope(team);
      const GuardedRun first = guardedRun(*kernel, graph.graph, graph.node(), operands, known), second = guardedRun(*kernel, graph.graph, graph.node(), operands, known);
      if (!first.intact) fail(__FILE__, __LINE__, what + ": wrote outside its buffers");
      expectResults(test, first.outputs, expected, what);
      for (size_t i = 0; i < first.outputs.size(); ++i)
        if (largestDifference(second.outputs[i], first.outputs[i]) != 0) fail(__FILE__, __LINE__, what + ": gave other numbers the second time");
    }
  }
}

/// Operations whose products can be of bf16: of numbers that bf16 has they are those of f32. What attention multiplies in
/// between, probabilities and their gradients, is rounded all the same, by 2^-9 of each.
const std::map<std::string, double, std::less<>> kProducts = {{"matMul", 0}, {"conv", 0}, {"fusedConv", 0}, {"convDataGradient", 0},
                                                             {"convTranspose", 0}, {"attentionRows", 0}, {"attention", 8e-3}, {"attentionGrad", 2e-2}};

void checkBf16(const OpCase& test, std::vector<HostTensor> operands) {
  const auto found = kProducts.find(test.op);
  if (found == kProducts.end() || operands[0].dtype() != DType::F32) return;
  const IsaScope capped(cpu::Isa::Avx512Bf16);
  if (cpu::bf16Kernels() != nullptr) {
    for (HostTensor& operand : operands)
      if (operand.dtype() == DType::F32 && operand.data() != nullptr) operand = convert(convert(operand, DType::BF16), DType::F32);
    const std::vector<HostTensor> wide = widened(operands);
    CaseGraph graph = graphOf(test, operands, false);
    const CaseGraph wideGraph = graphOf(test, wide, false);
    const Expected expected{evaluateReference(wideGraph.graph, wideGraph.node(), wide), {}};
    graph.graph.nodes.back().attributes.set("products", std::string("bf16"));
    OpCase rounded = test;
    rounded.note += " of bf16";
    rounded.tolerance = std::max(test.tolerance, found->second);
    runOn("cpu", rounded, graph, operands, expected);
  }
}

}  // namespace

void checkBackends(const OpCase& test) {
  const std::vector<HostTensor> operands = operandsOf(test), wide = widened(operands);
  const CaseGraph graph = graphOf(test, operands, false), wideGraph = graphOf(test, wide, false);
  const Expected expected{evaluateReference(wideGraph.graph, wideGraph.node(), wide), evaluateReference(graph.graph, graph.node(), operands)};
  // The oracle itself: in f32 it rounds, and must do nothing else.
  expectResults(test, expected.exact, expected, test.name() + " (reference)");
  for (const HostTensor& output : expected.exact)
    for (int64_t i = 0; i < output.shape().count(); ++i)
      if (test.note.find("NaN") == std::string::npos && test.note.find("mask") == std::string::npos && std::isnan(output.real(i)))
        return fail(__FILE__, __LINE__, test.name() + ": its operands are outside the domain, the result is NaN");
  if (op(test.op).view) return;
  for (const std::string_view backend : fastBackends(test.op))
    for (const cpu::Isa isa : {cpu::Isa::Baseline, cpu::Isa::Neon, cpu::Isa::Avx2, cpu::Isa::Avx512}) {
      // Only our own kernels follow the cap while the process runs.
      if (!cpu::isaAvailable(isa) || (backend != "cpu" && isa != cpu::Isa::Baseline)) continue;
      std::optional<IsaScope> capped;
      if (backend == "cpu") capped.emplace(isa);
      runOn(backend, test, graph, operands, expected);
    }
  checkBf16(test, operands);
}

}  // namespace ascribe::test
