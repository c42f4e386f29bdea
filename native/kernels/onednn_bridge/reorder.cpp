#include <cstring>

#include "graph/layout.h"
#include "kernels/onednn_bridge/bridge_kernel.h"

namespace ascribe::onednn_bridge {
namespace {

class Reorder final : public BridgeKernel {
 public:
  explicit Reorder(std::unique_ptr<Primitive> made) : BridgeKernel("reorder", std::move(made), 0) {}
  void run(const KernelArguments& k) const override {
    Buffers buffers;
    buffers[ASCRIBE_FIRST] = k.inputs[0].data;
    buffers[ASCRIBE_RESULT] = k.outputs[0].data;
    buffers[ASCRIBE_SCRATCH] = k.scratch;
    primitive().execute(buffers);
  }
};

std::unique_ptr<Kernel> make(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || s.outputs[0].shape.count() == 0) return nullptr;
  const int spatial = s.outputs[0].shape.rank() - static_cast<int>(s.node.attributes.integer("channelAxis")) - 1;
  AscribeOperation operation{};
  operation.kind = ASCRIBE_REORDER;
  operation.first = dataTensor(s.inputs[0], spatial);
  operation.result = dataTensor(s.outputs[0], spatial);
  auto primitive = Primitive::make(operation);
  return primitive ? std::make_unique<Reorder>(std::move(primitive)) : nullptr;
}

const RegisterKernel registered({.op = "reorder", .backend = "onednn", .make = make, .anyLayout = true});

}  // namespace
}  // namespace ascribe::onednn_bridge
