#include <map>
#include <set>

#include "autodiff/vjp.h"
#include "runtime/error.h"

namespace ascribe {

namespace {
// Function-local: registrars of other files run in no particular order.
struct Tables {
  std::map<std::string, std::map<std::string, VjpRule, std::less<>>, std::less<>> rules;
  std::map<std::string, Decomposition, std::less<>> decompositions;
  std::set<std::string, std::less<>> noGradient;
};
Tables& tables() {
  static Tables all;
  return all;
}
}  // namespace

RegisterVjp::RegisterVjp(std::string_view op, VjpRule rule, std::string_view ruleSet) {
  if (!tables().rules[std::string(ruleSet)].emplace(op, rule).second)
    throw Error("INTERNAL", "rule set " + std::string(ruleSet) + " has two rules for " + std::string(op));
}
RegisterNoGradient::RegisterNoGradient(std::string_view op) { tables().noGradient.emplace(op); }
RegisterDecomposition::RegisterDecomposition(std::string_view op, Decomposition decomposition) {
  tables().decompositions.emplace(op, decomposition);
}

VjpRule findVjp(std::string_view op, std::string_view ruleSet) {
  const auto set = tables().rules.find(ruleSet);
  if (set == tables().rules.end()) return nullptr;
  const auto rule = set->second.find(op);
  return rule == set->second.end() ? nullptr : rule->second;
}
Decomposition findDecomposition(std::string_view op) {
  const auto found = tables().decompositions.find(op);
  return found == tables().decompositions.end() ? nullptr : found->second;
}
bool carriesNoGradient(std::string_view op) { return tables().noGradient.contains(op); }
bool ruleSetExists(std::string_view ruleSet) { return tables().rules.contains(ruleSet); }

}  // namespace ascribe
