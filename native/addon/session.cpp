#include "addon/session.h"

#include "addon/environment.h"
#include "addon/util/reader.h"

namespace ascribe::addon {

Napi::Function SessionObject::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceMethod("read", &SessionObject::read), InstanceMethod("write", &SessionObject::write),
                      InstanceMethod("dispose", &SessionObject::dispose)});
}

Napi::Object SessionObject::make(Napi::Env env, std::shared_ptr<Session> session) {
  size_t bytes = 0;
  for (size_t i = 0; i < session->count(); ++i)
    bytes += static_cast<size_t>(session->shape(i).count()) * sizeOf(session->dtype(i));
  Napi::Object out = create(Environment::of(env).session.Value(), std::move(session));
  Unwrap(out)->external_.set(env, bytes);
  return out;
}

const std::shared_ptr<Session>& SessionObject::session() const {
  if (!payload()) throw Error("HANDLE_DISPOSED", "the session was disposed");
  return payload();
}

size_t SessionObject::find(Napi::Value name) const {
  if (!name.IsString()) failType("name", "a text", name);
  const std::string wanted = name.As<Napi::String>().Utf8Value();
  for (size_t i = 0; i < session()->count(); ++i)
    if (session()->name(i) == wanted) return i;
  throw Error("LAYER_NOT_FOUND", "the session has no state called " + wanted);
}

Napi::Value SessionObject::read(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const size_t index = find(info[0]);
    return makeTensor(info.Env(), session()->read(index));
  });
}

void SessionObject::write(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const size_t index = find(info[0]);
    References keep;
    const HostTensor tensor = borrowTensor(info[1], "tensor", keep);
    session()->write(index, tensor);
  });
}

void SessionObject::dispose(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    payload().reset();
    external_.release(info.Env());
  });
}

}  // namespace ascribe::addon
