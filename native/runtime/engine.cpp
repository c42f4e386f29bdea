#include "runtime/engine.h"

#include <sys/types.h>
#include <unistd.h>

#include <cstdlib>
#include <new>

#include "runtime/parallel.h"

namespace ascribe {
namespace {

constexpr std::chrono::milliseconds progressInterval{33};
constexpr std::chrono::seconds exitPatience{2};

thread_local const CancelToken* laneToken = nullptr;

std::atomic<Engine*> theEngine{nullptr};
std::atomic<pid_t> enginePid{0};
std::mutex& creation() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

/// What escaped a job, as the one error type that leaves a lane.
Error asError(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error("OUT_OF_MEMORY_BUDGET", "the system has no memory left for this work");
  } catch (const std::exception& error) {
    return Error("INTERNAL", std::string("a job failed: ") + error.what());
  } catch (...) {
    return Error("INTERNAL", "a job failed with an unknown exception");
  }
}

}  // namespace

const CancelToken* currentToken() noexcept {
  return laneToken;
}

void JobHandle::cancel() const {
  if (!record_) return;
  record_->token.cancel();
  engine_->hurry(record_);
}

void JobHandle::wake() const {
  if (record_) engine_->wake(record_);
}

double JobHandle::costSeconds() const {
  if (!record_) return 0;
  const std::lock_guard lock(engine_->mutex_);
  return record_->costSeconds;
}

Engine& Engine::instance() {
  const pid_t self = getpid();
  if (enginePid.load(std::memory_order_acquire) != self) {
    const std::lock_guard lock(creation());
    if (enginePid.load() != self) {
      // Leaked on purpose, here and in a forked child: threads may use it until the process is gone.
      theEngine.store(new Engine);
      enginePid.store(self, std::memory_order_release);
      haltLanesBeforeStaticDestructors();
    }
  }
  return *theEngine.load(std::memory_order_acquire);
}

void Engine::haltLanesBeforeStaticDestructors() {
  std::atexit([] {
    Engine* engine = theEngine.load();
    if (engine != nullptr && enginePid.load() == getpid()) engine->halt();
  });
}

Engine::Engine(const EngineConfiguration& configuration) : configuration_(resolve(configuration)) {}

Engine::~Engine() {
  Lock lock(mutex_);
  stopLanes(lock);
}

void Engine::acquire(EnvironmentId environment) {
  const std::lock_guard lock(mutex_);
  ++environments_[environment].references;
}

void Engine::release(EnvironmentId environment) {
  std::unordered_set<std::shared_ptr<JobRecord>> records;
  Lock lock(mutex_);
  const auto found = environments_.find(environment);
  if (found == environments_.end()) throw Error("INTERNAL", "an environment was released that is not known");
  if (--found->second.references > 0) return;
  for (const auto& record : found->second.records) {
    record->dropped = true;
    record->token.cancel();
    ready_.remove(record);
    if (record->state != JobRecord::State::Running) record->state = JobRecord::State::Settled;
  }
  turnEnded_.wait(lock, [&] { return found->second.running == 0; });
  // Destroyed after the lock is gone: jobs own memory, devices, callbacks.
  records = std::move(found->second.records);
  environments_.erase(found);
  if (environments_.empty()) stopLanes(lock);
  lock.unlock();
  for (const auto& record : records) {
    record->job.reset();
    record->onProgress = nullptr;
    record->onSettled = nullptr;
  }
}

void Engine::configure(const EngineConfiguration& wanted) {
  const EngineConfiguration resolved = resolve(wanted);
  Lock lock(mutex_);
  if (resolved == configuration_) return;
  for (const auto& [id, environment] : environments_) {
    if (!environment.records.empty()) {
      throw Error("OPTION_RANGE", "lanes and threads can be changed only while no job is queued or running",
                  "configure the engine before the first job, or wait for the jobs that run");
    }
  }
  stopLanes(lock);
  configuration_ = resolved;
}

EngineConfiguration Engine::configuration() const {
  const std::lock_guard lock(mutex_);
  return configuration_;
}

Engine::Statistics Engine::statistics() const {
  const std::lock_guard lock(mutex_);
  size_t all = 0;
  for (const auto& [id, environment] : environments_) all += environment.records.size();
  return {environments_.size(), ready_.size(), running_, all - ready_.size() - running_};
}

JobHandle Engine::submit(std::shared_ptr<Job> job, SubmitOptions options) {
  if (!(options.weight > 0)) throw Error("OPTION_RANGE", "a job's weight must be above 0");
  auto record = std::make_shared<JobRecord>();
  record->job = std::move(job);
  record->environment = options.environment;
  record->weight = options.weight;
  record->onProgress = std::move(options.onProgress);
  record->onSettled = std::move(options.onSettled);
  const std::lock_guard lock(mutex_);
  const auto found = environments_.find(options.environment);
  if (found == environments_.end() || found->second.references == 0) {
    throw Error("INTERNAL", "a job was submitted for an environment that is not held");
  }
  startLanes();
  found->second.records.insert(record);
  ready_.push(record);
  work_.notify_one();
  return JobHandle(this, std::move(record));
}

void Engine::wake(const std::shared_ptr<JobRecord>& record) {
  const std::lock_guard lock(mutex_);
  if (record->state == JobRecord::State::Running) {
    record->wakePending = true;
  } else if (record->state == JobRecord::State::Waiting && !record->dropped) {
    record->state = JobRecord::State::Ready;
    ready_.push(record);
    work_.notify_one();
  }
}

void Engine::hurry(const std::shared_ptr<JobRecord>& record) {
  {
    const std::lock_guard lock(mutex_);
    // A cancelled job has one short turn left: it need not wait until others have had as much time as it has.
    if (ready_.remove(record)) {
      record->virtualTime = 0;
      ready_.push(record);
    }
  }
  wake(record);
}

void Engine::startLanes() {
  if (!lanes_ && !stopping_) lanes_ = std::make_unique<Lanes>(configuration_, [this] { laneLoop(); });
}

void Engine::laneLoop() {
  Lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [&] { return stopping_ || (!halted_ && !ready_.empty()); });
    if (stopping_) return;
    const auto record = ready_.pop();
    Environment& environment = environments_.at(record->environment);
    record->state = JobRecord::State::Running;
    ++environment.running;
    ++running_;
    runTurn(record, lock);
    --environment.running;
    --running_;
    turnEnded_.notify_all();
  }
}

void Engine::runTurn(const std::shared_ptr<JobRecord>& record, Lock& lock) {
  record->wakePending = false;
  const auto quantum = configuration_.quantum;
  lock.unlock();
  const auto start = Slice::Clock::now();
  Slice slice(record->token, quantum, [handle = JobHandle(this, record)] { handle.wake(); });
  Job::Step step = Job::Step::More;
  std::optional<Error> error;
  laneToken = &record->token;
  try {
    slice.checkCancelled();
    step = record->job->advance(slice);
  } catch (...) {
    error = asError(std::current_exception());
  }
  laneToken = nullptr;
  if (error || step != Job::Step::More) restTeam();
  const auto now = Slice::Clock::now();
  if (slice.noted() && *slice.noted() != record->delivered) record->undelivered = slice.noted();
  const bool over = error || step == Job::Step::Done;
  // A failed job's last progress says nothing; a finished one's is delivered before its result.
  if (record->undelivered && !error && (over || now - record->lastDelivery >= progressInterval)) {
    lock.lock();
    const bool deliver = !record->dropped && record->onProgress != nullptr;
    lock.unlock();
    if (deliver) record->onProgress(*record->undelivered);
    record->delivered = *record->undelivered;
    record->undelivered.reset();
    record->lastDelivery = now;
  }
  lock.lock();
  ready_.charge(*record, std::chrono::duration<double>(now - start).count());
  if (over) {
    settle(record, error ? &*error : nullptr, lock);
  } else if (record->dropped) {
    record->state = JobRecord::State::Settled;
  } else if (step == Job::Step::Wait && !record->wakePending && !record->token.cancelled()) {
    record->state = JobRecord::State::Waiting;
  } else {
    record->state = JobRecord::State::Ready;
    ready_.requeue(record);
    // Another lane may be asleep: this one is about to take a job itself, perhaps not this one.
    if (ready_.size() > 1) work_.notify_one();
  }
}

// Still inside the turn, so release() waits for the callback and for the destruction of the job and what it
// holds.
void Engine::settle(const std::shared_ptr<JobRecord>& record, const Error* error, Lock& lock) {
  const bool deliver = !record->dropped;
  lock.unlock();
  if (deliver && record->onSettled) record->onSettled(error);
  record->job.reset();
  record->onProgress = nullptr;
  record->onSettled = nullptr;
  lock.lock();
  record->state = JobRecord::State::Settled;
  environments_.at(record->environment).records.erase(record);
}

void Engine::stopLanes(Lock& lock) {
  if (!lanes_) return;
  stopping_ = true;
  work_.notify_all();
  auto lanes = std::move(lanes_);
  lock.unlock();
  lanes.reset();
  lock.lock();
  stopping_ = false;
  // A job that another environment submitted meanwhile found no lanes to start.
  if (!ready_.empty()) startLanes();
}

void Engine::halt() {
  Lock lock(mutex_);
  halted_ = true;
  for (const auto& [id, environment] : environments_) {
    for (const auto& record : environment.records) {
      record->token.cancel();
      record->dropped = true;
    }
  }
  turnEnded_.wait_for(lock, exitPatience, [&] { return running_ == 0; });
}

}  // namespace ascribe
