#pragma once
#include <napi.h>

#include <exception>

#include "runtime/error.h"

namespace ascribe::addon {

/// A JavaScript Error with `code` and, where there is one, `hint`; lib/native.ts makes an AscribeError of it.
Napi::Error toJavaScript(Napi::Env env, const Error& error);

/// The exception being handled as an Error: std::bad_alloc is OUT_OF_MEMORY_BUDGET, what we did not foresee INTERNAL.
Error currentError();

/// Runs `body` at the boundary: no C++ exception may reach V8, and JavaScript exceptions pass as they are.
template <class Body>
auto guarded(Napi::Env env, Body&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw toJavaScript(env, currentError());
  }
}

}  // namespace ascribe::addon
