#include "addon/graph.h"

#include <set>

#include "addon/environment.h"
#include "addon/graph_reader.h"
#include "addon/parameters.h"
#include "addon/plan.h"
#include "addon/session.h"
#include "addon/util/reader.h"
#include "methods/compile_job.h"
#include "methods/layers_job.h"

namespace ascribe::addon {

Napi::Function GraphObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceMethod("symbols", &GraphObject::symbols), InstanceMethod("compile", &GraphObject::compile),
                      InstanceMethod("layers", &GraphObject::layers),
                      InstanceMethod("session", &GraphObject::session)});
}

namespace {

CompileOptions readOptions(Napi::Value value) {
  const Reader reader(value, "options");
  CompileOptions out;
  out.specialise.sizes = reader.integersByName("sizes", 0);
  out.specialise.runLengths = reader.texts("runLengths");
  const auto precision = reader.choice("precision", {"f32", "f64", "bf16", "int8"}, 0);
  out.specialise.precision = precision == 1 ? DType::F64 : DType::F32;
  out.specialise.products = precision == 2 ? DType::BF16 : precision == 3 ? DType::I8 : DType::F32;
  out.specialise.train = reader.boolean("train", false);
  out.frozenParameters = reader.choice("parameters", {"frozen", "mutable"}, 0) == 0;
  out.device = reader.maybeText("device").value_or("auto");
  out.backends = reader.texts("backends");
  out.withoutPasses = reader.texts("withoutPasses");
  out.steady = reader.texts("steady");
  out.pinned = reader.texts("pinned");
  if (reader.has("recompute")) out.recompute = static_cast<size_t>(reader.integer("recompute", 0, int64_t{1} << 50));
  return out;
}

}  // namespace

Napi::Value GraphObject::symbols(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    std::set<std::string> seen;
    Napi::Array out = Napi::Array::New(info.Env());
    for (const ascribe::Value& value : payload()->values)
      for (const DeclaredDim& dim : value.declared)
        if (dim.size < 0 && seen.insert(dim.symbol).second) out.Set(out.Length(), dim.symbol);
    return out;
  });
}

Napi::Value GraphObject::layers(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    std::map<std::string, int64_t> sizes;
    for (const auto& [name, value] : entries(info[0], "sizes")) sizes[name] = toInteger(value, "sizes." + name, 0);
    auto job = std::make_shared<LayersJob>(payload(), sizes);
    JobRequest request;
    request.job = job;
    request.result = [job](Napi::Env env) {
      Napi::Array out = Napi::Array::New(env, job->layers().size());
      for (uint32_t i = 0; i < job->layers().size(); ++i) {
        const Layer& layer = job->layers()[i];
        Napi::Object item = Napi::Object::New(env);
        item.Set("name", layer.name);
        item.Set("op", layer.op);
        item.Set("dtype", std::string(nameOf(layer.type.dtype)));
        item.Set("shape", makeShape(env, layer.type.shape));
        out.Set(i, item);
      }
      return out;
    };
    return Environment::of(info.Env()).submit(std::move(request));
  });
}

Napi::Value GraphObject::compile(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto job = std::make_shared<CompileJob>(payload(), ParametersObject::from(info[0], "parameters").payload(), readOptions(info[1]));
    JobRequest request;
    request.job = job;
    request.result = [job](Napi::Env env) { return PlanObject::make(env, job->plan()); };
    return Environment::of(info.Env()).submit(std::move(request));
  });
}

Napi::Value GraphObject::session(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    std::map<std::string, int64_t> sizes;
    for (const auto& [name, value] : entries(info[0], "sizes")) sizes[name] = toInteger(value, "sizes." + name, 0);
    const std::string device = info[1].IsUndefined() ? "auto" : Reader(info[1], "options").maybeText("device").value_or("auto");
    return SessionObject::make(info.Env(), std::make_shared<Session>(*payload(), sizes, openDevice(device)));
  });
}

Napi::Value createGraph(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return GraphObject::create(Environment::of(info.Env()).graph.Value(), std::make_shared<const Graph>(readGraph(info[0])));
  });
}

}  // namespace ascribe::addon
