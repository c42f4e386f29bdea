#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// Noise does not move with what it is added to.
void addNoise(VjpContext& c) {
  if (c.wants(0)) c.gradient(0, c.b.sumTo(cotangent(c), operand(c, 0), 1));
}

const bool registered = [] {
  rule("addNoise", addNoise);
  return true;
}();

}  // namespace
}  // namespace ascribe
