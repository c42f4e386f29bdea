#pragma once
#include <napi.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "addon/util/errors.h"
#include "addon/util/tensor.h"
#include "runtime/engine.h"

namespace ascribe::addon {

/// What a job needs on the JavaScript side while it runs.
struct JobRequest {
  std::shared_ptr<Job> job;
  /// Makes the promise's value, on the JavaScript thread, after success.
  std::function<Napi::Value(Napi::Env)> result;
  double weight = 1;
  /// `(done, total) => void`, or empty.
  Napi::Function onProgress;
  References keep;
};

/// State of one JavaScript environment (the main thread's or a worker's): its classes and its running jobs.
///
/// Jobs run on the engine's lanes and report through one thread-safe function. Everything that touches JavaScript
/// lives in `pending_` and is only touched on this environment's thread; lanes know a job by its number. When the
/// environment goes away, its jobs are cancelled and waited for before the thread-safe function is released, so
/// nothing calls into a dead environment.
class Environment {
 public:
  explicit Environment(Napi::Env env);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  static Environment& of(Napi::Env env);

  Napi::FunctionReference storage, parameters, graph, plan, session, job;

  /// Submits the job and returns its JavaScript handle.
  Napi::Value submit(JobRequest request);

  /// Keeps a JavaScript object alive until the last copy of the result is gone, on whatever thread that happens.
  std::shared_ptr<const void> pin(Napi::Object object);

 private:
  struct Pending;
  struct Mailbox;
  class Channel;
  static void onCleanup(void* self);
  static void onMessage(napi_env env, napi_value, void* context, void* data);
  void deliver(uint64_t number);
  void reportProgress(Pending& pending, const Progress& progress);
  void settle(Pending& pending, const std::optional<Error>& error);
  void close();

  Napi::Env env_;
  EnvironmentId id_;
  std::shared_ptr<Channel> channel_;
  std::unordered_map<uint64_t, Napi::ObjectReference> pins_;
  std::unordered_map<uint64_t, std::unique_ptr<Pending>> pending_;
  uint64_t next_ = 1;
  bool closed_ = false;
};

}  // namespace ascribe::addon
