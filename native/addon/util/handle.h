#pragma once
#include <napi.h>

#include <string>
#include <utility>

#include "runtime/error.h"

namespace ascribe::addon {

/// An opaque JavaScript handle over native data of type `Payload`.
///
/// Handles are only made by native code: the constructor takes its payload from a slot that `create` fills, so a
/// constructor found through a prototype chain throws. Each class has its own type tag, and arguments are checked
/// for it before they are unwrapped: a wrong object throws and never reaches foreign memory. (Methods are safe
/// without: N-API gives them a V8 signature. Accessors have none, therefore handles have no accessors.)
template <class Derived, class Payload>
class Handle : public Napi::ObjectWrap<Derived> {
 public:
  explicit Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Derived>(info) {
    if (pending() == nullptr)
      throw Napi::TypeError::New(info.Env(), std::string(Derived::kName) + " cannot be constructed directly");
    payload_ = std::move(*pending());
    pending() = nullptr;
    info.This().As<Napi::Object>().TypeTag(&Derived::kTag);
  }

  static Napi::Object create(Napi::Function constructor, Payload payload) {
    pending() = &payload;
    try {
      return constructor.New({});
    } catch (...) {
      pending() = nullptr;
      throw;
    }
  }

  /// The handle behind an argument. Throws OPTION_TYPE for anything else.
  static Derived& from(Napi::Value value, const char* argument) {
    if (value.IsObject() && !value.IsFunction()) {
      const auto object = value.As<Napi::Object>();
      if (object.CheckTypeTag(&Derived::kTag)) return *Derived::Unwrap(object);
    }
    throw Error("OPTION_TYPE", "expected a native " + std::string(Derived::kName) + " for " + argument);
  }

  Payload& payload() { return payload_; }
  const Payload& payload() const { return payload_; }

 private:
  /// Per thread, and so per environment: an environment lives on one thread.
  static Payload*& pending() {
    thread_local Payload* slot = nullptr;
    return slot;
  }
  Payload payload_{};
};

/// Keeps V8 informed of native bytes that a handle holds, so that the collector knows what it would free.
class ExternalBytes {
 public:
  ExternalBytes() = default;
  ExternalBytes(const ExternalBytes&) = delete;
  ExternalBytes& operator=(const ExternalBytes&) = delete;

  void set(Napi::BasicEnv env, size_t bytes) {
    const auto change = static_cast<int64_t>(bytes) - static_cast<int64_t>(bytes_);
    if (change != 0) Napi::MemoryManagement::AdjustExternalMemory(env, change);
    bytes_ = bytes;
  }
  void release(Napi::BasicEnv env) { set(env, 0); }

 private:
  size_t bytes_ = 0;
};

}  // namespace ascribe::addon
