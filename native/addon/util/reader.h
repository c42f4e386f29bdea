#pragma once
#include <napi.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/error.h"

namespace ascribe::addon {

/// How a value looks in a message: its type, and its text where it is short.
std::string describe(Napi::Value value);

/// "expected *what* for *name*, received *value*"
[[noreturn]] void failType(const std::string& name, const char* expected, Napi::Value received);

inline constexpr int64_t kSafeInteger = (int64_t{1} << 53) - 1;
int64_t toInteger(Napi::Value value, const std::string& name, int64_t minimum = -kSafeInteger,
                  int64_t maximum = kSafeInteger);

/// Reads the properties of one argument with exact messages. Undefined counts as absent.
class Reader {
 public:
  Reader(Napi::Value value, std::string name);

  const std::string& name() const { return name_; }
  std::string path(const char* key) const { return name_ + "." + key; }
  Napi::Object object() const { return object_; }
  Napi::Value value(const char* key) const { return object_.Get(key); }
  bool has(const char* key) const { return !value(key).IsUndefined(); }

  std::string text(const char* key) const;
  std::optional<std::string> maybeText(const char* key) const;
  /// The index into `choices` of a text that must be one of them.
  size_t choice(const char* key, const std::vector<const char*>& choices, std::optional<size_t> fallback = {}) const;
  bool boolean(const char* key, bool fallback) const;
  double number(const char* key, double fallback, double minimum, double maximum) const;
  int64_t integer(const char* key, int64_t minimum = -kSafeInteger, int64_t maximum = kSafeInteger) const;
  int64_t integer(const char* key, int64_t minimum, int64_t maximum, int64_t fallback) const;
  uint64_t unsignedBig(const char* key) const;
  std::vector<std::string> texts(const char* key) const;
  std::vector<int64_t> integers(const char* key) const;
  std::map<std::string, int64_t> integersByName(const char* key, int64_t minimum) const;
  std::vector<double> doubles(const char* key) const;
  Napi::Array array(const char* key) const;

 private:
  std::string name_;
  Napi::Object object_;
};

/// Own enumerable string keys with their values, in JavaScript's order.
std::vector<std::pair<std::string, Napi::Value>> entries(Napi::Value value, const std::string& name);

}  // namespace ascribe::addon
