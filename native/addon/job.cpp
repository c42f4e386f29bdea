#include "addon/job.h"

#include "addon/util/errors.h"

namespace ascribe::addon {

Napi::Function JobObject::define(Napi::Env env) {
  return DefineClass(env, kName, {InstanceMethod("cancel", &JobObject::cancel)});
}

void JobObject::cancel(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { payload().cancel(); });
}

}  // namespace ascribe::addon
