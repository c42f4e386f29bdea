#include "addon/environment.h"

#include "addon/job.h"

namespace ascribe::addon {

/// What lanes write and the JavaScript thread reads. One message at a time is under way for each job, so that
/// progress coalesces while the event loop is busy.
struct Environment::Mailbox {
  std::mutex mutex;
  bool posted = false;
  bool settled = false;
  std::optional<Progress> progress;
  std::optional<Error> error;
};

struct Environment::Pending {
  explicit Pending(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise::Deferred deferred;
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();
  std::function<Napi::Value(Napi::Env)> result;
  Napi::FunctionReference onProgress;
  /// What onProgress threw: the promise rejects with it.
  std::optional<Napi::Error> thrown;
  References keep;
  JobHandle handle;
};

/// The way from other threads to this environment's thread: posts a number, until it is closed.
class Environment::Channel {
 public:
  explicit Channel(Environment* owner) {
    const Napi::Env env = owner->env_;
    if (napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "ascribe"), 0, 1, nullptr, nullptr, owner,
                                        &Environment::onMessage, &function_) != napi_ok)
      throw Napi::Error::New(env);
    napi_unref_threadsafe_function(env, function_);
  }

  void post(uint64_t number) {
    const std::lock_guard lock(mutex_);
    if (function_ != nullptr)
      napi_call_threadsafe_function(function_, reinterpret_cast<void*>(static_cast<uintptr_t>(number)), napi_tsfn_nonblocking);
  }

  /// Running jobs keep the event loop alive, an idle engine does not. On the JavaScript thread.
  void keepAlive(napi_env env, bool on) {
    if (function_ == nullptr) return;
    on ? napi_ref_threadsafe_function(env, function_) : napi_unref_threadsafe_function(env, function_);
  }

  void close() {
    const std::lock_guard lock(mutex_);
    if (function_ != nullptr) napi_release_threadsafe_function(function_, napi_tsfn_abort);
    function_ = nullptr;
  }

 private:
  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;
};

namespace {
EnvironmentId nextEnvironment() {
  static std::atomic<EnvironmentId> counter{1};
  return counter++;
}
}  // namespace

Environment::Environment(Napi::Env env) : env_(env), id_(nextEnvironment()), channel_(std::make_shared<Channel>(this)) {
  Engine::instance().acquire(id_);
  // After the thread-safe function, whose own hook must run later: hooks run in reverse order.
  napi_add_env_cleanup_hook(env, &Environment::onCleanup, this);
}

Environment::~Environment() = default;

void Environment::onCleanup(void* self) { static_cast<Environment*>(self)->close(); }

void Environment::close() {
  if (closed_) return;
  closed_ = true;
  // No callback of this environment's jobs runs after release.
  Engine::instance().release(id_);
  channel_->close();
  pending_.clear();
  pins_.clear();
}

std::shared_ptr<const void> Environment::pin(Napi::Object object) {
  const uint64_t number = next_++;
  pins_[number] = Napi::Persistent(object);
  return {static_cast<const void*>(this), [channel = channel_, number](const void*) { channel->post(number); }};
}

Napi::Value Environment::submit(JobRequest request) {
  auto owned = std::make_unique<Pending>(env_);
  Pending& pending = *owned;
  pending.result = std::move(request.result);
  if (!request.onProgress.IsEmpty()) pending.onProgress = Napi::Persistent(request.onProgress);
  pending.keep = std::move(request.keep);

  const uint64_t number = next_++;
  const auto post = [channel = channel_, mailbox = pending.mailbox, number](auto&& change) {
    {
      const std::lock_guard lock(mailbox->mutex);
      change(*mailbox);
      if (mailbox->posted) return;
      mailbox->posted = true;
    }
    channel->post(number);
  };
  SubmitOptions options;
  options.environment = id_;
  options.weight = request.weight;
  if (!pending.onProgress.IsEmpty())
    options.onProgress = [post](const Progress& progress) { post([&](Mailbox& box) { box.progress = progress; }); };
  options.onSettled = [post](const Error* error) {
    post([&](Mailbox& box) {
      box.settled = true;
      if (error != nullptr) box.error = *error;
    });
  };

  pending_.emplace(number, std::move(owned));
  if (pending_.size() == 1) channel_->keepAlive(env_, true);
  try {
    pending.handle = Engine::instance().submit(std::move(request.job), std::move(options));
  } catch (...) {
    pending_.erase(number);
    if (pending_.empty()) channel_->keepAlive(env_, false);
    throw;
  }
  Napi::Object out = JobObject::create(job.Value(), pending.handle);
  out.Set("promise", pending.deferred.Promise());
  return out;
}

void Environment::onMessage(napi_env env, napi_value, void* context, void* data) {
  if (env == nullptr) return;  // the channel is closing
  auto& self = *static_cast<Environment*>(context);
  const Napi::HandleScope scope(env);
  try {
    self.deliver(static_cast<uint64_t>(reinterpret_cast<uintptr_t>(data)));
  } catch (...) {
    // Only a terminating environment refuses what `deliver` does; there is nobody left to tell.
  }
}

void Environment::deliver(uint64_t number) {
  const auto found = pending_.find(number);
  if (found == pending_.end()) {
    pins_.erase(number);
    return;
  }
  Pending& pending = *found->second;
  std::optional<Progress> progress;
  std::optional<Error> error;
  bool settled = false;
  {
    const std::lock_guard lock(pending.mailbox->mutex);
    pending.mailbox->posted = false;
    progress = std::exchange(pending.mailbox->progress, std::nullopt);
    settled = pending.mailbox->settled;
    error = pending.mailbox->error;
  }
  if (progress) reportProgress(pending, *progress);
  if (!settled) return;
  // Out of the table first: whatever fails below, the job is over. (Not through `found`: onProgress may have submitted
  // jobs, which moves the table.)
  const auto owned = pending_.extract(number);
  if (pending_.empty()) channel_->keepAlive(env_, false);
  settle(*owned.mapped(), error);
}

void Environment::reportProgress(Pending& pending, const Progress& progress) {
  if (pending.thrown) return;
  try {
    pending.onProgress.Call({Napi::Number::New(env_, progress.done), Napi::Number::New(env_, progress.total)});
  } catch (const Napi::Error& error) {
    pending.thrown = error;
    pending.handle.cancel();
  }
}

void Environment::settle(Pending& pending, const std::optional<Error>& error) {
  if (pending.thrown) {
    pending.deferred.Reject(pending.thrown->Value());
  } else if (error) {
    pending.deferred.Reject(toJavaScript(env_, *error).Value());
  } else {
    Napi::Value value;
    try {
      value = guarded(env_, [&] { return pending.result(env_); });
    } catch (const Napi::Error& failure) {
      pending.deferred.Reject(failure.Value());
      return;
    }
    pending.deferred.Resolve(value);
  }
}

}  // namespace ascribe::addon
