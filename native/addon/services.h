#pragma once
#include <napi.h>

namespace ascribe::addon {

Napi::Value scanOnnx(const Napi::CallbackInfo& info);
Napi::Value operations(const Napi::CallbackInfo& info);
Napi::Value configure(const Napi::CallbackInfo& info);
Napi::Value halt(const Napi::CallbackInfo& info);
Napi::Value engineReport(const Napi::CallbackInfo& info);
Napi::Value probe(const Napi::CallbackInfo& info);
Napi::Value memory(const Napi::CallbackInfo& info);
Napi::Value resetPeakMemory(const Napi::CallbackInfo& info);

}  // namespace ascribe::addon
