#include "kernels/cuda_bridge/cuda_kernel.h"

#include "graph/op.h"
#include "runtime/error.h"

namespace ascribe::cuda_bridge {
namespace {

int32_t typeOf(DType type) {
  switch (type) {
    case DType::F32: return ASCRIBE_CUDA_F32;
    case DType::I64: return ASCRIBE_CUDA_I64;
    case DType::I32: return ASCRIBE_CUDA_I32;
    case DType::Bool: return ASCRIBE_CUDA_BOOL;
    default: return ASCRIBE_CUDA_OTHER;
  }
}

}  // namespace

PreparedCall& PreparedCall::add(int operand, const ValueType& type, const Shape& dims, const Strides* strides, int64_t offset) {
  AscribeCudaTensor& tensor = call.tensors[operands_.size()];
  const Strides own = strides ? *strides : rowMajor(dims);
  tensor.type = typeOf(type.dtype);
  tensor.size = static_cast<int32_t>(sizeOf(type.dtype));
  tensor.rank = dims.rank();
  for (int axis = 0; axis < dims.rank(); ++axis) {
    tensor.dims[axis] = dims[axis];
    tensor.strides[axis] = own[static_cast<size_t>(axis)];
  }
  operands_.push_back({operand, offset * tensor.size});
  return *this;
}

int PreparedCall::run(AscribeCudaStream* stream, const KernelArguments& arguments) const {
  AscribeCudaCall filled = call;
  for (size_t i = 0; i < operands_.size(); ++i) {
    const auto [operand, bytes] = operands_[i];
    if (operand == kAbsent) continue;
    void* data = operand >= 0 ? arguments.inputs[static_cast<size_t>(operand)].data : arguments.outputs[static_cast<size_t>(~operand)].data;
    filled.tensors[i].data = data == nullptr ? nullptr : static_cast<std::byte*>(data) + bytes;
  }
  filled.scratch = arguments.scratch;
  return cuda()->run(stream, &filled);
}

CudaKernel::CudaKernel(std::string_view op, std::vector<PreparedCall> calls, double flops) : name_("cuda-" + std::string(op)), calls_(std::move(calls)), flops_(flops) {
  for (PreparedCall& prepared : calls_) {
    prepared.call.scratch_bytes = cuda()->scratch_bytes(&prepared.call);
    scratch_ = std::max<size_t>(scratch_, prepared.call.scratch_bytes);
  }
}

void CudaKernel::enqueue(AscribeCudaStream* stream, const KernelArguments& arguments) const {
  for (const PreparedCall& prepared : calls_)
    if (prepared.run(stream, arguments) != ASCRIBE_OK) return;
}

void CudaKernel::run(const KernelArguments&) const { throw Error("INTERNAL", "a kernel of the CUDA device was run on the host"); }

bool isSmall(const NodeSignature& s) {
  constexpr int64_t kMost = (int64_t{1} << 31) - 1;
  for (const ValueType& type : s.inputs)
    if (type.shape.count() > kMost) return false;
  for (const ValueType& type : s.outputs)
    if (type.shape.count() > kMost) return false;
  return true;
}

}  // namespace ascribe::cuda_bridge
