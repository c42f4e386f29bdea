#include <set>
#include <sstream>

#include "autodiff/vjp.h"
#include "graph/op.h"
#include "op_cases/derivatives.h"
#include "op_cases/driver_support.h"
#include "op_cases/drivers.h"

namespace ascribe::test {
namespace {

const char* className(OpClass opClass) {
  switch (opClass) {
    case OpClass::Bilinear: return "bilinear";
    case OpClass::Primitive: return "primitive";
    default: return "composite";
  }
}

template <class Items>
std::string list(const Items& items) {
  std::string out = "[";
  for (const auto& item : items) out += std::string(out.size() > 1 ? "," : "") + "\"" + std::string(item) + "\"";
  return out + "]";
}

/// Element types of the first operand of the cases that a backend takes.
std::set<std::string> typesOn(std::string_view backend, const std::vector<const OpCase*>& cases) {
  std::set<std::string> out;
  for (const OpCase* test : cases) {
    const std::vector<HostTensor> operands = operandsOf(*test);
    const CaseGraph graph = graphOf(*test, operands, false);
    if (!kernelOf(backend, graph, operands, std::vector<bool>(operands.size(), false))) continue;
    out.emplace(nameOf(operands[0].dtype()));
  }
  return out;
}

/// What the reverse walk makes of the op: "rule", "decomposition", "zero" (carries none by nature) or "none".
const char* derivativeOf(const std::string& name) {
  if (findVjp(name)) return "rule";
  if (findDecomposition(name)) return "decomposition";
  return carriesNoGradient(name) ? "zero" : "none";
}

std::string row(const OpSchema& schema, const std::vector<const OpCase*>& cases) {
  std::ostringstream out;
  int differentiated = 0, twice = 0;
  for (const OpCase* test : cases) {
    differentiated += test->derivatives == Derivatives::First || test->derivatives == Derivatives::Second;
    twice += test->derivatives == Derivatives::Second;
  }
  const bool has = hasDerivative(schema.name);
  out << "{\"op\":\"" << schema.name << "\",\"class\":\"" << className(schema.opClass) << "\",\"view\":" << (schema.view ? "true" : "false")
      << ",\"derivative\":\"" << derivativeOf(schema.name) << "\",\"differentiated\":" << (has ? differentiated : 0)
      << ",\"differentiatedTwice\":" << (has ? twice : 0) << ",\"cases\":" << cases.size() << ",\"backends\":{";
  bool first = true;
  std::vector<std::string_view> backends = fastBackends(schema.name);
  backends.push_back("reference");
  for (const std::string_view backend : backends) {
    const std::set<std::string> types = typesOn(backend, cases);
    if (types.empty()) continue;
    out << (first ? "" : ",") << "\"" << backend << "\":" << list(types);
    first = false;
  }
  out << "}}";
  return out.str();
}

}  // namespace

std::string opTable() {
  std::string out = "[\n";
  for (const OpSchema* schema : allOps()) {
    if (isDrivenElsewhere(schema->name)) continue;
    out += (out.size() > 2 ? ",\n" : "") + row(*schema, casesByOp().at(schema->name));
  }
  return out + "\n]\n";
}

}  // namespace ascribe::test
