#pragma once
#include <napi.h>

#include "runtime/plan.h"

namespace ascribe::addon {

Napi::Object describePlan(Napi::Env env, const Plan& plan);

}  // namespace ascribe::addon
