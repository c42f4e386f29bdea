#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <vector>

#include "harness.h"
#include "op_cases/drivers.h"

namespace ascribe::test {
namespace {

struct Case {
  std::string name;
  std::function<void()> body;
};

// A function-local static: registrations run before main in an order that nobody controls.
std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

int failuresOfTest = 0;

bool isFolder(const std::string& path) {
  struct stat info {};
  return !path.empty() && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

/// Runs one test; +1 passed, 0 skipped, -1 failed.
int runCase(const Case& test) {
  failuresOfTest = 0;
  const auto start = std::chrono::steady_clock::now();
  try {
    test.body();
  } catch (const Skipped& skipped) {
    if (failuresOfTest == 0) {
      std::printf("skip  %s: %s\n", test.name.c_str(), skipped.what());
      return 0;
    }
  } catch (const Error& error) {
    fail(test.name.c_str(), 0, std::string("unexpected ") + error.code() + ": " + error.what());
  } catch (const std::exception& error) {
    fail(test.name.c_str(), 0, std::string("unexpected exception: ") + error.what());
  }
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  std::printf("%s  %s (%.1f ms)\n", failuresOfTest == 0 ? "ok  " : "FAIL", test.name.c_str(), ms);
  std::fflush(stdout);
  return failuresOfTest == 0 ? 1 : -1;
}

}  // namespace

Registration::Registration(const char* file, const char* name, void (*body)()) {
  std::string stem(file);
  stem = stem.substr(stem.find_last_of('/') + 1);
  stem = stem.substr(0, stem.find_last_of('.'));
  cases().push_back({stem + "/" + name, body});
}

void addTest(std::string name, std::function<void()> body) { cases().push_back({std::move(name), std::move(body)}); }

void fail(const char* file, int line, const std::string& message) {
  ++failuresOfTest;
  std::printf("  %s:%d: %s\n", file, line, message.c_str());
}

std::string sharedData() {
  if (const char* folder = std::getenv("ASCRIBE_SHARED_DATA")) return isFolder(folder) ? folder : "";
  for (const char* folder : {"../shared/data", "../../shared/data", "../../../shared/data"}) {
    if (isFolder(folder)) return folder;
  }
  return "";
}

}  // namespace ascribe::test

int main(int argc, char** argv) {
  using namespace ascribe::test;
  std::string filter;
  bool listOnly = false, speed = false, table = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--list") {
      listOnly = true;
    } else if (argument == "--table") {
      table = true;
    } else if (argument == "--speed") {
      speed = true;
      if (i + 1 < argc) filter = argv[++i];
    } else if (argument == "--filter" && i + 1 < argc) {
      filter = argv[++i];
    } else if (argument.rfind("--filter=", 0) == 0) {
      filter = argument.substr(9);
    } else {
      std::fprintf(stderr, "usage: %s [--list] [--filter TEXT] [--speed [OP]] [--table]\n", argv[0]);
      return 2;
    }
  }
  // Where the build puts the backend library; without this its tests would be skipped and nobody would notice.
  const auto built = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "Release" / "libascribe_onednn.so";
  if (std::filesystem::exists(built)) setenv("ASCRIBE_ONEDNN_BACKEND", built.c_str(), 0);
  // A GPU's library where a driver is, else the emulation; a choice of the caller's stands above both.
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const auto hardware = folder / "Release" / "libascribe_cuda.so", emulation = folder / "libascribe_cuda_emulation.so";
  const bool driver = std::filesystem::exists("/dev/nvidia0") && std::filesystem::exists(hardware);
  if (driver || std::filesystem::exists(emulation)) setenv("ASCRIBE_CUDA_BACKEND", (driver ? hardware : emulation).c_str(), 0);
  // Tests are of the processor, also where there is a GPU; those of devices name theirs.
  setenv("ASCRIBE_DEVICE", "cpu", 0);
  if (table) {
    std::fputs(opTable().c_str(), stdout);
    return 0;
  }
  if (speed) {
    measureOpCases(filter);
    return 0;
  }
  registerOpCaseTests();
  std::sort(cases().begin(), cases().end(), [](const Case& a, const Case& b) { return a.name < b.name; });
  int passed = 0, failed = 0, skipped = 0;
  for (const Case& test : cases()) {
    if (!filter.empty() && test.name.find(filter) == std::string::npos) continue;
    if (listOnly) {
      std::printf("%s\n", test.name.c_str());
      continue;
    }
    const int outcome = runCase(test);
    (outcome > 0 ? passed : outcome < 0 ? failed : skipped) += 1;
  }
  if (listOnly) return 0;
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  // A filter that matches nothing is a mistake of the caller, not a success.
  if (passed + failed + skipped == 0) {
    std::fprintf(stderr, "no test matches '%s'\n", filter.c_str());
    return 1;
  }
  return failed == 0 ? 0 : 1;
}
