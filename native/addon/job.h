#pragma once
#include "addon/util/handle.h"
#include "runtime/engine.h"

namespace ascribe::addon {

/// NativeJob: `promise` and `cancel()`. The work itself lives in the engine and does not end when this handle is
/// collected.
class JobObject : public Handle<JobObject, JobHandle> {
 public:
  static constexpr const char* kName = "Job";
  static constexpr napi_type_tag kTag{0x6f1d8a3b52c94e07, 0x91b6c0d4a7e83f15};
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);

 private:
  void cancel(const Napi::CallbackInfo& info);
};

}  // namespace ascribe::addon
