#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

#include "graph/op.h"
#include "op_cases/cuda.h"
#include "op_cases/driver_support.h"
#include "runtime/cuda_library.h"
#include "op_cases/drivers.h"

namespace ascribe::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Contender {
  std::unique_ptr<Kernel> kernel;
  std::vector<std::byte> scratch;
  double best = 1e300;  // seconds
};

/// 64-byte aligned start inside a larger block.
std::byte* aligned(std::vector<std::byte>& block, size_t bytes) {
  block.resize(bytes + 64);
  void* start = block.data();
  size_t room = block.size();
  return static_cast<std::byte*>(std::align(64, bytes, start, room));
}

void measure(const OpCase& test) {
  const std::vector<HostTensor> operands = operandsOf(test);
  const CaseGraph graph = graphOf(test, operands, false);
  std::vector<TensorRef> inputs(operands.size()), outputs;
  std::vector<std::vector<std::byte>> results(graph.results.size());
  double bytes = 0;
  for (size_t i = 0; i < operands.size(); ++i) {
    const bool shapeOnly = graph.node().op->shapeOnly >> i & 1;
    inputs[i] = {shapeOnly ? nullptr : const_cast<void*>(operands[i].data()), operands[i].dtype(), operands[i].shape()};
    if (!shapeOnly) bytes += static_cast<double>(operands[i].bytes());
  }
  for (size_t i = 0; i < graph.results.size(); ++i) {
    const ValueType& type = graph.graph.type(graph.results[i]);
    const size_t size = static_cast<size_t>(type.shape.count()) * sizeOf(type.dtype);
    outputs.push_back({aligned(results[i], size), type.dtype, type.shape});
    bytes += static_cast<double>(size);
  }
  std::vector<bool> known(operands.size());
  for (size_t i = 0; i < operands.size(); ++i) known[i] = test.operands[i].constant;
  std::vector<Contender> contenders;
  for (const std::string_view backend : fastBackends(test.op))
    if (auto kernel = kernelOf(backend, graph, operands, known)) contenders.push_back({std::move(kernel), {}});
  // Interleaved, so that what else the machine does falls on all alike.
  for (int round = 0; round < 12; ++round)
    for (Contender& contender : contenders) {
      std::byte* scratch = aligned(contender.scratch, contender.kernel->scratchBytes());
      const auto start = Clock::now();
      contender.kernel->run({inputs, outputs, scratch});
      contender.best = std::min(contender.best, std::chrono::duration<double>(Clock::now() - start).count());
    }
  if (contenders.empty()) std::printf("%-44s no fast kernel\n", test.name().c_str());
  for (const Contender& c : contenders) {
    const double flops = c.kernel->flops();
    std::printf("%-44s %-34s %9.3f ms", test.name().c_str(), std::string(c.kernel->name()).c_str(), c.best * 1e3);
    if (flops > 0) std::printf(" %9.1f GFLOP/s", flops / c.best * 1e-9);
    else std::printf(" %17s", "");
    std::printf(" %8.2f GB/s", bytes / c.best * 1e-9);
    if (&c != &contenders.front()) std::printf("   %.2fx the time of the first", c.best / contenders.front().best);
    std::printf("\n");
  }
}

}  // namespace

void measureOpCases(const std::string& filter) {
  for (const OpCase& test : opCases())
    if (test.timed && test.name().find(filter) != std::string::npos) {
      if (!cudaIsHardware()) measure(test);
      else measureCuda(test);
    }
}

}  // namespace ascribe::test
