#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

/// (from [1, S...], to [1, S...], position [N]) -> [N, S...]: row n is (1 - p) from + p to for p = position[n], so that 0 and 1
/// give the ends to the bit.
void interpolate(InferContext& c) {
  const Shape &from = c.shape(0), &position = c.shape(2);
  c.require(from.rank() >= 1 && from[0] == 1 && c.shape(1) == from, "the ends must be one row of the same shape each");
  c.require(position.rank() == 1, "positions must be one number for each row");
  c.require(isFloating(c.dtype(0)) && c.dtype(1) == c.dtype(0) && c.dtype(2) == c.dtype(0), "ends and positions must be floating-point numbers of one type");
  Shape out = from;
  out[0] = position[0];
  c.output(c.dtype(0), out);
}

const bool registered = [] {
  RegisterOp({.name = "interpolate", .minInputs = 3, .maxInputs = 3, .infer = interpolate});
  return true;
}();

}  // namespace
}  // namespace ascribe
