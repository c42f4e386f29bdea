#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

#include "graph/op.h"
#include "kernels/kernel.h"
#include "runtime/error.h"

namespace ascribe {
namespace {

constexpr size_t kAlignment = 64;

struct Free {
  void operator()(std::byte* block) const { ::operator delete[](block, std::align_val_t{kAlignment}); }
};
std::unique_ptr<std::byte[], Free> allocate(size_t bytes) {
  return std::unique_ptr<std::byte[], Free>(
      static_cast<std::byte*>(::operator new[](std::max<size_t>(bytes, 1), std::align_val_t{kAlignment})));
}

}  // namespace

std::vector<HostTensor> evaluateReference(const Graph& graph, const Node& node, std::span<const HostTensor> inputs) {
  // Not null: a present but empty operand must be told from an absent one.
  static std::byte nothing[kAlignment];
  std::vector<ValueType> inputTypes(node.inputs.size()), outputTypes;
  std::vector<const HostTensor*> constants(node.inputs.size(), nullptr);
  std::vector<TensorRef> operands(node.inputs.size()), results;
  std::vector<std::unique_ptr<std::byte[], Free>> aligned;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNone) continue;
    const HostTensor& tensor = inputs[i];
    inputTypes[i] = {tensor.dtype(), tensor.shape()};
    void* data = const_cast<void*>(tensor.data());
    if (!data) data = nothing;
    else if (reinterpret_cast<uintptr_t>(data) % sizeOf(tensor.dtype()) != 0) {  // over a mapped file
      aligned.push_back(allocate(tensor.bytes()));
      std::memcpy(aligned.back().get(), data, tensor.bytes());
      data = aligned.back().get();
    }
    operands[i] = {data, tensor.dtype(), tensor.shape()};
    constants[i] = &tensor;
  }
  std::vector<HostTensor> outputs;
  for (const ValueId id : node.outputs) {
    const ValueType& type = graph.type(id);
    outputTypes.push_back({type.dtype, type.shape});
    outputs.emplace_back(type.dtype, type.shape);
    void* data = outputs.back().mutableData();
    results.push_back({data ? data : nothing, type.dtype, type.shape});
  }
  constexpr std::array<std::string_view, 1> backends{"reference"};
  const auto kernel = makeKernel({node, inputTypes, outputTypes, constants}, backends);
  if (!kernel) {
    std::string types;
    for (size_t i = 0; i < inputTypes.size(); ++i)
      types += (i ? ", " : "") + (node.inputs[i] == kNone ? "none" : std::string(nameOf(inputTypes[i].dtype)) + inputTypes[i].shape.text());
    throw Error("MODEL_UNSUPPORTED_OP", "node " + (node.name.empty() ? std::string("(unnamed)") : node.name) + ": no reference kernel takes " +
                                            node.op->name + "(" + types + ")");
  }
  const auto scratch = allocate(kernel->scratchBytes());
  if (!areEmpty(results)) kernel->run({operands, results, scratch.get()});
  return outputs;
}

}  // namespace ascribe
