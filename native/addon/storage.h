#pragma once
#include <memory>

#include "addon/util/handle.h"
#include "graph/host_tensor.h"
#include "runtime/mapped_file.h"

namespace ascribe::addon {

/// NativeStorage: the bytes that weights lie in.
class StorageObject : public Handle<StorageObject, std::shared_ptr<MappedFile>> {
 public:
  static constexpr const char* kName = "Storage";
  static constexpr napi_type_tag kTag{0x2c7e51f09ab84d63, 0xb80f43d6217ca95e};
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);
  static Napi::Object make(Napi::Env env, std::shared_ptr<MappedFile> file);
  void Finalize(Napi::BasicEnv env) override { external_.release(env); }

 private:
  ExternalBytes external_;
};

/// TensorSource: a range of a storage that holds one tensor, checked against the storage's size.
HostTensor toSource(Napi::Value value, const std::string& name);

Napi::Value openStorage(const Napi::CallbackInfo& info);
Napi::Value storageFromBuffer(const Napi::CallbackInfo& info);
Napi::Value checkStorage(const Napi::CallbackInfo& info);
Napi::Value hashStorage(const Napi::CallbackInfo& info);

}  // namespace ascribe::addon
