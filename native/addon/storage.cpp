#include "addon/storage.h"

#include "addon/environment.h"
#include "addon/util/reader.h"
#include "methods/hash.h"

namespace ascribe::addon {

Napi::Function StorageObject::define(Napi::Env env) { return DefineClass(env, kName, {}); }

Napi::Object StorageObject::make(Napi::Env env, std::shared_ptr<MappedFile> file) {
  const bool copied = !file->path().empty() && !file->isMapped();
  const double bytes = static_cast<double>(file->size());
  const std::string path = file->path();
  Napi::Object out = create(Environment::of(env).storage.Value(), std::move(file));
  if (copied) Unwrap(out)->external_.set(env, static_cast<size_t>(bytes));
  // Values, not accessors: see Handle.
  out.DefineProperty(Napi::PropertyDescriptor::Value("bytes", Napi::Number::New(env, bytes), napi_enumerable));
  if (!path.empty()) out.DefineProperty(Napi::PropertyDescriptor::Value("path", Napi::String::New(env, path), napi_enumerable));
  return out;
}

HostTensor toSource(Napi::Value value, const std::string& name) {
  const Reader reader(value, name);
  const auto& storage = StorageObject::from(reader.value("storage"), "storage").payload();
  const DType dtype = toStorage(reader.value("dtype"), reader.path("dtype"));
  const Shape shape = toShape(reader.value("shape"), reader.path("shape"));
  const auto offset = static_cast<uint64_t>(reader.integer("offset", 0));
  const auto length = static_cast<uint64_t>(reader.integer("bytes", 0));
  // Rows begin with a block of their own.
  if (isBlocked(dtype) && (shape.rank() == 0 || shape.at(-1) % blockOf(dtype).elements != 0))
    throw Error("FILE_CORRUPT", name + " has rows of " + shape.text() + ", which are no whole blocks of " + std::string(nameOf(dtype)));
  if (length != bytesOf(dtype, shape.count()))
    throw Error("FILE_CORRUPT", name + " has " + std::to_string(length) + " bytes, but " + std::string(nameOf(dtype)) +
                                    " " + shape.text() + " needs " + std::to_string(bytesOf(dtype, shape.count())));
  return HostTensor(dtype, shape, storage->range(offset, length).data(), storage);
}

Napi::Value openStorage(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    if (!info[0].IsString()) failType("path", "a text", info[0]);
    const Reader options(info[1], "options");
    const auto mode = options.choice("weights", {"map", "copy"}) == 0 ? MappedFile::Mode::Map : MappedFile::Mode::Copy;
    return StorageObject::make(info.Env(), MappedFile::open(info[0].As<Napi::String>().Utf8Value(), mode));
  });
}

Napi::Value storageFromBuffer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    napi_typedarray_type type{};
    size_t length = 0;
    void* data = nullptr;
    if (!info[0].IsTypedArray() ||
        napi_get_typedarray_info(info.Env(), info[0], &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint8_array)
      failType("bytes", "a Uint8Array", info[0]);
    auto pin = Environment::of(info.Env()).pin(info[0].As<Napi::Object>());
    return StorageObject::make(info.Env(), MappedFile::wrap(data, length, std::move(pin)));
  });
}

Napi::Value checkStorage(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    StorageObject::from(info[0], "storage").payload()->checkUnchanged();
    return info.Env().Undefined();
  });
}

Napi::Value hashStorage(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto job = std::make_shared<HashJob>(StorageObject::from(info[0], "storage").payload());
    JobRequest request;
    request.job = job;
    request.result = [job](Napi::Env env) { return Napi::String::New(env, job->digest()); };
    return Environment::of(info.Env()).submit(std::move(request));
  });
}

}  // namespace ascribe::addon
