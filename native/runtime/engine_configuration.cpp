#include "runtime/engine_configuration.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/cpu_set.h"
#include "runtime/error.h"

namespace ascribe {
namespace {

constexpr int mostThreads = 1024;

int bounded(const std::string& name, int value, int least, int most) {
  if (value < least || value > most) {
    throw Error("OPTION_RANGE", name + " must be between " + std::to_string(least) + " and " +
                                    std::to_string(most) + ", not " + std::to_string(value));
  }
  return value;
}

int fromEnvironment(const char* name, int least, int most, int fallback) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return fallback;
  int value = 0;
  const char* end = text + std::strlen(text);
  if (const auto parsed = std::from_chars(text, end, value); parsed.ec != std::errc{} || parsed.ptr != end) {
    throw Error("OPTION_RANGE", std::string("the environment variable ") + name +
                                    " must be an integer, not '" + std::string(text).substr(0, 40) + "'");
  }
  return bounded(name, value, least, most);
}

}  // namespace

EngineConfiguration resolve(EngineConfiguration wanted) {
  if (wanted.lanes == 0) wanted.lanes = fromEnvironment("ASCRIBE_LANES", 1, mostThreads, 1);
  bounded("lanes", wanted.lanes, 1, mostThreads);
  if (wanted.threadsPerLane == 0) {
    const int total = fromEnvironment("ASCRIBE_THREADS", 1, mostThreads, usableCores());
    wanted.threadsPerLane = std::max(1, total / wanted.lanes);
  }
  bounded("threadsPerLane", wanted.threadsPerLane, 1, mostThreads / wanted.lanes);
  if (wanted.niceness == -1) wanted.niceness = fromEnvironment("ASCRIBE_NICENESS", 0, 19, 5);
  bounded("niceness", wanted.niceness, 0, 19);
  bounded("quantum in microseconds", static_cast<int>(std::min<int64_t>(wanted.quantum.count(), 1 << 30)),
          100, 1000000);
  return wanted;
}

}  // namespace ascribe
