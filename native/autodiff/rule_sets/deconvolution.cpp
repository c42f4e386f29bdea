#include "autodiff/rule_sets/rectifiers.h"

/// Deconvolution: through a rectifier passes what is positive, whatever the rectifier did.
/// Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014), section 2.1.
namespace ascribe {
namespace {

const bool registered = [] {
  rectifierRules("deconvolution", [](VjpContext& c) { c.gradient(0, positiveCotangent(c)); });
  return true;
}();

}  // namespace
}  // namespace ascribe
