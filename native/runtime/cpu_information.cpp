#include "runtime/cpu_information.h"

#include <fstream>
#include <string_view>

#include "kernels/cpu/isa.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace ascribe {

namespace {

/// x86-64 has a name there; arm64 numbers alone, of who designed the core and which it is.
std::string modelName() {
  std::ifstream file("/proc/cpuinfo");
  std::string implementer, part;
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (line.starts_with("model name")) return line.substr(colon + 2);
    if (line.starts_with("CPU implementer")) implementer = line.substr(colon + 2);
    if (line.starts_with("CPU part")) part = line.substr(colon + 2);
  }
  return part.empty() ? "unknown" : "implementer " + implementer + ", part " + part;
}

}  // namespace

CpuInformation cpuInformation() {
  CpuInformation out;
  out.model = modelName();
  out.isa = cpu::kernels().name;
  const auto note = [&](bool supported, const char* name) {
    if (supported) out.features.emplace_back(name);
  };
#if defined(__x86_64__)
  __builtin_cpu_init();
  note(__builtin_cpu_supports("sse4.2"), "sse4.2");
  note(__builtin_cpu_supports("avx2"), "avx2");
  note(__builtin_cpu_supports("fma"), "fma");
  note(__builtin_cpu_supports("avx512f"), "avx512f");
  note(__builtin_cpu_supports("avx512bw"), "avx512bw");
  note(__builtin_cpu_supports("avx512dq"), "avx512dq");
  note(__builtin_cpu_supports("avx512vl"), "avx512vl");
  note(__builtin_cpu_supports("avx512vnni"), "avx512vnni");
  note(__builtin_cpu_supports("avx512bf16"), "avx512_bf16");
#elif defined(__aarch64__)
  note(getauxval(AT_HWCAP) & HWCAP_ASIMD, "asimd");
#endif
  return out;
}

}  // namespace ascribe
