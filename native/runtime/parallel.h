#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

namespace ascribe {

/// A non-owning reference to a callable; it must outlive the call it is passed to.
template <class Signature>
class FunctionRef;
template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>) FunctionRef(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* o, A... a) -> R { return (*static_cast<std::remove_reference_t<F>*>(o))(a...); }) {}
  R operator()(A... a) const { return call_(object_, a...); }

 private:
  void* object_;
  R (*call_)(void*, A...);
};

/// Threads that the calling lane may use, the caller included. 1 outside a lane.
int parallelWidth();

/// Runs body(begin, end) over [0, count) on the calling lane's threads and returns when all are done.
/// The partition is static (it depends on count, grain and width alone), so results are bit-equal
/// for equal widths. A range is never smaller than `grain` unless count is. `body` must not throw.
void parallelFor(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t)> body);

/// Runs body(context, i) for every i in [0, threads) exactly once, on up to `threads` threads with the caller
/// among them, and returns when all are done.
using ParallelBackend = void (*)(int threads, void (*body)(void* context, int index), void* context);

/// Lets a backend library's own thread team (OpenMP's, for oneDNN) run our regions too, so that a lane never
/// has two teams fighting for its cores. nullptr goes back to the lane's own threads. Partitions stay the
/// same.
void setParallelBackend(ParallelBackend backend);

}  // namespace ascribe
