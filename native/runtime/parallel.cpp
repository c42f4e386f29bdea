#include "runtime/parallel.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "runtime/team.h"

namespace ascribe {
namespace {

thread_local Team* currentTeam = nullptr;
// Set while a thread runs a part of a region, on helpers too: nested calls run serially.
thread_local bool insideRegion = false;

struct RegionMark {
  RegionMark() : outer(insideRegion) { insideRegion = true; }
  ~RegionMark() { insideRegion = outer; }
  bool outer;
};

}  // namespace

TeamScope::TeamScope(Team& team) : previous_(currentTeam) {
  currentTeam = &team;
}
TeamScope::~TeamScope() {
  currentTeam = previous_;
}

int parallelWidth() {
  return currentTeam == nullptr || insideRegion ? 1 : currentTeam->width();
}

void parallelFor(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  if (count <= 0) return;
  const int64_t parts = std::min<int64_t>(parallelWidth(), count / std::max<int64_t>(grain, 1));
  if (parts <= 1) {
    body(0, count);
    return;
  }
  const int64_t base = count / parts, extra = count % parts;
  auto runPart = [&](int64_t part) noexcept {
    const RegionMark mark;
    const int64_t begin = part * base + std::min(part, extra);
    body(begin, begin + base + (part < extra ? 1 : 0));
  };
  currentTeam->run(static_cast<int>(parts), runPart);
}

void restTeam() {
  if (currentTeam != nullptr) currentTeam->rest();
}

void runConcurrently(int parts, FunctionRef<void(int)> body) {
  auto runPart = [&](int part) noexcept {
    const RegionMark mark;
    body(part);
  };
  if (currentTeam != nullptr && !insideRegion && parts <= currentTeam->threads()) {
    currentTeam->run(parts, runPart);
    return;
  }
  std::vector<std::jthread> threads;
  for (int part = 1; part < parts; ++part) threads.emplace_back(runPart, part);
  runPart(0);
}

}  // namespace ascribe
