#pragma once
#include <memory>

#include "addon/util/handle.h"
#include "runtime/parameters.h"

namespace ascribe::addon {

/// NativeParameters: named weights, read, written and overlaid.
class ParametersObject : public Handle<ParametersObject, std::shared_ptr<Parameters>> {
 public:
  static constexpr const char* kName = "Parameters";
  static constexpr napi_type_tag kTag{0x8d40b7c91e6a35f2, 0x4e92a1f7083bd6c4};
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value list(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  void write(const Napi::CallbackInfo& info);
  Napi::Value version(const Napi::CallbackInfo& info);
  Napi::Value overlay(const Napi::CallbackInfo& info);
};

Napi::Value createParameters(const Napi::CallbackInfo& info);

}  // namespace ascribe::addon
