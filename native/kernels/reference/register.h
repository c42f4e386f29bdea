#pragma once
#include "kernels/kernel.h"

namespace ascribe::reference {

using Accepts = bool (*)(const NodeSignature&);

/// What the kernel's main operand may be. The main operand is the first one unless the name says otherwise.
inline bool floating(const NodeSignature& s) {
  const DType type = s.inputs[0].dtype;
  return type == DType::F32 || type == DType::F64 || type == DType::Dual;
}
inline bool numericType(DType type) { return type != DType::Bool && !isStorageOnly(type); }
inline bool numeric(const NodeSignature& s) { return numericType(s.inputs[0].dtype); }
inline bool boolean(const NodeSignature& s) { return s.inputs[0].dtype == DType::Bool; }

struct Registered {
  Registered(std::string_view op, KernelFunction function, Accepts accepts = nullptr) {
    RegisterKernelFunction(op, "reference", function, accepts);
  }
};

}  // namespace ascribe::reference
