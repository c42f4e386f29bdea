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

/// The calling lane has no work for now: its other threads stop waiting for it actively.
void restTeam();

/// Runs body(i) for every i in [0, parts), each on a thread of its own as long as others have not finished: bodies may
/// wait for each other. On the lane's threads where these are enough, else on threads made for the purpose.
void runConcurrently(int parts, FunctionRef<void(int)> body);

}  // namespace ascribe
