#pragma once
#include <napi.h>

#include <memory>

#include "addon/environment.h"
#include "methods/gradient_ensemble.h"
#include "methods/path_walk.h"
#include "methods/rows_job.h"
#include "methods/run_job.h"

namespace ascribe::addon {

/// The arguments of NativePlan.run, checked as far as they can be without running; `job` gets what the engine needs.
RunRequest readRun(std::shared_ptr<const Plan> plan, Napi::Value inputs, Napi::Value options, JobRequest& job);
Napi::Object makeRunResult(Napi::Env env, RunJob& job);

/// The arguments of NativePlan.rows.
RowsRequest readRows(std::shared_ptr<const Plan> plan, Napi::Value request, Napi::Value options, JobRequest& job);
Napi::Object makeRowsResult(Napi::Env env, RowsJob& job);

/// The arguments of NativePlan.ensemble.
EnsembleRequest readEnsemble(std::shared_ptr<const Plan> plan, Napi::Value request, Napi::Value options, JobRequest& job);
Napi::Object makeEnsembleResult(Napi::Env env, EnsembleResult result);
WalkRequest readWalk(std::shared_ptr<const Plan> plan, Napi::Value request, Napi::Value options, JobRequest& job);

}  // namespace ascribe::addon
