#include "graph/attributes.h"

#include "runtime/error.h"

namespace ascribe {

const Attribute* Attributes::find(std::string_view name) const {
  for (const auto& [key, value] : entries_)
    if (key == name) return &value;
  return nullptr;
}

Attributes& Attributes::set(std::string_view name, Attribute value) {
  for (auto& [key, old] : entries_)
    if (key == name) {
      old = std::move(value);
      return *this;
    }
  entries_.emplace_back(name, std::move(value));
  return *this;
}

template <class T>
const T& Attributes::get(std::string_view name) const {
  const Attribute* found = find(name);
  if (!found) throw Error("INTERNAL", "attribute " + std::string(name) + " is missing");
  const T* typed = std::get_if<T>(found);
  if (!typed) throw Error("INTERNAL", "attribute " + std::string(name) + " has another type than its schema says");
  return *typed;
}

template const int64_t& Attributes::get(std::string_view) const;
template const double& Attributes::get(std::string_view) const;
template const std::string& Attributes::get(std::string_view) const;
template const std::vector<int64_t>& Attributes::get(std::string_view) const;
template const std::vector<double>& Attributes::get(std::string_view) const;

}  // namespace ascribe
