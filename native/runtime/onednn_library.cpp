#include "runtime/onednn_library.h"

#include <cstdlib>

#include "runtime/engine.h"
#include "runtime/parallel.h"

namespace ascribe {
namespace {

/// libgomp reads its settings while it is loaded. By default its threads spin for milliseconds after every
/// region, which takes a core from the event loop; a short spin keeps most of the speed between two kernels.
class GompSettings {
 public:
  GompSettings() {
    for (const char* name : {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}) {
      if (std::getenv(name) != nullptr) return;
    }
    set_ = setenv("GOMP_SPINCOUNT", spinCount, 1) == 0;
  }
  ~GompSettings() {
    if (set_) unsetenv("GOMP_SPINCOUNT");
  }

 private:
  static constexpr const char* spinCount = "10000";
  bool set_ = false;
};

struct Opened {
  const AscribeOnednnTable* table = nullptr;
  BackendReport report;
};

Opened open() {
  Opened opened;
  const BackendSearch search{"onednn", "ASCRIBE_ONEDNN_BACKEND", "libascribe_onednn.so",
                             ASCRIBE_ONEDNN_ENTRY};
  const GompSettings settings;
  void* entry = openBackend(search, opened.report);
  if (entry == nullptr) return opened;
  char message[256] = "unknown reason";
  opened.table =
      reinterpret_cast<AscribeOnednnEntry>(entry)(std::getenv("ASCRIBE_MAX_ISA"), message, sizeof message);
  if (opened.table == nullptr) {
    opened.report.tried.push_back(opened.report.path + ": does not start: " + message);
    return opened;
  }
  opened.report.available = true;
  opened.report.version = opened.table->version;
  opened.report.isa = opened.table->isa();
  setParallelBackend(opened.table->parallel);
  Engine::haltLanesBeforeStaticDestructors();
  return opened;
}

const Opened& opened() {
  static const auto* once = new Opened(open());
  return *once;
}

}  // namespace

const AscribeOnednnTable* onednn() {
  return opened().table;
}
const BackendReport& onednnReport() {
  return opened().report;
}

}  // namespace ascribe
