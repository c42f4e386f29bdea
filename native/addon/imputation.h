#pragma once
#include <napi.h>

namespace ascribe::addon {

/// Pictures without their first pixels, filled from what is left; see ImputationJob.
Napi::Value imputePixels(const Napi::CallbackInfo& info);

}  // namespace ascribe::addon
