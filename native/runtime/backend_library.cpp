#include "runtime/backend_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <mutex>

#include "kernels/backend_abi.h"

namespace ascribe {
namespace {

struct Folders {
  std::mutex mutex;
  std::vector<std::string> added;
};
Folders& folders() {
  static auto* all = new Folders;
  return *all;
}

/// The folder of the file that this code was loaded from: the addon, or a test program.
std::string ownFolder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&addBackendFolder), &info) == 0 || info.dli_fname == nullptr)
    return ".";
  const std::string path = info.dli_fname;
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

/// The entry function, or null and the reason.
void* openFile(const std::string& path, const std::string& entry, std::string& reason) {
  if (access(path.c_str(), F_OK) != 0) {
    reason = "no such file";
    return nullptr;
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    // The dynamic linker names the missing dependency or symbol.
    const char* text = dlerror();
    reason = std::string("does not load: ") + (text == nullptr ? "unknown reason" : text);
    return nullptr;
  }
  const auto abi = reinterpret_cast<AscribeAbiEntry>(dlsym(library, ASCRIBE_ABI_ENTRY));
  void* found = dlsym(library, entry.c_str());
  if (abi == nullptr || found == nullptr) {
    reason = "is no backend library of ascribe";
    return nullptr;
  }
  if (abi() != ASCRIBE_BACKEND_ABI) {
    reason = "has ABI " + std::to_string(abi()) + ", this build needs " + std::to_string(ASCRIBE_BACKEND_ABI);
    return nullptr;
  }
  return found;
}

}  // namespace

void addBackendFolder(const std::string& folder) {
  const std::lock_guard lock(folders().mutex);
  folders().added.push_back(folder);
}

void* openBackend(const BackendSearch& search, BackendReport& report) {
  report.name = search.name;
  std::vector<std::string> candidates;
  const char* chosen = std::getenv(search.environmentVariable.c_str());
  if (chosen != nullptr && std::string(chosen) == "none") {
    report.tried.push_back("switched off by " + search.environmentVariable);
    return nullptr;
  }
  if (chosen != nullptr && *chosen != '\0') {
    // Who names a file wants that one: a silent second choice would hide the mistake.
    candidates.push_back(chosen);
  } else {
    candidates.push_back(ownFolder() + "/" + search.fileName);
    const std::lock_guard lock(folders().mutex);
    for (const std::string& folder : folders().added) candidates.push_back(folder + "/" + search.fileName);
  }
  for (const std::string& path : candidates) {
    std::string reason;
    if (void* entry = openFile(path, search.entry, reason)) {
      report.path = path;
      return entry;
    }
    report.tried.push_back(path + ": " + reason);
  }
  return nullptr;
}

}  // namespace ascribe
