#pragma once
#include <napi.h>

#include <string>
#include <vector>

#include "graph/host_tensor.h"

namespace ascribe::addon {

/// JavaScript values that must outlive a job; released on the JavaScript thread.
using References = std::vector<Napi::ObjectReference>;

DType toDType(Napi::Value value, const std::string& name);
/// Of stored weights: blocks too.
DType toStorage(Napi::Value value, const std::string& name);
Shape toShape(Napi::Value value, const std::string& name);

/// A tensor argument `{ dtype, shape, data }`, checked: known dtype, the array's kind and its length. The data is
/// copied.
HostTensor copyTensor(Napi::Value value, const std::string& name);

/// The same for the inputs of a job. Up to a megabyte is copied: that costs less than a reference cycle through the
/// collector and makes later writes harmless. Above, the caller's array is kept and read in place.
HostTensor borrowTensor(Napi::Value value, const std::string& name, References& keep, size_t copyLimit = size_t{1} << 20);

/// A fresh JavaScript tensor. Above 64 KiB the array stands on the tensor's own memory, which no one else may hold.
Napi::Object makeTensor(Napi::Env env, HostTensor tensor);

Napi::Array makeShape(Napi::Env env, const Shape& shape);

}  // namespace ascribe::addon
