#pragma once
#include <chrono>

namespace ascribe {

/// How the engine uses the machine. 0 means: decide here.
struct EngineConfiguration {
  /// Jobs that run at the same time. Default 1 (ASCRIBE_LANES): one job has all cores.
  int lanes = 0;
  /// Threads of each lane. Default: usable cores (ASCRIBE_THREADS, a total) divided by the lanes.
  int threadsPerLane = 0;
  /// Added to the lane threads' niceness, 0 to 19, -1 for the default (ASCRIBE_NICENESS, else 5): the host
  /// program's event loop gets its core back at once when it wakes.
  int niceness = -1;
  /// Length of a turn.
  std::chrono::microseconds quantum{2000};

  bool operator==(const EngineConfiguration&) const = default;
};

/// Fills what is left open from the environment variables and the machine; throws OPTION_RANGE for values
/// that make no sense.
EngineConfiguration resolve(EngineConfiguration wanted);

}  // namespace ascribe
