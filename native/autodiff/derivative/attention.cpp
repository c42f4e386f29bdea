#include "autodiff/decomposition/attention.h"
#include "autodiff/rule.h"

namespace ascribe {
namespace {

void attention(VjpContext& c) {
  const Node node = c.node();
  if (c.wants(3)) return c.differentiate(decomposeAttention(c.b, node));  // the fused gradient has no place for the mask
  std::vector<ValueId> operands{c.cotangent(), c.input(0), c.input(1), c.input(2)};
  if (c.has(3)) operands.push_back(c.input(3));
  const std::vector<ValueId> gradients = c.b.nodes("attentionGrad", operands, 3, pick(node.attributes, {"scale", "causal"}));
  for (size_t i = 0; i < 3; ++i)
    if (c.wants(i)) c.gradient(i, gradients[i]);
}

const bool registered = [] {
  rule("attention", attention);
  return true;
}();

}  // namespace
}  // namespace ascribe
