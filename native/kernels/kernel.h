#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace ascribe {

/// One operand of a running kernel. Contiguous in its layout; `data` is null for an absent operand and for an
/// operand of which the op reads only the shape.
struct TensorRef {
  void* data = nullptr;
  DType dtype = DType::F32;
  Shape shape;
  Layout layout = Layout::Plain;
  int channelAxis = 1;

  template <class T>
  T* as() const { return static_cast<T*>(data); }
  int64_t count() const { return shape.count(); }
};

struct KernelArguments {
  std::span<const TensorRef> inputs;
  std::span<const TensorRef> outputs;
  std::byte* scratch = nullptr;                     // scratchBytes() bytes, 64-byte aligned
  bool has(size_t index) const { return index < inputs.size() && inputs[index].data != nullptr; }
};

/// What a kernel may know before it runs.
struct NodeSignature {
  const Node& node;
  std::span<const ValueType> inputs;  // a default ValueType for an absent operand: ask node.inputs[i] == kNone
  std::span<const ValueType> outputs;
  std::span<const HostTensor* const> constants;  // per operand; null unless frozen and known

  bool has(size_t index) const { return index < node.inputs.size() && node.inputs[index] != kNone; }
};

/// The pass bf16-products has marked the node: factors of its products are rounded to bf16, sums stay f32.
inline bool multipliesBf16(const Node& node) { return node.attributes.has("products"); }

/// A node prepared for execution. Immutable after construction: several executions may run it at once.
/// Shapes are exact: where a run length changes them, the execution makes the kernel anew.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void run(const KernelArguments& arguments) const = 0;
  virtual size_t scratchBytes() const { return 0; }
  /// Bytes that this kernel owns (packed weights).
  virtual size_t packedBytes() const { return 0; }
  /// The kernel has its own copy of operand `i` (packed weights), so that the plan need not keep the source.
  virtual bool ownsOperand(size_t) const { return false; }
  /// For profiles: multiply-adds counted as two.
  virtual double flops() const { return 0; }
  virtual std::string_view name() const = 0;
};

/// Nothing is to be computed: a kernel may loop over one extent of 2^40 beside another of 0, so it is not called.
inline bool areEmpty(std::span<const TensorRef> results) {
  return std::all_of(results.begin(), results.end(), [](const TensorRef& result) { return result.count() == 0; });
}

/// A kernel that is a plain function of its arguments and the node's attributes.
using KernelFunction = void (*)(const KernelArguments&, const Node&);

struct KernelEntry {
  std::string_view op;
  std::string_view backend;  // "reference", "cpu", "onednn"
  /// Null where this implementation does not take such a node (dtype, layout, rank …).
  std::unique_ptr<Kernel> (*make)(const NodeSignature&);
  int preference = 0;  // higher first within a backend
  /// False: nodes with operands or outputs outside the plain layout are offered to it as nodes over the arrays that lie
  /// in memory, where they can be seen so (StoredSignature), else not at all.
  bool anyLayout = false;
  /// Used where `make` is null: a kernel that is a plain function.
  KernelFunction function = nullptr;
  /// What it takes; null: everything.
  bool (*accepts)(const NodeSignature&) = nullptr;
};

struct RegisterKernel {
  explicit RegisterKernel(KernelEntry entry);
};
/// Wraps `function` for an op whose every dtype and rank it takes.
struct RegisterKernelFunction {
  RegisterKernelFunction(std::string_view op, std::string_view backend, KernelFunction function, bool (*accepts)(const NodeSignature&) = nullptr);
};

/// The first implementation that takes the node, backends in the given order of preference; null if none does.
std::unique_ptr<Kernel> makeKernel(const NodeSignature& signature, std::span<const std::string_view> backends);
/// Some implementation among these backends takes the node as its operands and results lie; without making one.
bool takesLayout(const NodeSignature& signature, std::span<const std::string_view> backends);
/// All entries of an op, for docs and tests.
std::vector<const KernelEntry*> kernelsOf(std::string_view op);

/// Runs one node with the reference kernels on host tensors (constant folding, oracles).
std::vector<HostTensor> evaluateReference(const Graph& graph, const Node& node, std::span<const HostTensor> inputs);

}  // namespace ascribe
