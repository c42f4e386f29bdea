#pragma once
#include <memory>

#include "addon/util/handle.h"
#include "runtime/plan.h"

namespace ascribe::addon {

/// NativePlan: a graph made ready for fixed sizes. Empty after dispose; running jobs keep what they use.
class PlanObject : public Handle<PlanObject, std::shared_ptr<const Plan>> {
 public:
  static constexpr const char* kName = "Plan";
  static constexpr napi_type_tag kTag{0x51a6d93e8f20bc74, 0x7ce15b08d3a94f62};
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);
  static Napi::Object make(Napi::Env env, std::shared_ptr<const Plan> plan);
  void Finalize(Napi::BasicEnv env) override { external_.release(env); }

 private:
  /// Throws HANDLE_DISPOSED.
  const std::shared_ptr<const Plan>& plan() const;
  Napi::Value describe(const Napi::CallbackInfo& info);
  Napi::Value dump(const Napi::CallbackInfo& info);
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value rows(const Napi::CallbackInfo& info);
  Napi::Value ensemble(const Napi::CallbackInfo& info);
  Napi::Value walk(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);
  ExternalBytes external_;
};

}  // namespace ascribe::addon
