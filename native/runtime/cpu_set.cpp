#include "runtime/cpu_set.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace ascribe {
namespace {

int affinityCores() {
  // The kernel refuses a mask smaller than its own, so large machines need a larger one.
  for (int cpus = 1024; cpus <= 1 << 18; cpus *= 4) {
    cpu_set_t* set = CPU_ALLOC(cpus);
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(cpus);
    CPU_ZERO_S(bytes, set);
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

std::string firstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// Quota / period of one cgroup folder, or 0 where there is no limit.
double quotaOf(const std::string& folder) {
  std::istringstream line(firstLine(folder + "/cpu.max"));
  std::string quota;
  double period = 0;
  if (line >> quota >> period && quota != "max" && period > 0)
    return std::strtod(quota.c_str(), nullptr) / period;
  const double oldQuota = std::strtod(firstLine(folder + "/cpu.cfs_quota_us").c_str(), nullptr);
  const double oldPeriod = std::strtod(firstLine(folder + "/cpu.cfs_period_us").c_str(), nullptr);
  return oldQuota > 0 && oldPeriod > 0 ? oldQuota / oldPeriod : 0;
}

/// The tightest quota of the process's cgroup and all of its parents, or 0.
double cgroupQuota() {
  double tightest = 0;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool unified = controllers.empty();
    if (!unified && ("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    const std::string root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    std::string path = line.substr(second + 1);
    // In a container the path may name a folder that only the host sees; the root then holds our own limits.
    for (;; path = path.substr(0, path.find_last_of('/'))) {
      const double quota = quotaOf(root + (path == "/" ? "" : path));
      if (quota > 0) tightest = tightest > 0 ? std::min(tightest, quota) : quota;
      if (path.empty() || path == "/") break;
    }
  }
  return tightest;
}

}  // namespace

int usableCores() {
  static const int cores = [] {
    const int affinity = affinityCores();
    const double quota = cgroupQuota();
    return quota > 0 ? std::clamp(static_cast<int>(std::ceil(quota - 1e-6)), 1, affinity) : affinity;
  }();
  return cores;
}

}  // namespace ascribe
