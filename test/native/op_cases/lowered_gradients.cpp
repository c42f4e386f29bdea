#include <chrono>
#include <cmath>
#include <cstring>

#include "graph/op.h"
#include "graph/verify.h"
#include "harness.h"
#include "op_cases/derivatives.h"
#include "op_cases/driver_support.h"
#include "runtime/execution.h"
#include "runtime/memory.h"
#include "runtime/plan.h"

namespace ascribe::test {
namespace {

struct GradientGraph {
  Graph graph;
  std::vector<HostTensor> inputs;  // in the order of graph.inputs
};

HostTensor seedLike(const Shape& shape, size_t which) {
  HostTensor out(DType::F32, shape);
  for (int64_t i = 0; i < shape.count(); ++i)
    static_cast<float*>(out.mutableData())[i] = static_cast<float>(std::cos(static_cast<double>(i + 1) * 1.7 + static_cast<double>(which)));
  return out;
}

/// The case's node, and a vjp node with two cotangents over its floating outputs and inputs; both are outputs.
GradientGraph gradientGraph(const OpCase& test) {
  GradientGraph out;
  const std::vector<HostTensor> operands = operandsOf(test);
  CaseGraph base = graphOf(test, operands, true);
  Graph& graph = base.graph;
  std::vector<ValueId> outputs, seeds, wanted;
  for (size_t i = 0; i < operands.size(); ++i) {
    const ValueId id = base.operands[i];
    if (id == kNone || graph.value(id).kind != ValueKind::Input) continue;
    out.inputs.push_back(operands[i]);
    if (isFloating(graph.type(id).dtype)) wanted.push_back(id);
  }
  for (const ValueId id : base.results) {
    if (!isFloating(graph.type(id).dtype)) continue;
    const Shape shape = prepend(2, graph.shape(id));
    outputs.push_back(id);
    seeds.push_back(graph.addInput("seed" + std::to_string(id), DType::F32, shape));
    out.inputs.push_back(seedLike(shape, seeds.size()));
  }
  graph.outputs = outputs;
  if (!wanted.empty() && !outputs.empty()) {
    std::vector<ValueId> inputs = outputs;
    inputs.insert(inputs.end(), seeds.begin(), seeds.end());
    inputs.insert(inputs.end(), wanted.begin(), wanted.end());
    const ValueId first = graph.addNode(op("vjp"), inputs, {{"outputs", static_cast<int64_t>(outputs.size())}}, static_cast<int>(wanted.size()), "gradient");
    for (size_t i = 0; i < wanted.size(); ++i) graph.outputs.push_back(first + static_cast<ValueId>(i));
  }
  out.graph = std::move(graph);
  return out;
}

std::vector<HostTensor> runPlan(const GradientGraph& g, DType precision, std::vector<std::string> backends) {
  CompileOptions options;
  options.specialise.precision = precision;
  options.backends = std::move(backends);
  const std::shared_ptr<const Plan> plan = compile(g.graph, std::make_shared<Parameters>(), options);
  Execution execution(plan, std::make_shared<MemoryBudget>());
  for (size_t i = 0; i < g.inputs.size(); ++i) execution.bindInput(i, g.inputs[i].data(), g.inputs[i].dtype(), g.inputs[i].shape());
  const CancelToken token;
  Slice slice(token, std::chrono::hours(1));
  execution.start();
  while (execution.advance(slice) != Job::Step::Done) {
  }
  std::vector<HostTensor> out;
  for (size_t i = 0; i < g.graph.outputs.size(); ++i) {
    const TensorRef ref = execution.output(i);
    HostTensor copy(ref.dtype, ref.shape);
    if (copy.bytes()) std::memcpy(copy.mutableData(), ref.data, copy.bytes());
    out.push_back(std::move(copy));
  }
  return out;
}

}  // namespace

void checkLoweredGradient(const OpCase& test) {
  // A plan writes into states alone, and the operands of cases are none.
  if (test.op == "assignState") return;
  GradientGraph g = gradientGraph(test);
  if (g.graph.outputs.empty()) return;
  verify(g.graph);
  const std::vector<HostTensor> expected = runPlan(g, DType::F64, {});
  const std::vector<std::vector<std::string>> choices{{"cpu", "reference"}, {}};
  for (const std::vector<std::string>& backends : choices) {
    const std::vector<HostTensor> actual = runPlan(g, DType::F32, backends);
    for (size_t i = 0; i < expected.size(); ++i) {
      // A gradient that cancels, as that in the score of a single key, is zero within the rounding of the others.
      const bool cancels = relativeNorm({expected[i]}, {HostTensor(expected[i].dtype(), expected[i].shape())}) == 0;
      const double difference = cancels ? relativeNorm(actual, expected) : relativeNorm({actual[i]}, {expected[i]});
      if (!(difference <= 1e-5))
        fail(__FILE__, __LINE__, test.name() + ": output " + std::to_string(i) + " of value and gradient is off by " + show(difference) + " (" +
                                     (backends.empty() ? "every backend" : "portable kernels") + ")");
    }
  }
}

}  // namespace ascribe::test
