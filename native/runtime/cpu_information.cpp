#include "runtime/cpu_information.h"

#include <cstdlib>
#include <fstream>
#include <string_view>

namespace ascribe {

namespace {

std::string modelName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace

CpuInformation cpuInformation() {
  CpuInformation out;
  out.model = modelName();
  out.isa = "baseline";
#if defined(__x86_64__)
  __builtin_cpu_init();
  const auto note = [&](bool supported, const char* name) {
    if (supported) out.features.emplace_back(name);
    return supported;
  };
  note(__builtin_cpu_supports("sse4.2"), "sse4.2");
  bool avx2 = note(__builtin_cpu_supports("avx2"), "avx2");
  avx2 = note(__builtin_cpu_supports("fma"), "fma") && avx2;
  bool avx512 = note(__builtin_cpu_supports("avx512f"), "avx512f");
  avx512 = note(__builtin_cpu_supports("avx512bw"), "avx512bw") && avx512;
  avx512 = note(__builtin_cpu_supports("avx512dq"), "avx512dq") && avx512;
  avx512 = note(__builtin_cpu_supports("avx512vl"), "avx512vl") && avx512;
  note(__builtin_cpu_supports("avx512vnni"), "avx512vnni");
  note(__builtin_cpu_supports("avx512bf16"), "avx512_bf16");
  const char* variable = std::getenv("ASCRIBE_MAX_ISA");
  const std::string_view cap = variable != nullptr ? variable : "";
  if (avx2 && cap != "baseline") out.isa = avx512 && cap != "avx2" ? "avx512" : "avx2";
#endif
  return out;
}

}  // namespace ascribe
