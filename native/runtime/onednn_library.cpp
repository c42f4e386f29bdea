#include "runtime/onednn_library.h"

#include <cstdlib>

#include "runtime/engine.h"
#include "runtime/parallel.h"

namespace ascribe {
namespace {

void runRegion(int threads, void (*body)(void*, int), void* context) {
  runConcurrently(threads, [&](int part) { body(context, part); });
}

struct Opened {
  const AscribeOnednnTable* table = nullptr;
  BackendReport report;
};

Opened open() {
  Opened opened;
  const BackendSearch search{"onednn", "ASCRIBE_ONEDNN_BACKEND", "libascribe_onednn.so",
                             ASCRIBE_ONEDNN_ENTRY};
  void* entry = openBackend(search, opened.report);
  if (entry == nullptr) return opened;
  char message[256] = "unknown reason";
  opened.table =
      reinterpret_cast<AscribeOnednnEntry>(entry)(std::getenv("ASCRIBE_MAX_ISA"), runRegion, message, sizeof message);
  if (opened.table == nullptr) {
    opened.report.tried.push_back(opened.report.path + ": does not start: " + message);
    return opened;
  }
  opened.report.available = true;
  opened.report.version = opened.table->version;
  opened.report.isa = opened.table->isa();
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
