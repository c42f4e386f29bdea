#include "ops/rules.h"

#include <algorithm>

namespace ascribe::rules {

void same(InferContext& c) { c.output(c.dtype(0), c.shape(0)); }

void gradientElementwise(InferContext& c) {
  for (int i = 1; i < c.inputCount(); ++i)
    c.require(broadcast(c.shape(0), c.shape(i)) == c.shape(0), "a saved operand does not fit the gradient");
  same(c);
}

void broadcasting(InferContext& c) {
  Shape out = c.shape(0);
  for (int i = 1; i < c.inputCount(); ++i) {
    c.require(c.dtype(i) == c.dtype(0), "operands have different element types");
    out = broadcast(out, c.shape(i));
  }
  c.output(c.dtype(0), out);
}

void comparison(InferContext& c) {
  c.require(c.dtype(1) == c.dtype(0), "operands have different element types");
  c.output(DType::Bool, broadcast(c.shape(0), c.shape(1)));
}

Shape likeWithLeading(InferContext& c, int like) {
  const int64_t leading = c.attributes().integer("leading");
  c.require(leading >= 0 && leading <= c.shape(0).rank(), "leading is out of range");
  Shape out;
  for (int i = 0; i < static_cast<int>(leading); ++i) out.push(c.shape(0)[i]);
  for (int64_t dim : c.shape(like)) out.push(dim);
  c.output(c.dtype(0), out);
  return out;
}

Shape behindLeading(InferContext& c, int operand) {
  const Shape& shape = c.shape(operand);
  return Shape(shape.dims().subspan(static_cast<size_t>(c.attributes().integer("leading"))));
}

Window resolveWindow(InferContext& c, const std::vector<int64_t>& kernel, std::span<const int64_t> spatial) {
  const size_t rank = spatial.size();
  Window w{kernel, c.attributes().integers("strides"), c.attributes().integers("dilations"), c.attributes().integers("pads")};
  if (w.strides.empty()) w.strides.assign(rank, 1);
  if (w.dilations.empty()) w.dilations.assign(rank, 1);
  if (w.pads.empty()) w.pads.assign(2 * rank, 0);
  c.require(w.kernel.size() == rank && w.strides.size() == rank && w.dilations.size() == rank && w.pads.size() == 2 * rank,
            "kernel, strides, dilations and pads do not fit the number of spatial axes");
  for (size_t i = 0; i < rank; ++i) {
    c.require(w.kernel[i] > 0 && w.strides[i] > 0 && w.dilations[i] > 0, "kernel, strides and dilations must be positive");
    c.require(w.kernel[i] < (1 << 20) && w.strides[i] < (1 << 20) && w.dilations[i] < (1 << 20), "a window is too large");
  }
  const std::string& mode = c.attributes().text("autoPad");
  for (size_t i = 0; i < rank; ++i) {
    if (mode == "valid") w.pads[i] = w.pads[rank + i] = 0;
    if (mode != "sameUpper" && mode != "sameLower") continue;
    const int64_t out = (spatial[i] + w.strides[i] - 1) / w.strides[i];
    const int64_t total = std::max<int64_t>(0, (out - 1) * w.strides[i] + (w.kernel[i] - 1) * w.dilations[i] + 1 - spatial[i]);
    const int64_t small = total / 2;
    w.pads[i] = mode == "sameUpper" ? small : total - small;
    w.pads[rank + i] = total - w.pads[i];
  }
  for (int64_t pad : w.pads) c.require(pad > -(1 << 20) && pad < (1 << 20), "a padding is too large");
  c.resolve("strides", w.strides);
  c.resolve("dilations", w.dilations);
  c.resolve("pads", w.pads);
  c.resolve("autoPad", std::string("explicit"));
  return w;
}

int64_t windowOutput(const Window& w, size_t axis, int64_t size, bool ceilMode) {
  const size_t rank = w.kernel.size();
  const int64_t span = (w.kernel[axis] - 1) * w.dilations[axis] + 1;
  const int64_t room = size + w.pads[axis] + w.pads[rank + axis] - span;
  if (room < 0) return 0;
  int64_t out = (ceilMode ? (room + w.strides[axis] - 1) / w.strides[axis] : room / w.strides[axis]) + 1;
  if (ceilMode && (out - 1) * w.strides[axis] >= size + w.pads[axis]) --out;
  return out;
}

}  // namespace ascribe::rules
