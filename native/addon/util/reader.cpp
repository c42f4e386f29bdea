#include "addon/util/reader.h"

#include <cmath>

namespace ascribe::addon {

std::string describe(Napi::Value value) {
  switch (value.Type()) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number: return value.ToString().Utf8Value();
    case napi_string: {
      const std::string text = value.As<Napi::String>().Utf8Value();
      return text.size() <= 60 ? "\"" + text + "\"" : "a text of " + std::to_string(text.size()) + " bytes";
    }
    case napi_symbol: return "a symbol";
    case napi_function: return "a function";
    case napi_bigint: return "a bigint";
    default: break;
  }
  if (value.IsArray()) return "an array of length " + std::to_string(value.As<Napi::Array>().Length());
  if (value.IsTypedArray()) return "a typed array of length " + std::to_string(value.As<Napi::TypedArray>().ElementLength());
  return "an object";
}

void failType(const std::string& name, const char* expected, Napi::Value received) {
  throw Error("OPTION_TYPE", std::string("expected ") + expected + " for " + name + ", received " + describe(received));
}

int64_t toInteger(Napi::Value value, const std::string& name, int64_t minimum, int64_t maximum) {
  if (!value.IsNumber()) failType(name, "an integer", value);
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= static_cast<double>(minimum) && number <= static_cast<double>(maximum)) || number != std::trunc(number))
    throw Error("OPTION_RANGE", "expected an integer from " + std::to_string(minimum) + " to " + std::to_string(maximum) +
                                    " for " + name + ", received " + describe(value));
  return static_cast<int64_t>(number);
}

Reader::Reader(Napi::Value value, std::string name) : name_(std::move(name)) {
  if (!value.IsObject() || value.IsArray() || value.IsFunction()) failType(name_, "an object", value);
  object_ = value.As<Napi::Object>();
}

std::string Reader::text(const char* key) const {
  const Napi::Value v = value(key);
  if (!v.IsString()) failType(path(key), "a text", v);
  return v.As<Napi::String>().Utf8Value();
}

std::optional<std::string> Reader::maybeText(const char* key) const {
  return has(key) ? std::optional(text(key)) : std::nullopt;
}

size_t Reader::choice(const char* key, const std::vector<const char*>& choices, std::optional<size_t> fallback) const {
  if (fallback && !has(key)) return *fallback;
  const std::string given = text(key);
  for (size_t i = 0; i < choices.size(); ++i)
    if (given == choices[i]) return i;
  std::string list;
  for (const char* name : choices) list += (list.empty() ? "" : ", ") + std::string(name);
  throw Error("OPTION_RANGE", "expected one of " + list + " for " + path(key) + ", received \"" + given + "\"");
}

bool Reader::boolean(const char* key, bool fallback) const {
  const Napi::Value v = value(key);
  if (v.IsUndefined()) return fallback;
  if (!v.IsBoolean()) failType(path(key), "a boolean", v);
  return v.As<Napi::Boolean>().Value();
}

double Reader::number(const char* key, double fallback, double minimum, double maximum) const {
  const Napi::Value v = value(key);
  if (v.IsUndefined()) return fallback;
  if (!v.IsNumber()) failType(path(key), "a number", v);
  const double number = v.As<Napi::Number>().DoubleValue();
  if (!(number >= minimum && number <= maximum))
    throw Error("OPTION_RANGE", path(key) + " is " + describe(v) + ", which is outside its range");
  return number;
}

int64_t Reader::integer(const char* key, int64_t minimum, int64_t maximum) const {
  return toInteger(value(key), path(key), minimum, maximum);
}

int64_t Reader::integer(const char* key, int64_t minimum, int64_t maximum, int64_t fallback) const {
  return has(key) ? integer(key, minimum, maximum) : fallback;
}

uint64_t Reader::unsignedBig(const char* key) const {
  const Napi::Value v = value(key);
  if (!v.IsBigInt()) failType(path(key), "a bigint", v);
  bool lossless = false;
  const uint64_t out = v.As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) throw Error("OPTION_RANGE", path(key) + " must be from 0 to 2^64 - 1");
  return out;
}

std::vector<std::string> Reader::texts(const char* key) const {
  std::vector<std::string> out;
  if (!has(key)) return out;
  const Napi::Array list = array(key);
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value v = list.Get(i);
    if (!v.IsString()) failType(path(key) + "[" + std::to_string(i) + "]", "a text", v);
    out.push_back(v.As<Napi::String>().Utf8Value());
  }
  return out;
}

std::vector<int64_t> Reader::integers(const char* key) const {
  const Napi::Array list = array(key);
  std::vector<int64_t> out(list.Length());
  for (uint32_t i = 0; i < list.Length(); ++i) out[i] = toInteger(list.Get(i), path(key) + "[" + std::to_string(i) + "]");
  return out;
}

std::map<std::string, int64_t> Reader::integersByName(const char* key, int64_t minimum) const {
  std::map<std::string, int64_t> out;
  if (!has(key)) return out;
  for (const auto& [name, v] : entries(value(key), path(key))) out[name] = toInteger(v, path(key) + "." + name, minimum);
  return out;
}

std::vector<double> Reader::doubles(const char* key) const {
  const Napi::Value v = value(key);
  if (!v.IsTypedArray() || v.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array)
    failType(path(key), "a Float64Array", v);
  const auto list = v.As<Napi::Float64Array>();
  return {list.Data(), list.Data() + list.ElementLength()};
}

Napi::Array Reader::array(const char* key) const {
  const Napi::Value v = value(key);
  if (!v.IsArray()) failType(path(key), "an array", v);
  return v.As<Napi::Array>();
}

std::vector<std::pair<std::string, Napi::Value>> entries(Napi::Value value, const std::string& name) {
  if (!value.IsObject() || value.IsArray() || value.IsFunction()) failType(name, "an object", value);
  const auto object = value.As<Napi::Object>();
  const Napi::Array keys = object.GetPropertyNames();
  std::vector<std::pair<std::string, Napi::Value>> out;
  out.reserve(keys.Length());
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const Napi::Value key = keys.Get(i);
    Napi::Value v = object.Get(key);
    if (!v.IsUndefined()) out.emplace_back(key.ToString().Utf8Value(), v);
  }
  return out;
}

}  // namespace ascribe::addon
