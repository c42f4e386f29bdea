#include "op_cases/cuda.h"

#include <chrono>
#include <cstdio>
#include <cstring>

#include "graph/op.h"
#include "harness.h"
#include "op_cases/driver_support.h"
#include "runtime/cuda_library.h"
#include "runtime/device.h"

namespace ascribe::test {
namespace {

constexpr size_t kGuard = 256;
constexpr uint8_t kGuardByte = 0xA5;

/// Device memory with a guard behind it.
class Guarded {
 public:
  Guarded(const std::shared_ptr<Device>& device, DeviceQueue& queue, size_t bytes, const void* content) : bytes_(bytes), buffer_(device, nullptr, bytes + kGuard) {
    if (content != nullptr && bytes > 0) queue.upload(buffer_.address(), content, bytes);
    else if (bytes > 0) queue.fill(buffer_.address(), 0xFF, bytes);
    queue.fill(static_cast<std::byte*>(buffer_.address()) + bytes, kGuardByte, kGuard);
  }
  void* address() const { return buffer_.address(); }
  bool intact(DeviceQueue& queue) const {
    std::vector<uint8_t> guard(kGuard);
    queue.download(guard.data(), static_cast<std::byte*>(buffer_.address()) + bytes_, kGuard);
    queue.synchronize();
    for (const uint8_t byte : guard)
      if (byte != kGuardByte) return false;
    return true;
  }

 private:
  size_t bytes_;
  DeviceBuffer buffer_;
};

/// One node's operands and results on the device.
struct OnDevice {
  OnDevice(const std::shared_ptr<Device>& device, DeviceQueue& queue, const CaseGraph& graph, const std::vector<HostTensor>& operands, const Kernel& kernel) {
    for (size_t i = 0; i < operands.size(); ++i) {
      const bool shapeOnly = graph.node().op->shapeOnly >> i & 1;
      inputs.push_back({nullptr, operands[i].dtype(), operands[i].shape()});
      if (shapeOnly || graph.operands[i] == kNone) continue;
      buffers.push_back(std::make_unique<Guarded>(device, queue, operands[i].bytes(), operands[i].data()));
      inputs.back().data = buffers.back()->address();
    }
    for (const ValueId id : graph.results) {
      const ValueType& type = graph.graph.type(id);
      buffers.push_back(std::make_unique<Guarded>(device, queue, static_cast<size_t>(type.shape.count()) * sizeOf(type.dtype), nullptr));
      outputs.push_back({buffers.back()->address(), type.dtype, type.shape});
    }
    if (kernel.scratchBytes() > 0) {
      buffers.push_back(std::make_unique<Guarded>(device, queue, kernel.scratchBytes(), nullptr));
      scratch = static_cast<std::byte*>(buffers.back()->address());
    }
  }
  std::vector<std::unique_ptr<Guarded>> buffers;
  std::vector<TensorRef> inputs, outputs;
  std::byte* scratch = nullptr;
};

std::vector<HostTensor> runOnce(const std::shared_ptr<Device>& device, DeviceQueue& queue, const CaseGraph& graph, const std::vector<HostTensor>& operands, const Kernel& kernel, bool& intact) {
  const OnDevice here(device, queue, graph, operands, kernel);
  if (!areEmpty(here.outputs)) queue.launch(kernel, {here.inputs, here.outputs, here.scratch});
  std::vector<HostTensor> results;
  for (const TensorRef& output : here.outputs) {
    results.emplace_back(output.dtype, output.shape);
    if (results.back().bytes() > 0) queue.download(results.back().mutableData(), output.data, results.back().bytes());
  }
  queue.synchronize();
  for (const auto& buffer : here.buffers) intact = intact && buffer->intact(queue);
  return results;
}

}  // namespace

bool hasCuda() { return cudaDevices() > 0; }

void checkCuda(const OpCase& test) {
  const std::vector<HostTensor> operands = operandsOf(test), wide = widened(operands);
  // Large cases are there to be timed; block by block on the host they take minutes.
  if (test.timed && !cudaIsHardware()) return;
  const CaseGraph graph = graphOf(test, operands, false), wideGraph = graphOf(test, wide, false);
  const std::vector<bool> nothing(operands.size(), false), most = knownOperands(test);
  const auto device = openDevice("cuda");
  const auto queue = device->openQueue();
  for (const std::vector<bool>& known : {nothing, most}) {
    const std::unique_ptr<Kernel> kernel = kernelOf("cuda", graph, operands, known);
    if (!kernel) continue;
    const std::vector<HostTensor> inDouble = evaluateReference(wideGraph.graph, wideGraph.node(), wide), exact = evaluateReference(graph.graph, graph.node(), operands);
    bool intact = true;
    const auto first = runOnce(device, *queue, graph, operands, *kernel, intact), second = runOnce(device, *queue, graph, operands, *kernel, intact);
    if (!intact) fail(__FILE__, __LINE__, test.name() + ": wrote outside its buffers");
    for (size_t i = 0; i < first.size(); ++i) {
      const bool floating = isFloating(first[i].dtype());
      const double difference = largestDifference(first[i], floating ? inDouble[i] : exact[i]);
      if (!(difference <= (floating ? test.tolerance : 0))) fail(__FILE__, __LINE__, test.name() + ": output " + std::to_string(i) + " is off by " + show(difference) + " of the largest element");
      if (first[i].bytes() > 0 && std::memcmp(first[i].data(), second[i].data(), first[i].bytes()) != 0 && largestDifference(second[i], first[i]) != 0)
        fail(__FILE__, __LINE__, test.name() + ": gave other numbers the second time");
    }
  }
}

void measureCuda(const OpCase& test) {
  const std::vector<HostTensor> operands = operandsOf(test);
  const CaseGraph graph = graphOf(test, operands, false);
  const std::unique_ptr<Kernel> kernel = kernelOf("cuda", graph, operands, knownOperands(test));
  if (!kernel) return;
  const auto device = openDevice("cuda");
  const auto queue = device->openQueue();
  const OnDevice here(device, *queue, graph, operands, *kernel);
  constexpr int kLaunches = 20;
  double best = 1e300;
  for (int round = 0; round < 6; ++round) {
    queue->synchronize();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kLaunches; ++i) queue->launch(*kernel, {here.inputs, here.outputs, here.scratch});
    queue->synchronize();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / kLaunches);
  }
  double bytes = 0;
  for (const auto* tensors : {&here.inputs, &here.outputs})
    for (const TensorRef& tensor : *tensors)
      if (tensor.data != nullptr) bytes += static_cast<double>(tensor.count()) * static_cast<double>(sizeOf(tensor.dtype));
  std::printf("%-44s %-34s %9.4f ms %9.1f GFLOP/s %8.1f GB/s\n", test.name().c_str(), std::string(kernel->name()).c_str(), best * 1e3, kernel->flops() / best * 1e-9, bytes / best * 1e-9);
}

}  // namespace ascribe::test
