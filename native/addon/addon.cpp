#include <napi.h>

#include "addon/environment.h"
#include "addon/graph.h"
#include "addon/imputation.h"
#include "addon/job.h"
#include "addon/noise.h"
#include "addon/parameters.h"
#include "addon/plan.h"
#include "addon/services.h"
#include "addon/session.h"
#include "addon/storage.h"

namespace ascribe::addon {

/// The module: one instance for each environment that loads it.
class AscribeAddon : public Napi::Addon<AscribeAddon> {
 public:
  AscribeAddon(Napi::Env env, Napi::Object exports) : environment_(env) {
    environment_.storage = Napi::Persistent(StorageObject::define(env));
    environment_.parameters = Napi::Persistent(ParametersObject::define(env));
    environment_.graph = Napi::Persistent(GraphObject::define(env));
    environment_.plan = Napi::Persistent(PlanObject::define(env));
    environment_.session = Napi::Persistent(SessionObject::define(env));
    environment_.job = Napi::Persistent(JobObject::define(env));
    const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
      exports.Set(name, Napi::Function::New(env, function, name));
    };
    add("openStorage", openStorage);
    add("storageFromBuffer", storageFromBuffer);
    add("checkStorage", checkStorage);
    add("hashStorage", hashStorage);
    add("scanOnnx", scanOnnx);
    add("createParameters", createParameters);
    add("createGraph", createGraph);
    add("imputePixels", imputePixels);
    add("addNoise", addNoise);
    add("operations", operations);
    add("configure", configure);
    add("halt", halt);
    add("engine", engineReport);
    add("probe", probe);
    add("memory", memory);
    add("resetPeakMemory", resetPeakMemory);
  }

  Environment& environment() { return environment_; }

 private:
  Environment environment_;
};

Environment& Environment::of(Napi::Env env) { return env.GetInstanceData<AscribeAddon>()->environment(); }

}  // namespace ascribe::addon

using AscribeAddon = ascribe::addon::AscribeAddon;
NODE_API_ADDON(AscribeAddon)
