#include "kernels/stored_signature.h"

#include <algorithm>
#include <array>

#include "graph/layout.h"
#include "graph/op.h"

namespace ascribe {

namespace {

class StoredKernel final : public Kernel {
 public:
  StoredKernel(std::unique_ptr<Kernel> kernel, const StoredSignature& stored) : kernel_(std::move(kernel)) {
    for (const ValueType& type : stored.inputs) inputs_.push_back(type.shape);
    for (const ValueType& type : stored.outputs) outputs_.push_back(type.shape);
  }
  void run(const KernelArguments& k) const override {
    thread_local std::vector<TensorRef> inputs, outputs;
    const auto seen = [](std::span<const TensorRef> refs, const std::vector<Shape>& shapes, std::vector<TensorRef>& out) {
      out.assign(refs.begin(), refs.end());
      for (size_t i = 0; i < out.size(); ++i) {
        out[i].shape = shapes[i];
        out[i].layout = Layout::Plain;
      }
    };
    seen(k.inputs, inputs_, inputs);
    seen(k.outputs, outputs_, outputs);
    kernel_->run({inputs, outputs, k.scratch});
  }
  size_t scratchBytes() const override { return kernel_->scratchBytes(); }
  size_t packedBytes() const override { return kernel_->packedBytes(); }
  bool ownsOperand(size_t i) const override { return kernel_->ownsOperand(i); }
  double flops() const override { return kernel_->flops(); }
  std::string_view name() const override { return kernel_->name(); }

 private:
  std::unique_ptr<Kernel> kernel_;
  std::vector<Shape> inputs_, outputs_;
};

/// The channel axis of an operand that broadcasts to the result; negative where its rank does not reach that far.
int channelAxisBeside(const ValueType& operand, const ValueType& result) {
  return result.channelAxis - (result.shape.rank() - operand.shape.rank());
}

std::optional<Shape> shapeBeside(const ValueType& operand, const ValueType& result) {
  const int block = blockOf(result.layout), c = channelAxisBeside(operand, result);
  if (operand.layout == result.layout) return c == operand.channelAxis ? std::optional(storedShape(operand)) : std::nullopt;
  if (operand.layout != Layout::Plain) return std::nullopt;
  Shape out;
  if (c < 0 || operand.shape[c] == 1) {
    // One number for all channels.
    out = operand.shape;
    out.push(1);
    return out;
  }
  if (operand.shape[c] % block != 0 || operand.shape.count(c + 1, operand.shape.rank()) != 1) return std::nullopt;
  ValueType blocked = operand;
  blocked.layout = result.layout;
  blocked.channelAxis = c;
  return storedShape(blocked);
}

bool splitsBlocks(const ValueType& type) { return type.shape[type.channelAxis] % blockOf(type.layout) != 0; }

/// Attributes that count channels or list all axes, for the stored array.
bool adaptAttributes(Node& node, const NodeSignature& s) {
  const ValueType& result = s.outputs[0];
  const int64_t block = blockOf(result.layout), c = result.channelAxis;
  const std::string& name = node.op->name;
  if (node.op->elementwise || name == "expandLike") return true;
  if (name == "concat") {
    if (node.attributes.integer("axis") != c) return true;
    return std::none_of(s.inputs.begin(), s.inputs.end(), [&](const ValueType& t) { return t.shape[static_cast<int>(c)] % block != 0; });
  }
  if (name == "slice") {
    std::vector<int64_t> begin = node.attributes.integers("begin"), step = node.attributes.integers("step");
    const auto at = static_cast<size_t>(c);
    const bool whole = begin[at] == 0 && step[at] == 1 && s.inputs[0].shape[static_cast<int>(c)] == result.shape[static_cast<int>(c)];
    if (!whole && (begin[at] % block != 0 || step[at] != 1 || splitsBlocks(result))) return false;
    begin[at] /= block;
    begin.push_back(0);
    step.push_back(1);
    node.attributes.set("begin", begin).set("step", step);
    return true;
  }
  return false;
}

}  // namespace

bool readableBeside(const ValueType& operand, const ValueType& result) { return shapeBeside(operand, result).has_value(); }

std::optional<StoredSignature> storedSignature(const NodeSignature& s) {
  const ValueType& result = s.outputs[0];
  if (s.outputs.size() != 1 || blockOf(result.layout) == 0) return std::nullopt;
  StoredSignature out{s.node, {}, {}, std::vector<const HostTensor*>(s.inputs.size(), nullptr)};
  if (!adaptAttributes(out.node, s)) return std::nullopt;
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    ValueType type = s.inputs[i];
    const bool read = s.has(i) && !(s.node.op->shapeOnly >> std::min<size_t>(i, 31) & 1) && !(s.node.op->hostOperands >> std::min<size_t>(i, 31) & 1);
    if (read) {
      const auto shape = shapeBeside(type, result);
      if (!shape) return std::nullopt;
      type.shape = *shape;
    } else if (s.node.op->name == "expandLike") {
      const Shape whole = storedShape(result);
      type.shape = Shape(whole.dims().subspan(static_cast<size_t>(s.node.attributes.integer("leading"))));
    }
    type.layout = Layout::Plain;
    out.inputs.push_back(type);
  }
  out.outputs.push_back({result.dtype, storedShape(result)});
  return out;
}

bool keepsZero(const NodeSignature& s) {
  const std::string& name = s.node.op->name;
  const auto is = [&](auto... names) { return ((name == names) || ...); };
  const auto padded = [&](size_t i) { return hasPaddedChannels(s.inputs[i]); };
  if (is("neg", "abs", "sign", "sqrt", "floor", "ceil", "round", "sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "erf", "relu",
         "softsign", "silu", "hardSwish", "mish", "leakyRelu", "elu", "celu", "selu", "gelu", "identity"))
    return true;
  if (is("clip")) return s.node.attributes.real("min") <= 0 && s.node.attributes.real("max") >= 0;
  if (is("add", "sub", "min", "max")) return padded(0) && padded(1);
  if (is("mul")) return padded(0) || padded(1);
  if (is("prelu")) return padded(0);
  if (is("div")) return padded(0) && !padded(1);
  if (is("where")) return padded(1) && padded(2);
  // The gates: each is the gradient times a slope that is finite at zero.
  if (is("reluGrad", "leakyReluGrad", "clipGrad", "sigmoidGrad", "tanhGrad", "eluGrad", "geluGrad", "siluGrad", "hardSwishGrad", "hardSigmoidGrad"))
    return padded(0);
  // Movements along other axes than the channels.
  if (is("concat", "slice")) return true;
  if (is("expandLike")) return padded(0);
  return false;
}

std::unique_ptr<Kernel> makeStoredKernel(std::unique_ptr<Kernel> kernel, const StoredSignature& stored) {
  return std::make_unique<StoredKernel>(std::move(kernel), stored);
}

}  // namespace ascribe
