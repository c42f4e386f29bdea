#include "runtime/cuda_library.h"

#include <cstdlib>
#include <string_view>

#include "runtime/engine.h"

namespace ascribe {
namespace {

struct Opened {
  const AscribeCudaTable* table = nullptr;
  int devices = 0;
  bool hardware = false;
  BackendReport report;
};

Opened open() {
  Opened opened;
  const BackendSearch search{"cuda", "ASCRIBE_CUDA_BACKEND", "libascribe_cuda.so", ASCRIBE_CUDA_ENTRY};
  void* entry = openBackend(search, opened.report);
  if (entry == nullptr) return opened;
  char message[256] = "unknown reason";
  const auto refuse = [&](const std::string& why) {
    opened.report.tried.push_back(opened.report.path + ": " + why);
    return opened;
  };
  const AscribeCudaTable* table = reinterpret_cast<AscribeCudaEntry>(entry)(message, sizeof message);
  if (table == nullptr) return refuse(std::string("does not start: ") + message);
  if (table->abi != ASCRIBE_CUDA_ABI || table->table_bytes != sizeof(AscribeCudaTable)) return refuse("has another table than this build needs");
  opened.report.version = table->version;
  opened.devices = table->device_count(message, sizeof message);
  if (opened.devices == 0) return refuse(message);
  AscribeCudaInformation information{};
  if (table->information(0, &information, message, sizeof message) != ASCRIBE_OK) return refuse(message);
  opened.hardware = information.major > 0;
  opened.report.available = true;
  opened.report.isa = std::string(information.name) + ", compute capability " + std::to_string(information.major) + "." + std::to_string(information.minor);
  opened.table = table;
  Engine::haltLanesBeforeStaticDestructors();
  return opened;
}

const Opened& opened() {
  static const auto* once = new Opened(open());
  return *once;
}

}  // namespace

const AscribeCudaTable* cuda() { return opened().table; }
int cudaDevices() { return opened().table == nullptr ? 0 : opened().devices; }
bool cudaIsHardware() { return opened().table != nullptr && opened().hardware; }

std::string automaticDevice() {
  const char* chosen = std::getenv("ASCRIBE_DEVICE");
  if (chosen != nullptr && *chosen != '\0' && std::string_view(chosen) != "auto") return chosen;
  return cudaIsHardware() ? "cuda:0" : "cpu";
}
const BackendReport& cudaReport() { return opened().report; }

}  // namespace ascribe
