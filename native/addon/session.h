#pragma once
#include <memory>

#include "addon/util/handle.h"
#include "runtime/execution.h"

namespace ascribe::addon {

/// NativeSession: the state buffers of one conversation or training run. Empty after dispose.
class SessionObject : public Handle<SessionObject, std::shared_ptr<Session>> {
 public:
  static constexpr const char* kName = "Session";
  static constexpr napi_type_tag kTag{0xe7042b9f5d816ca3, 0x2f86d3b10c9e47f5};
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);
  static Napi::Object make(Napi::Env env, std::shared_ptr<Session> session);
  void Finalize(Napi::BasicEnv env) override { external_.release(env); }

  /// Throws HANDLE_DISPOSED.
  const std::shared_ptr<Session>& session() const;

 private:
  size_t find(Napi::Value name) const;
  Napi::Value read(const Napi::CallbackInfo& info);
  void write(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);
  ExternalBytes external_;
};

}  // namespace ascribe::addon
