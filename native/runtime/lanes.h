#pragma once
#include <functional>
#include <thread>
#include <vector>

#include "runtime/engine_configuration.h"

namespace ascribe {

/// The lane threads. Each enters a team of its own and runs `body` once; `body` returns when the lane shall
/// end.
class Lanes {
 public:
  /// Starts fewer lanes where the system refuses threads; throws only if it refuses the first.
  Lanes(const EngineConfiguration& configuration, std::function<void()> body);
  /// Joins the threads: whoever owns the body makes it return first.
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

 private:
  std::vector<std::thread> threads_;
};

}  // namespace ascribe
