#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

/// (pictures [B, H, W, C], places [N, 5], patch [N, C, h, w]?) -> [N, C, height, width]: of picture places[n, 0] what lies from
/// row places[n, 1] and column places[n, 2] on; where the patch lies, which begins at places[n, 3] and places[n, 4] of the
/// picture, the patch, and outside of the picture `fill`. Pictures have their channels last so that a place is read at once.
void window(InferContext& c) {
  const Shape &pictures = c.shape(0), &places = c.shape(1);
  const int64_t height = c.attributes().integer("height"), width = c.attributes().integer("width");
  c.require(pictures.rank() == 4, "needs pictures [B, H, W, C]");
  c.require(c.dtype(1) == DType::I64 && places.rank() == 2 && places[1] == 5, "places must be i64 [N, 5]");
  c.require(height > 0 && width > 0, "height and width must be positive");
  if (c.has(2)) {
    const Shape& patch = c.shape(2);
    c.require(c.dtype(2) == c.dtype(0), "pictures and patch have different element types");
    c.require(patch.rank() == 4 && patch[0] == places[0] && patch[1] == pictures[3], "the patch must be [N, C, h, w]");
  }
  c.output(c.dtype(0), Shape{places[0], pictures[3], height, width});
}

const bool registered = [] {
  RegisterOp({.name = "window", .minInputs = 2, .maxInputs = 3, .attributes = {requiredInteger("height"), requiredInteger("width"), real("fill", 0)}, .infer = window});
  return true;
}();

}  // namespace
}  // namespace ascribe
