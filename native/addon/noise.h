#pragma once
#include <napi.h>

namespace ascribe::addon {

/// NativeAddon.addNoise.
Napi::Value addNoise(const Napi::CallbackInfo& info);

}  // namespace ascribe::addon
