#include "runtime/backends.h"

#include <algorithm>

#include "runtime/error.h"

namespace ascribe {

std::vector<std::string_view> resolveBackends(const std::vector<std::string>& requested, DType precision) {
  static constexpr std::string_view known[] = {"onednn", "cpu", "reference"};
  if (precision != DType::F32) return {"reference"};
  if (requested.empty()) return {std::begin(known), std::end(known)};
  std::vector<std::string_view> out;
  for (const std::string& name : requested) {
    const auto found = std::find(std::begin(known), std::end(known), name);
    if (found == std::end(known)) throw Error("BACKEND_UNAVAILABLE", "no kernel backend is called " + name, "the backends are onednn, cpu and reference");
    out.push_back(*found);
  }
  return out;
}

}  // namespace ascribe
