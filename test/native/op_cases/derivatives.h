#pragma once
#include "autodiff_support.h"
#include "op_cases/op_case.h"

namespace ascribe::test {

/// A case in double as a function of the operands that are differentiated.
struct Differentiated {
  std::vector<HostTensor> inputs;
  std::vector<bool> smooth;
  Body body;
};
Differentiated differentiated(const OpCase& test);

/// The op has a derivative: a rule, or a decomposition into ops that have.
bool hasDerivative(const std::string& op);
/// The reverse walk in double against dual numbers (1e-10) and central differences; then the same for the gradient,
/// which is a function again.
void checkDerivatives(const OpCase& test);
/// The gradient lowered and run in f32 by the fast backends, against the same in double.
void checkLoweredGradient(const OpCase& test);

}  // namespace ascribe::test
