#pragma once
#include <memory>

#include "addon/util/handle.h"
#include "graph/graph.h"

namespace ascribe::addon {

/// NativeGraph: a verified graph, ready to be compiled for any sizes.
class GraphObject : public Handle<GraphObject, std::shared_ptr<const Graph>> {
 public:
  static constexpr const char* kName = "Graph";
  static constexpr napi_type_tag kTag{0x35e9c2d8764b01af, 0xd17ac60f92e58b34};
  using Handle::Handle;
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value symbols(const Napi::CallbackInfo& info);
  Napi::Value layers(const Napi::CallbackInfo& info);
  Napi::Value compile(const Napi::CallbackInfo& info);
  Napi::Value session(const Napi::CallbackInfo& info);
};

Napi::Value createGraph(const Napi::CallbackInfo& info);

}  // namespace ascribe::addon
