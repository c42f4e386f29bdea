#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

void passOn(VjpContext& c) { c.gradient(0, c.cotangent()); }
/// The cotangent seen with the operand's shape.
void seenAsOperand(VjpContext& c) { c.gradient(0, c.b.reshapeLike(c.cotangent(), c.input(0), 1)); }

void transposed(VjpContext& c) {
  const std::vector<int64_t> permutation = c.attributes().integers("permutation");
  std::vector<int64_t> back(permutation.size() + 1, 0);
  for (size_t i = 0; i < permutation.size(); ++i) back[static_cast<size_t>(permutation[i]) + 1] = static_cast<int64_t>(i) + 1;
  c.gradient(0, c.b.transpose(c.cotangent(), back));
}

/// y [leading…, like…] repeated from x [leading…, s…]: what was repeated is summed.
void expandLike(VjpContext& c) {
  const int leading = static_cast<int>(c.attributes().integer("leading"));
  if (leading == 0) return c.gradientReduced(0, c.cotangent());
  const Shape x = c.shape(0), y = c.outputShape();
  const int missing = y.rank() - x.rank();
  std::vector<int64_t> axes;
  for (int i = leading; i < y.rank(); ++i)
    if (i < leading + missing || (x[i - missing] == 1 && y[i] != 1)) axes.push_back(i + 1);
  const Term g = axes.empty() ? cotangent(c) : Term{&c.b, c.b.sum(c.cotangent(), axes, true)};
  c.gradient(0, c.b.reshapeLike(g, c.input(0), 1));
}

/// Swaps depth and space of each example of each cotangent.
template <const char* const& inverse>
void rearranged(VjpContext& c) {
  const Attributes how = pick(c.attributes(), {"blockSize", "mode"});
  c.gradient(0, unfolded(c, apply(inverse, foldLeading(cotangent(c), 2), how), 0));
}
constexpr const char* kDepthToSpace = "depthToSpace";
constexpr const char* kSpaceToDepth = "spaceToDepth";

const bool registered = [] {
  rule("identity", passOn);
  rule("dropout", passOn);  // in its eval form; specialisation has replaced the other
  RegisterNoGradient{"stopGradient"};
  for (const char* name : {"reshape", "reshapeLike", "flatten", "squeeze", "unsqueeze"}) rule(name, seenAsOperand);
  rule("transpose", transposed);
  rule("expand", [](VjpContext& c) { c.gradientReduced(0, c.cotangent()); });
  rule("expandLike", expandLike);
  rule("trilu", [](VjpContext& c) { c.gradient(0, apply("trilu", cotangent(c), c.attributes())); });
  rule("depthToSpace", rearranged<kSpaceToDepth>);
  rule("spaceToDepth", rearranged<kDepthToSpace>);
  for (const char* name : {"shape", "size", "range", "constantOfShape", "randomUniform", "randomNormal"}) RegisterNoGradient{name};
  // The state holds x afterwards, and the output is x.
  rule("assignState", [](VjpContext& c) {
    if (c.wants(1)) c.gradient(1, c.cotangent());
  });
  return true;
}();

}  // namespace
}  // namespace ascribe
