#include "runtime/parallel.h"

#include <algorithm>
#include <atomic>

#include "runtime/team.h"

namespace ascribe {
namespace {

thread_local Team* currentTeam = nullptr;
// Set while a thread runs a part of a region, on helpers and OpenMP threads too: nested calls run serially.
thread_local bool insideRegion = false;
std::atomic<ParallelBackend> parallelBackend{nullptr};

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

void setParallelBackend(ParallelBackend backend) {
  parallelBackend.store(backend, std::memory_order_release);
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
  if (const ParallelBackend backend = parallelBackend.load(std::memory_order_acquire)) {
    backend(
        static_cast<int>(parts),
        [](void* context, int index) { (*static_cast<decltype(runPart)*>(context))(index); }, &runPart);
  } else {
    currentTeam->run(static_cast<int>(parts), runPart);
  }
}

}  // namespace ascribe
