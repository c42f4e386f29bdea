#include "guarded_run.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "graph/op.h"

namespace ascribe::test {
namespace {

constexpr size_t kGuard = 256;
constexpr unsigned char kMark = 0xa5;

/// 64-byte aligned bytes with a marked margin behind them.
struct GuardedBytes {
  explicit GuardedBytes(size_t bytes, unsigned char fill) : size(bytes), storage(bytes + 64 + kGuard, fill) {
    void* start = storage.data();
    size_t room = storage.size();
    data = static_cast<unsigned char*>(std::align(64, bytes + kGuard, start, room));
    std::memset(data + size, kMark, kGuard);
  }
  bool intact() const {
    return std::all_of(data + size, data + size + kGuard, [](unsigned char c) { return c == kMark; });
  }
  size_t size;
  std::vector<unsigned char> storage;
  unsigned char* data;
};

}  // namespace

GuardedRun guardedRun(const Kernel& kernel, const Graph& graph, const Node& node, const std::vector<HostTensor>& inputs, const std::vector<bool>& known) {
  std::vector<TensorRef> operands(inputs.size()), results;
  std::vector<GuardedBytes> copies;
  copies.reserve(inputs.size() + node.outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (node.inputs[i] == kNone) continue;
    GuardedBytes& copy = copies.emplace_back(inputs[i].bytes(), 0);
    if (inputs[i].bytes()) std::memcpy(copy.data, inputs[i].data(), inputs[i].bytes());
    const bool shapeOnly = (node.op->shapeOnly >> i & 1) || (known[i] && kernel.ownsOperand(i));
    operands[i] = {shapeOnly ? nullptr : copy.data, inputs[i].dtype(), inputs[i].shape()};
  }
  const size_t firstResult = copies.size();
  for (const ValueId id : node.outputs) {
    const ValueType& type = graph.type(id);
    GuardedBytes& room = copies.emplace_back(static_cast<size_t>(type.shape.count()) * sizeOf(type.dtype), 0xff);
    results.push_back({room.data, type.dtype, type.shape});
  }
  GuardedBytes scratch(kernel.scratchBytes(), 0xff);
  kernel.run({operands, results, reinterpret_cast<std::byte*>(scratch.data)});
  GuardedRun run;
  run.intact = scratch.intact() && std::all_of(copies.begin(), copies.end(), [](const GuardedBytes& b) { return b.intact(); });
  for (size_t i = 0; i < results.size(); ++i) {
    HostTensor out(results[i].dtype, results[i].shape);
    if (out.bytes()) std::memcpy(out.mutableData(), copies[firstResult + i].data, out.bytes());
    run.outputs.push_back(std::move(out));
  }
  return run;
}

}  // namespace ascribe::test
