#pragma once
#include <string>
#include <vector>

namespace ascribe {

struct CpuInformation {
  std::string model;                  // as the system names it
  std::vector<std::string> features;  // those that our kernels ask for
  std::string isa;                    // "baseline", "neon", "avx2" or "avx512": the best that ASCRIBE_MAX_ISA leaves
};
CpuInformation cpuInformation();

}  // namespace ascribe
