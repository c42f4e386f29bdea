#include "addon/util/errors.h"

#include <new>
#include <stdexcept>

namespace ascribe::addon {

Napi::Error toJavaScript(Napi::Env env, const Error& error) {
  Napi::Error out = Napi::Error::New(env, error.what());
  out.Set("code", Napi::String::New(env, error.code()));
  if (!error.hint().empty()) out.Set("hint", Napi::String::New(env, error.hint()));
  return out;
}

Error currentError() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error("OUT_OF_MEMORY_BUDGET", "the system has no more memory",
                 "Use a smaller batch, or set a memory limit so that work is cut to fit.");
  } catch (const std::length_error&) {
    return Error("OUT_OF_MEMORY_BUDGET", "a size is larger than anything that can be allocated");
  } catch (const std::exception& error) {
    return Error("INTERNAL", error.what());
  } catch (...) {
    return Error("INTERNAL", "an unknown exception");
  }
}

}  // namespace ascribe::addon
