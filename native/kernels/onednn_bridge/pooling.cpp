#include "graph/layout.h"
#include "kernels/onednn_bridge/bridge_kernel.h"

namespace ascribe::onednn_bridge {
namespace {

class Pool final : public BridgeKernel {
 public:
  explicit Pool(std::string_view what, std::unique_ptr<Primitive> made) : BridgeKernel(what, std::move(made), 0) {}
  void run(const KernelArguments& k) const override {
    Buffers buffers;
    buffers[ASCRIBE_FIRST] = k.inputs[0].data;
    buffers[ASCRIBE_RESULT] = k.outputs[0].data;
    buffers[ASCRIBE_SCRATCH] = k.scratch;
    primitive().execute(buffers);
  }
};

/// `larger` is the pooled plane, `smaller` what pooling makes of it.
bool fits(const NodeSignature& s, const ValueType& larger, const ValueType& smaller) {
  return isF32(s.inputs[0]) && s.outputs.size() == 1 && blockOf(larger.layout) > 0 && larger.layout == smaller.layout && s.outputs[0].shape.count() > 0;
}

std::unique_ptr<Primitive> windowed(int kind, const NodeSignature& s, const ValueType& larger, const ValueType& smaller) {
  const auto& kernel = s.node.attributes.integers("kernel");
  const auto spatial = static_cast<int>(kernel.size());
  AscribeOperation operation{};
  operation.kind = kind;
  operation.first = dataTensor(s.inputs[0], spatial);
  operation.result = dataTensor(s.outputs[0], spatial);
  setWindow(operation, s.node, kernel.size());
  std::copy(kernel.begin(), kernel.end(), operation.kernel);
  if (kind != ASCRIBE_MAX_POOL) {
    operation.count_padding = s.node.attributes.integer("countIncludePad") != 0;
    // A last window that reaches beyond the declared padding (ceilMode) counts less than a whole one in ONNX.
    for (int i = 0; i < spatial; ++i) {
      const int64_t reach = (smaller.shape.at(i - spatial) - 1) * operation.strides[i] + (kernel[static_cast<size_t>(i)] - 1) * operation.dilations[i] + 1;
      if (operation.count_padding && reach > larger.shape.at(i - spatial) + operation.pad_begin[i] + operation.pad_end[i]) return nullptr;
    }
  }
  return Primitive::make(operation);
}

std::unique_ptr<Primitive> global(const NodeSignature& s) {
  const ValueType& x = s.inputs[0];
  const int spatial = x.shape.rank() - 2;
  AscribeOperation operation{};
  operation.kind = ASCRIBE_AVERAGE_POOL;
  operation.first = dataTensor(x, spatial);
  operation.result = dataTensor(s.outputs[0], spatial);
  for (int i = 0; i < spatial; ++i) {
    operation.kernel[i] = x.shape[i + 2];
    operation.strides[i] = operation.dilations[i] = 1;
  }
  return Primitive::make(operation);
}

std::unique_ptr<Primitive> primitiveFor(const NodeSignature& s) {
  const std::string& name = s.node.op->name;
  const bool gradient = name == "averagePoolGrad";
  const ValueType &larger = gradient ? s.outputs[0] : s.inputs[0], &smaller = gradient ? s.inputs[0] : s.outputs[0];
  if (!fits(s, larger, smaller)) return nullptr;
  if (name == "globalAveragePool") return global(s);
  if (name == "maxPool") return windowed(ASCRIBE_MAX_POOL, s, larger, smaller);
  return windowed(gradient ? ASCRIBE_AVERAGE_POOL_GRADIENT : ASCRIBE_AVERAGE_POOL, s, larger, smaller);
}

std::unique_ptr<Kernel> make(const NodeSignature& s) {
  auto primitive = primitiveFor(s);
  return primitive ? std::make_unique<Pool>(s.node.op->name, std::move(primitive)) : nullptr;
}
bool takes(const NodeSignature& s) { return primitiveFor(s) != nullptr; }

const RegisterKernel registered[] = {
    RegisterKernel({.op = "maxPool", .backend = "onednn", .make = make, .anyLayout = true, .accepts = takes}),
    RegisterKernel({.op = "averagePool", .backend = "onednn", .make = make, .anyLayout = true, .accepts = takes}),
    RegisterKernel({.op = "averagePoolGrad", .backend = "onednn", .make = make, .anyLayout = true, .accepts = takes}),
    RegisterKernel({.op = "globalAveragePool", .backend = "onednn", .make = make, .anyLayout = true, .accepts = takes}),
};

}  // namespace
}  // namespace ascribe::onednn_bridge
