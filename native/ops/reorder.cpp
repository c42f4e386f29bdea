#include "graph/layout.h"
#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

void reorder(InferContext& c) {
  layoutFromName(c.attributes().text("layout"));
  const int64_t axis = c.attributes().integer("channelAxis");
  c.require(axis >= 1 && axis < c.shape(0).rank(), "the channel axis is outside the shape, or leaves no batch before it");
  same(c);
}

const bool registered = [] {
  // Written by the layout pass alone: the same numbers lying otherwise.
  RegisterOp({.name = "reorder", .attributes = {requiredText("layout"), integer("channelAxis", 1)}, .infer = reorder});
  return true;
}();

}  // namespace
}  // namespace ascribe
