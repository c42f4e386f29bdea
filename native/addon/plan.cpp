#include "addon/plan.h"

#include "addon/environment.h"
#include "addon/plan_description.h"
#include "addon/requests.h"
#include "methods/gradient_ensemble.h"
#include "methods/path_walk.h"
#include "methods/rows_job.h"
#include "methods/run_job.h"
#include "methods/shared_path.h"

namespace ascribe::addon {

Napi::Function PlanObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceMethod("describe", &PlanObject::describe), InstanceMethod("dump", &PlanObject::dump),
                      InstanceMethod("run", &PlanObject::run), InstanceMethod("rows", &PlanObject::rows),
                      InstanceMethod("ensemble", &PlanObject::ensemble), InstanceMethod("walk", &PlanObject::walk),
                      InstanceMethod("dispose", &PlanObject::dispose)});
}

Napi::Object PlanObject::make(Napi::Env env, std::shared_ptr<const Plan> plan) {
  const size_t bytes = plan->weightBytes();
  Napi::Object out = create(Environment::of(env).plan.Value(), std::move(plan));
  Unwrap(out)->external_.set(env, bytes);
  return out;
}

const std::shared_ptr<const Plan>& PlanObject::plan() const {
  if (!payload()) throw Error("HANDLE_DISPOSED", "the plan was disposed");
  return payload();
}

Napi::Value PlanObject::describe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value { return describePlan(info.Env(), *plan()); });
}

Napi::Value PlanObject::dump(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value { return Napi::String::New(info.Env(), ascribe::dump(plan()->graph())); });
}

Napi::Value PlanObject::run(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    JobRequest request;
    auto job = std::make_shared<RunJob>(readRun(plan(), info[0], info[1], request));
    request.job = job;
    request.result = [job](Napi::Env env) { return makeRunResult(env, *job); };
    return Environment::of(info.Env()).submit(std::move(request));
  });
}

Napi::Value PlanObject::rows(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    JobRequest request;
    auto job = std::make_shared<RowsJob>(readRows(plan(), info[0], info[1], request));
    request.job = job;
    request.result = [job](Napi::Env env) { return makeRowsResult(env, *job); };
    return Environment::of(info.Env()).submit(std::move(request));
  });
}

Napi::Value PlanObject::ensemble(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    JobRequest request;
    EnsembleRequest wanted = readEnsemble(plan(), info[0], info[1], request);
    const auto submit = [&](auto job) {
      request.job = job;
      request.result = [job](Napi::Env env) { return makeEnsembleResult(env, job->takeResult()); };
      return Environment::of(info.Env()).submit(std::move(request));
    };
    if (wanted.shared) return submit(std::make_shared<SharedPath>(std::move(wanted)));
    return submit(std::make_shared<GradientEnsemble>(std::move(wanted)));
  });
}

Napi::Value PlanObject::walk(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    JobRequest request;
    const auto job = makeWalk(readWalk(plan(), info[0], info[1], request));
    request.job = job;
    request.result = [job](Napi::Env env) { return makeEnsembleResult(env, job->takeResult()); };
    return Environment::of(info.Env()).submit(std::move(request));
  });
}

void PlanObject::dispose(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    payload().reset();
    external_.release(info.Env());
  });
}

}  // namespace ascribe::addon
