#pragma once
#include <string>
#include <thread>
#include <utility>

namespace ascribe {

/// Blocks every signal on the calling thread for the scope's lifetime. Threads inherit the mask of their
/// creator: the process's signals are for the host program's threads, never for ours.
class SignalsBlocked {
 public:
  SignalsBlocked();
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  unsigned char saved_[128];
};

/// Starts a thread that receives no signals.
template <class Body>
std::thread startThread(Body&& body) {
  const SignalsBlocked blocked;
  return std::thread(std::forward<Body>(body));
}

/// Names the calling thread (as `top -H` and debuggers show it; at most 15 characters).
void nameThread(const std::string& name);

/// Asks the system to run `thread` on any CPU of the calling thread's set except the one the caller is on now. A
/// scheduler that packs threads which have slept wakes a helper on its caller's CPU, behind the caller, and may
/// leave it there for as long as the caller computes.
void keepOffCallersCpu(std::thread& thread);

/// Adds `niceness` to the calling thread's own (not the process's). Threads it starts inherit the sum.
void addThreadNiceness(int niceness);

}  // namespace ascribe
