#include "runtime/backends.h"

#include <algorithm>

#include "runtime/error.h"

namespace ascribe {

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
