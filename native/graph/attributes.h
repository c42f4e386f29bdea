#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ascribe {

using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>>;

/// The named constants of a node. The op's schema fixes names, types and defaults, and the verifier fills the
/// defaults in, so the getters never miss on a verified graph.
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string, Attribute>> entries) : entries_(entries) {}

  bool has(std::string_view name) const { return find(name) != nullptr; }
  const Attribute* find(std::string_view name) const;
  Attributes& set(std::string_view name, Attribute value);
  int64_t integer(std::string_view name) const { return get<int64_t>(name); }
  double real(std::string_view name) const { return get<double>(name); }
  const std::string& text(std::string_view name) const { return get<std::string>(name); }
  const std::vector<int64_t>& integers(std::string_view name) const { return get<std::vector<int64_t>>(name); }
  const std::vector<double>& reals(std::string_view name) const { return get<std::vector<double>>(name); }
  const std::vector<std::pair<std::string, Attribute>>& entries() const { return entries_; }

 private:
  template <class T>
  const T& get(std::string_view name) const;
  std::vector<std::pair<std::string, Attribute>> entries_;
};

}  // namespace ascribe
