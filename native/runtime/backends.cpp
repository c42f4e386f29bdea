#include "runtime/backends.h"

#include <algorithm>

#include "kernels/cpu/isa.h"
#include "runtime/error.h"

namespace ascribe {

void requireProducts(DType products, const std::vector<std::string_view>& backends) {
  if (products == DType::F32) return;
  const std::string name = products == DType::BF16 ? "bf16" : "int8";
  if (std::find(backends.begin(), backends.end(), "cpu") == backends.end() || std::find(backends.begin(), backends.end(), "cuda") != backends.end())
    throw Error("PRECISION_UNAVAILABLE", "products of " + name + " are those of the processor's own kernels", "use device cpu and its backend cpu, or leave precision at f32");
  if (products == DType::BF16) cpu::requiredBf16Kernels();
}

std::vector<std::string_view> resolveBackends(const std::vector<std::string>& requested, DType precision, const Device& device) {
  if (precision != DType::F32) return {"reference"};
  std::vector<std::string_view> known = device.backends();
  if (requested.empty()) return known;
  std::vector<std::string_view> out;
  for (const std::string& name : requested) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      std::string all;
      for (const std::string_view each : known) all += (all.empty() ? "" : ", ") + std::string(each);
      throw Error("BACKEND_UNAVAILABLE", "no kernel backend of the device " + device.name() + " is called " + name, "its backends are " + all);
    }
    out.push_back(*found);
  }
  return out;
}

}  // namespace ascribe
