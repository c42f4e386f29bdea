#include "kernels/onednn/openmp.h"

#include <atomic>

#define ASCRIBE_OPENMP_FUNCTION extern "C" __attribute__((visibility("default")))

namespace ascribe::onednn {
namespace {

struct Region {
  void (*body)(void*);
  void* data;
  int threads;
  std::atomic<int> waiting{0};
  std::atomic<int> passed{0};  // barriers that all threads have reached
};

struct ThreadState {
  int threads = 1;  // of regions opened here
  Region* region = nullptr;
  int index = 0;
};
thread_local ThreadState self;

std::atomic<AscribeRegionRunner> regionRunner{nullptr};
std::atomic<bool> asked{false};

void runPart(void* context, int index) {
  auto& region = *static_cast<Region*>(context);
  const ThreadState outer = self;
  self.region = &region;
  self.index = index;
  region.body(region.data);
  self = outer;
}

}  // namespace

void setRegionRunner(AscribeRegionRunner runner) {
  regionRunner.store(runner);
}
void useThreads(int threads) {
  self.threads = threads;
}
bool oneDnnUsesOurRegions() {
  return asked.load();
}

}  // namespace ascribe::onednn

using namespace ascribe::onednn;

ASCRIBE_OPENMP_FUNCTION void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned) {
  const AscribeRegionRunner runner = regionRunner.load();
  // Regions inside regions are serial, as OpenMP has them by default.
  const bool serial = self.region != nullptr || runner == nullptr;
  Region region{body, data, serial ? 1 : static_cast<int>(threads == 0 ? self.threads : threads)};
  if (region.threads > 1)
    runner(region.threads, runPart, &region);
  else
    runPart(&region, 0);
}

ASCRIBE_OPENMP_FUNCTION void GOMP_barrier() {
  Region* const region = self.region;
  if (region == nullptr || region->threads == 1) return;
  const int before = region->passed.load();
  if (region->waiting.fetch_add(1) + 1 == region->threads) {
    region->waiting.store(0);
    region->passed.fetch_add(1);
    region->passed.notify_all();
  } else {
    region->passed.wait(before);
  }
}

ASCRIBE_OPENMP_FUNCTION int omp_get_max_threads() {
  asked.store(true, std::memory_order_relaxed);
  return self.threads;
}
ASCRIBE_OPENMP_FUNCTION int omp_get_num_threads() {
  return self.region == nullptr ? 1 : self.region->threads;
}
ASCRIBE_OPENMP_FUNCTION int omp_get_thread_num() {
  return self.index;
}
ASCRIBE_OPENMP_FUNCTION int omp_in_parallel() {
  return self.region != nullptr && self.region->threads > 1;
}
