#include "addon/util/tensor.h"

#include <cstring>

#include "addon/util/reader.h"

namespace ascribe::addon {

namespace {

constexpr size_t kExternalFrom = size_t{64} << 10;

napi_typedarray_type arrayTypeOf(DType dtype) {
  switch (dtype) {
    case DType::F64: return napi_float64_array;
    case DType::F32: return napi_float32_array;
    case DType::F16:
    case DType::BF16: return napi_uint16_array;
    case DType::I64: return napi_bigint64_array;
    case DType::I32: return napi_int32_array;
    case DType::I8: return napi_int8_array;
    default: return napi_uint8_array;
  }
}

const char* arrayNameOf(DType dtype) {
  switch (dtype) {
    case DType::F64: return "a Float64Array";
    case DType::F32: return "a Float32Array";
    case DType::F16:
    case DType::BF16: return "a Uint16Array";
    case DType::I64: return "a BigInt64Array";
    case DType::I32: return "an Int32Array";
    case DType::I8: return "an Int8Array";
    default: return "a Uint8Array";
  }
}

struct Argument {
  DType dtype;
  Shape shape;
  Napi::Object array;
  const void* data = nullptr;
};

Argument readTensor(Napi::Value value, const std::string& name) {
  if (!value.IsObject() || value.IsArray() || value.IsTypedArray())
    throw Error("INPUT_DTYPE", "expected a tensor { dtype, shape, data } for " + name + ", received " + describe(value));
  const auto object = value.As<Napi::Object>();
  Argument out{toDType(object.Get("dtype"), name + ".dtype"), toShape(object.Get("shape"), name + ".shape"), {}, nullptr};
  const Napi::Value data = object.Get("data");
  // A Node Buffer is a Uint8Array, so it is taken for u8 and bool.
  napi_typedarray_type type{};
  size_t length = 0;
  void* bytes = nullptr;
  if (!data.IsTypedArray() ||
      napi_get_typedarray_info(data.Env(), data, &type, &length, &bytes, nullptr, nullptr) != napi_ok ||
      type != arrayTypeOf(out.dtype))
    throw Error("INPUT_DTYPE", std::string("expected ") + arrayNameOf(out.dtype) + " for the data of " + name + " (" +
                                   std::string(nameOf(out.dtype)) + "), received " + describe(data));
  if (static_cast<uint64_t>(out.shape.count()) != length)
    throw Error("INPUT_SHAPE", name + " has shape " + out.shape.text() + ", which needs " + std::to_string(out.shape.count()) +
                                   " elements, but its data has " + std::to_string(length));
  if (out.dtype == DType::Bool)
    for (size_t i = 0; i < length; ++i)
      if (static_cast<const uint8_t*>(bytes)[i] > 1)
        throw Error("INPUT_VALUE", name + " is bool, but element " + std::to_string(i) + " is neither 0 nor 1");
  out.array = data.As<Napi::Object>();
  out.data = bytes;
  return out;
}

}  // namespace

DType toDType(Napi::Value value, const std::string& name) {
  if (value.IsString())
    if (const auto dtype = dtypeFromName(value.As<Napi::String>().Utf8Value())) return *dtype;
  throw Error("INPUT_DTYPE", "expected an element type for " + name + ", received " + describe(value));
}

DType toStorage(Napi::Value value, const std::string& name) {
  if (value.IsString())
    if (const auto dtype = storageFromName(value.As<Napi::String>().Utf8Value())) return *dtype;
  throw Error("INPUT_DTYPE", "expected an element type for " + name + ", received " + describe(value));
}

Shape toShape(Napi::Value value, const std::string& name) {
  if (!value.IsArray()) failType(name, "a shape", value);
  const auto list = value.As<Napi::Array>();
  if (list.Length() > Shape::kMaxRank)
    throw Error("INPUT_SHAPE", name + " has rank " + std::to_string(list.Length()) + "; at most " +
                                   std::to_string(Shape::kMaxRank) + " is supported");
  Shape out;
  for (uint32_t i = 0; i < list.Length(); ++i) out.push(toInteger(list.Get(i), name + "[" + std::to_string(i) + "]", 0));
  return out;
}

HostTensor copyTensor(Napi::Value value, const std::string& name) {
  const Argument argument = readTensor(value, name);
  HostTensor out(argument.dtype, argument.shape);
  if (out.bytes() != 0) std::memcpy(out.mutableData(), argument.data, out.bytes());
  return out;
}

HostTensor borrowTensor(Napi::Value value, const std::string& name, References& keep, size_t copyLimit) {
  const Argument argument = readTensor(value, name);
  HostTensor out(argument.dtype, argument.shape, argument.data, nullptr);
  if (out.bytes() > copyLimit) {
    keep.push_back(Napi::Persistent(argument.array));
    return out;
  }
  HostTensor copy(argument.dtype, argument.shape);
  if (copy.bytes() != 0) std::memcpy(copy.mutableData(), argument.data, copy.bytes());
  return copy;
}

Napi::Array makeShape(Napi::Env env, const Shape& shape) {
  Napi::Array out = Napi::Array::New(env, static_cast<size_t>(shape.rank()));
  for (int i = 0; i < shape.rank(); ++i) out.Set(static_cast<uint32_t>(i), static_cast<double>(shape[i]));
  return out;
}

namespace {

Napi::Value makeBuffer(Napi::Env env, HostTensor tensor) {
  const size_t bytes = tensor.bytes();
  if (bytes >= kExternalFrom) {
    auto owner = std::make_unique<HostTensor>(tensor);
    napi_value buffer = nullptr;
    const napi_status status = napi_create_external_arraybuffer(
        env, owner->mutableData(), bytes, [](napi_env, void*, void* hint) { delete static_cast<HostTensor*>(hint); },
        owner.get(), &buffer);
    if (status == napi_ok) {
      owner.release();
      return {env, buffer};
    }
    // Hosts with a memory cage (Electron) refuse external buffers.
    if (status != napi_no_external_buffers_allowed) throw Napi::Error::New(env);
  }
  auto buffer = Napi::ArrayBuffer::New(env, bytes);
  if (bytes != 0) std::memcpy(buffer.Data(), tensor.data(), bytes);
  return buffer;
}

}  // namespace

Napi::Object makeTensor(Napi::Env env, HostTensor tensor) {
  Napi::Object out = Napi::Object::New(env);
  const DType dtype = tensor.dtype();
  const Shape shape = tensor.shape();
  napi_value array = nullptr;
  const Napi::Value buffer = makeBuffer(env, std::move(tensor));
  if (napi_create_typedarray(env, arrayTypeOf(dtype), static_cast<size_t>(shape.count()), buffer, 0, &array) != napi_ok)
    throw Napi::Error::New(env);
  out.Set("dtype", Napi::String::New(env, std::string(nameOf(dtype))));
  out.Set("shape", makeShape(env, shape));
  out.Set("data", Napi::Value(env, array));
  return out;
}

}  // namespace ascribe::addon
