#include "cpu_support.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "graph/builder.h"
#include "graph/op.h"
#include "guarded_run.h"
#include "harness.h"
#include "isa_scope.h"
#include "kernels/kernel.h"
#include "runtime/team.h"

namespace ascribe::test {
namespace {

void compare(const HostTensor& actual, const HostTensor& expected, double tolerance, const std::string& what, const char* file, int line) {
  if (tolerance == 0 || !isFloating(actual.dtype())) {
    if (actual.bytes() && std::memcmp(actual.data(), expected.data(), actual.bytes()) != 0) {
      for (int64_t i = 0; i < actual.shape().count(); ++i)
        if (std::memcmp(static_cast<const char*>(actual.data()) + i * static_cast<int64_t>(sizeOf(actual.dtype())),
                        static_cast<const char*>(expected.data()) + i * static_cast<int64_t>(sizeOf(actual.dtype())), sizeOf(actual.dtype())) != 0)
          return fail(file, line, what + "[" + std::to_string(i) + "]: got " + show(actual.real(i)) + ", expected " + show(expected.real(i)));
    }
    return;
  }
  double scale = 1;
  for (int64_t i = 0; i < expected.shape().count(); ++i)
    if (std::isfinite(expected.real(i))) scale = std::max(scale, std::fabs(expected.real(i)));
  for (int64_t i = 0; i < actual.shape().count(); ++i) {
    const double a = actual.real(i), b = expected.real(i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (!(std::fabs(a - b) <= tolerance * scale))
      return fail(file, line, what + "[" + std::to_string(i) + "]: got " + show(a) + ", expected " + show(b) + " (scale " + show(scale) + ")");
  }
}

}  // namespace

HostTensor floats(const Shape& shape, uint64_t seed, double low, double high) {
  HostTensor out(DType::F32, shape);
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u;
  for (int64_t i = 0; i < shape.count(); ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    static_cast<float*>(out.mutableData())[i] = static_cast<float>(low + (high - low) * static_cast<double>(state >> 11) * 0x1p-53);
  }
  return out;
}
HostTensor floatsOf(const Shape& shape, const std::vector<float>& values) {
  REQUIRE(static_cast<size_t>(shape.count()) == values.size());
  HostTensor out(DType::F32, shape);
  std::copy(values.begin(), values.end(), static_cast<float*>(out.mutableData()));
  return out;
}

void expectLikeReference(const CpuCase& test, const char* file, int line) {
  Graph graph;
  const OpSchema& schema = op(test.op);
  std::vector<ValueId> ids;
  for (size_t i = 0; i < test.inputs.size(); ++i) {
    if (!test.inputs[i].data() && test.inputs[i].shape().rank() == 0) ids.push_back(kNone);
    else if (schema.hostOperands >> i & 1) ids.push_back(graph.addConstant(test.inputs[i]));
    else ids.push_back(graph.addInput("x" + std::to_string(i), test.inputs[i].dtype(), test.inputs[i].shape()));
  }
  Builder(graph).nodes(test.op, ids, test.outputs, test.attributes);
  const Node& node = graph.nodes.back();
  const std::vector<HostTensor> expected = evaluateReference(graph, node, test.inputs);

  std::vector<ValueType> inputTypes(ids.size()), outputTypes;
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] != kNone) inputTypes[i] = graph.type(ids[i]);
  for (ValueId id : node.outputs) outputTypes.push_back(graph.type(id));
  constexpr std::array<std::string_view, 1> backends{"cpu"};
  for (const cpu::Isa isa : {cpu::Isa::Baseline, cpu::Isa::Neon, cpu::Isa::Avx2, cpu::Isa::Avx512}) {
    if (!cpu::isaAvailable(isa)) continue;
    const IsaScope capped(isa);
    for (int variant = 0; variant < (test.frozen.empty() ? 1 : 2); ++variant) {
      std::vector<const HostTensor*> constants(ids.size(), nullptr);
      std::vector<bool> hidden(ids.size(), false);
      if (variant)
        for (size_t i : test.frozen) constants[i] = &test.inputs[i], hidden[i] = true;
      const std::unique_ptr<Kernel> kernel = makeKernel({node, inputTypes, outputTypes, constants}, backends);
      if (!kernel) {
        fail(file, line, std::string(test.op) + ": no cpu kernel takes it");
        continue;
      }
      for (const int width : {1, 3}) {
        const std::string what = std::string(test.op) + " (" + std::string(cpu::kernels().name) + ", " + std::to_string(width) + " threads" + (variant ? ", frozen)" : ")");
        Team team(width);
        const TeamScope scope(team);
        const GuardedRun first = guardedRun(*kernel, graph, node, test.inputs, hidden), second = guardedRun(*kernel, graph, node, test.inputs, hidden);
        if (!first.intact) fail(file, line, what + ": wrote outside its buffers");
        for (size_t i = 0; i < expected.size(); ++i) {
          compare(first.outputs[i], expected[i], test.tolerance, what, file, line);
          compare(second.outputs[i], first.outputs[i], 0, what + " again", file, line);
        }
      }
    }
  }
}

}  // namespace ascribe::test
