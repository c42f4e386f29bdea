#pragma once
#include <memory>
#include <string>
#include <vector>

#include "graph/op.h"
#include "kernels/cpu/strides.h"
#include "kernels/kernel.h"
#include "runtime/cuda_library.h"

namespace ascribe::cuda_bridge {

using cpu::broadcastStrides;
using cpu::rowMajor;
using cpu::Strides;

/// One call of the table with everything but addresses filled in, and which operand each of its tensors is.
class PreparedCall {
 public:
  PreparedCall(int kind, int code = 0) {
    call.kind = kind;
    call.code = code;
  }
  /// A tensor of this type over `dims`, row by row where no strides are given; `offset` counts elements.
  PreparedCall& input(size_t operand, const ValueType& type, const Shape& dims, const Strides* strides = nullptr, int64_t offset = 0) { return add(static_cast<int>(operand), type, dims, strides, offset); }
  PreparedCall& input(size_t operand, const ValueType& type) { return input(operand, type, type.shape); }
  PreparedCall& output(size_t result, const ValueType& type, const Shape& dims, const Strides* strides = nullptr, int64_t offset = 0) { return add(~static_cast<int>(result), type, dims, strides, offset); }
  PreparedCall& output(size_t result, const ValueType& type) { return output(result, type, type.shape); }
  PreparedCall& absent() {
    operands_.push_back({kAbsent, 0});
    return *this;
  }
  PreparedCall& integers(std::initializer_list<int64_t> values) {
    size_t i = 0;
    for (int64_t value : values) call.integers[i++] = value;
    return *this;
  }
  PreparedCall& reals(double first, double second = 0) {
    call.reals[0] = static_cast<float>(first);
    call.reals[1] = static_cast<float>(second);
    return *this;
  }
  int run(AscribeCudaStream* stream, const KernelArguments& arguments) const;

  AscribeCudaCall call{};

 private:
  static constexpr int kAbsent = 1 << 20;
  struct Source {
    int operand;
    int64_t bytes;  // from the operand's beginning
  };
  PreparedCall& add(int operand, const ValueType& type, const Shape& dims, const Strides* strides, int64_t offset);
  std::vector<Source> operands_;
};

/// A node as calls of the table. It runs in a CUDA queue alone.
class CudaKernel final : public Kernel {
 public:
  CudaKernel(std::string_view op, std::vector<PreparedCall> calls, double flops = 0);
  /// What fails is the stream's to keep.
  void enqueue(AscribeCudaStream* stream, const KernelArguments& arguments) const;
  void run(const KernelArguments& arguments) const override;
  size_t scratchBytes() const override { return scratch_; }
  double flops() const override { return flops_; }
  std::string_view name() const override { return name_; }

 private:
  std::string name_;
  std::vector<PreparedCall> calls_;
  double flops_;
  size_t scratch_ = 0;
};

/// Empty: not a node for the device.
using Calls = std::vector<PreparedCall>;
inline std::unique_ptr<Kernel> kernelFrom(const NodeSignature& s, Calls calls, double flops = 0) {
  return calls.empty() ? nullptr : std::make_unique<CudaKernel>(s.node.op->name, std::move(calls), flops);
}
/// Registers a function from a node to its calls.
template <Calls (*Describe)(const NodeSignature&)>
RegisterKernel registered(std::string_view op) {
  return RegisterKernel({.op = op, .backend = "cuda", .make = [](const NodeSignature& s) { return kernelFrom(s, Describe(s)); }});
}

inline bool isF32(const ValueType& type) { return type.dtype == DType::F32; }
/// Indices of elements are 32 bits wide on the device wherever that is faster: larger tensors stay on the host.
bool isSmall(const NodeSignature& s);

}  // namespace ascribe::cuda_bridge
