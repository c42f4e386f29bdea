#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// y_n = (1 - p_n) from + p_n to: each end gets its share of every row's cotangent, a position what the way between the
/// ends makes of it.
void interpolate(VjpContext& c) {
  const int rank = c.outputShape().rank();
  const Term g = cotangent(c), from = operand(c, 0), to = operand(c, 1);
  std::vector<int64_t> behind, summed;
  for (int64_t axis = 1; axis < rank; ++axis) behind.push_back(axis), summed.push_back(axis + 1);
  const Term p = unsqueeze(operand(c, 2), behind);
  if (c.wants(0)) c.gradient(0, c.b.sumTo(g * (1 - p), from, 1));
  if (c.wants(1)) c.gradient(1, c.b.sumTo(g * p, to, 1));
  if (!c.wants(2)) return;
  const Term way = g * (to - from);
  c.gradient(2, summed.empty() ? way : Term{&c.b, c.b.sum(way, summed, false)});
}

const bool registered = [] {
  rule("interpolate", interpolate);
  return true;
}();

}  // namespace
}  // namespace ascribe
