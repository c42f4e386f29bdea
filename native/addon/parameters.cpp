#include "addon/parameters.h"

#include <cstring>

#include "addon/environment.h"
#include "addon/storage.h"
#include "addon/util/reader.h"
#include "graph/convert.h"

namespace ascribe::addon {

Napi::Function ParametersObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceMethod("list", &ParametersObject::list), InstanceMethod("read", &ParametersObject::read),
                      InstanceMethod("write", &ParametersObject::write), InstanceMethod("version", &ParametersObject::version),
                      InstanceMethod("overlay", &ParametersObject::overlay)});
}

namespace {
std::string parameterName(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) failType("name", "a text", info[0]);
  return info[0].As<Napi::String>().Utf8Value();
}
}  // namespace

Napi::Value ParametersObject::list(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const auto entries = payload()->list();
    Napi::Array out = Napi::Array::New(env, entries.size());
    for (uint32_t i = 0; i < entries.size(); ++i) {
      const HostTensor& source = entries[i].source;
      Napi::Object item = Napi::Object::New(env);
      item.Set("name", entries[i].name);
      item.Set("dtype", std::string(nameOf(source.dtype())));
      item.Set("shape", makeShape(env, source.shape()));
      item.Set("version", static_cast<double>(entries[i].version));
      item.Set("bytes", static_cast<double>(source.bytes()));
      out.Set(i, item);
    }
    return out;
  });
}

Napi::Value ParametersObject::read(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const HostTensor source = payload()->get(parameterName(info)).source;
    // Blocks are no elements of a typed array.
    if (isBlocked(source.dtype())) return makeTensor(info.Env(), convert(source, DType::F32));
    HostTensor copy(source.dtype(), source.shape());
    if (copy.bytes() != 0) std::memcpy(copy.mutableData(), source.data(), copy.bytes());
    return makeTensor(info.Env(), std::move(copy));
  });
}

void ParametersObject::write(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    References keep;  // released on return: write copies
    payload()->write(parameterName(info), borrowTensor(info[1], "tensor", keep));
  });
}

Napi::Value ParametersObject::version(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value { return Napi::Number::New(info.Env(), static_cast<double>(payload()->version())); });
}

Napi::Value ParametersObject::overlay(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    References keep;
    std::vector<std::pair<std::string, HostTensor>> replacements;
    for (const auto& [name, value] : entries(info[0], "replacements"))
      replacements.emplace_back(name, borrowTensor(value, name, keep));
    return create(Environment::of(info.Env()).parameters.Value(), payload()->overlay(replacements));
  });
}

Napi::Value createParameters(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsArray()) failType("entries", "an array", info[0]);
    const auto list = info[0].As<Napi::Array>();
    auto parameters = std::make_shared<Parameters>();
    for (uint32_t i = 0; i < list.Length(); ++i) {
      const Napi::Value entry = list.Get(i);
      const std::string name = Reader(entry, "entries[" + std::to_string(i) + "]").text("name");
      parameters->add(name, toSource(entry, "parameter " + name));
    }
    return ParametersObject::create(Environment::of(info.Env()).parameters.Value(), std::move(parameters));
  });
}

}  // namespace ascribe::addon
