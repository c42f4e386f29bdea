#include "op_cases/drivers.h"

#include <algorithm>

#include "autodiff/vjp.h"
#include "graph/op.h"
#include "harness.h"
#include "op_cases/backends.h"
#include "op_cases/cuda.h"
#include "op_cases/derivatives.h"
#include "op_cases/driver_support.h"
#include "op_cases/rules.h"

namespace ascribe::test {
namespace {

template <class Check>
void onEach(const std::vector<const OpCase*>& cases, Check&& check) {
  for (const OpCase* test : cases) {
    try {
      check(*test);
    } catch (const std::exception& error) {
      fail(__FILE__, __LINE__, test->name() + ": " + error.what());
    }
  }
}

/// No op without cases, no rule without a case that differentiates.
void checkCoverage() {
  for (const OpSchema* schema : allOps()) {
    if (isDrivenElsewhere(schema->name)) continue;
    const auto found = casesByOp().find(schema->name);
    if (found == casesByOp().end()) {
      fail(__FILE__, __LINE__, schema->name + " has no op case");
      continue;
    }
    const bool isDifferentiated = std::any_of(found->second.begin(), found->second.end(), [](const OpCase* c) { return c->derivatives == Derivatives::First || c->derivatives == Derivatives::Second; });
    if (hasDerivative(schema->name) && !isDifferentiated) fail(__FILE__, __LINE__, schema->name + " has a derivative that no case checks");
    for (const OpCase* test : found->second)
      if (test->tolerance > 1e-5) fail(__FILE__, __LINE__, test->name() + " asks for less than every backend must give");
  }
  for (const auto& [name, cases] : casesByOp())
    if (!findOp(name)) fail(__FILE__, __LINE__, "cases of " + name + ", which is no op");
}

}  // namespace

void registerOpCaseTests() {
  addTest("op_cases/coverage", checkCoverage);
  for (const auto& [name, cases] : casesByOp()) {
    addTest("op_backends/" + name, [&cases = cases] { onEach(cases, checkBackends); });
    for (const KernelEntry* entry : kernelsOf(name))
      if (entry->backend == "cuda") {
        addTest("op_cuda/" + name, [&cases = cases] {
          if (!hasCuda()) throw Skipped("there is no CUDA device, nor the emulation of one");
          onEach(cases, checkCuda);
        });
        break;
      }
    if (!hasDerivative(name)) continue;
    for (const char* rules : {"deepLift", "lrp"})
      if (findVjp(name, rules))
        addTest("op_rules/" + std::string(rules) + " " + name, [&cases = cases, rules] {
          onEach(cases, [rules](const OpCase& test) {
            if (test.derivatives != Derivatives::Unchecked && test.derivatives != Derivatives::Refused) checkRules(test, rules);
          });
        });
    addTest("op_derivatives/" + name, [&cases = cases] {
      onEach(cases, [](const OpCase& test) {
        if (test.derivatives != Derivatives::Unchecked) checkDerivatives(test);
      });
    });
    addTest("op_gradients/" + name, [&cases = cases] {
      onEach(cases, [](const OpCase& test) {
        if (!test.timed && test.derivatives != Derivatives::Refused) checkLoweredGradient(test);
      });
    });
  }
}

}  // namespace ascribe::test
