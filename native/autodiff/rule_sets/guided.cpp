#include "autodiff/rule_sets/rectifiers.h"

/// Guided backpropagation: through a rectifier passes what is positive where the rectifier was open.
/// Source: Springenberg, Dosovitskiy, Brox and Riedmiller, "Striving for simplicity" (2015), section 3.4.
namespace ascribe {
namespace {

const bool registered = [] {
  rectifierRules("guided", [](VjpContext& c) {
    const std::string gate = c.node().op->name + "Grad";
    c.gradient(0, calculus::apply(gate, positiveCotangent(c), result(c), c.attributes()));
  });
  return true;
}();

}  // namespace
}  // namespace ascribe
