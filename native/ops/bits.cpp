#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

void integral(InferContext& c) {
  c.require(!isFloating(c.dtype(0)) && c.dtype(0) != DType::Bool, "needs integers");
  for (int i = 1; i < c.inputCount(); ++i) c.require(c.dtype(i) == c.dtype(0), "the operands have different element types");
  broadcasting(c);
}
void shift(InferContext& c) {
  const std::string& direction = c.attributes().text("direction");
  c.require(direction == "left" || direction == "right", "the direction is left or right");
  integral(c);
}
void bitCast(InferContext& c) {
  const auto to = dtypeFromName(c.attributes().text("to"));
  c.require(to.has_value(), "unknown element type");
  c.require(c.dtype(0) != DType::Dual && sizeOf(*to) == sizeOf(c.dtype(0)), "the two element types differ in size (in a plan of another precision floating-point numbers have not the bits of the model's)");
  c.output(*to, c.shape(0));
}

const bool registered = [] {
  for (const char* name : {"bitwiseAnd", "bitwiseOr", "bitwiseXor"})
    RegisterOp({.name = name, .minInputs = 2, .maxInputs = 2, .infer = integral});
  RegisterOp({.name = "bitwiseNot", .infer = integral});
  RegisterOp({.name = "bitShift", .minInputs = 2, .maxInputs = 2, .attributes = {requiredText("direction")}, .infer = shift});
  RegisterOp({.name = "bitCast", .attributes = {requiredText("to")}, .infer = bitCast});
  return true;
}();

}  // namespace
}  // namespace ascribe
