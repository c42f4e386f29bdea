#include <algorithm>

#include "ops/rules.h"

/// Ops whose result is as long as the data say. They fill a buffer of the greatest length that there can be and say
/// how much of it counts; a slice behind them, whose end must be known, cuts it. None has a derivative.
namespace ascribe {
namespace {
using namespace rules;

constexpr int64_t kMostRows = int64_t{1} << 32;

/// x -> places [rank, capacity] in order of the elements, count [1]
void nonZero(InferContext& c) {
  const int64_t rank = std::max(c.shape(0).rank(), 1);
  c.output(0, DType::I64, Shape{rank, c.shape(0).count()});
  c.output(1, DType::I64, Shape{1});
}

/// boxes [B, N, 4], scores [B, C, N], greatest number of boxes a class, least overlap that suppresses, least score
/// -> (batch, class, box) [B·C·N, 3], count [1]
void nonMaxSuppression(InferContext& c) {
  const Shape &boxes = c.shape(0), &scores = c.shape(1);
  c.require(boxes.rank() == 3 && boxes[2] == 4, "boxes have the shape [batch, boxes, 4]");
  c.require(scores.rank() == 3 && scores[0] == boxes[0] && scores[2] == boxes[1], "scores have the shape [batch, classes, boxes]");
  c.require(isFloating(c.dtype(0)) && c.dtype(0) == c.dtype(1), "boxes and scores must be of one floating-point type");
  c.require(!c.has(2) || (c.dtype(2) == DType::I64 && c.shape(2).count() == 1), "the number of boxes a class is one i64");
  for (int i = 3; i < 5; ++i) c.require(!c.has(i) || (c.dtype(i) == c.dtype(0) && c.shape(i).count() == 1), "a threshold is one number");
  const int64_t rows = Shape{scores[0], scores[1], scores[2]}.count();
  c.require(rows < kMostRows, "there are too many boxes");
  c.output(0, DType::I64, Shape{rows, 3});
  c.output(1, DType::I64, Shape{1});
}

/// x [axis, rest] -> unique rows [axis, rest], first places, places of each row among them, counts, count [1]
void unique(InferContext& c) {
  const Shape& x = c.shape(0);
  c.require(x.rank() == 2, "needs rows");
  c.output(0, c.dtype(0), x);
  for (int i = 1; i < 4; ++i) c.output(i, DType::I64, Shape{x[0]});
  c.output(4, DType::I64, Shape{1});
}

/// x [N, C, H, W], regions [R, 4], batch of each region [R] -> [R, C, height, width]
void roiAlign(InferContext& c) {
  const Shape &x = c.shape(0), &regions = c.shape(1);
  c.require(x.rank() == 4, "needs [N, C, H, W]");
  c.require(x[2] > 0 && x[3] > 0, "the picture is empty");
  c.require(regions.rank() == 2 && regions[1] == 4 && c.dtype(1) == c.dtype(0), "regions are rows of four numbers of the picture's type");
  c.require(c.shape(2) == Shape{regions[0]} && c.dtype(2) == DType::I64, "each region has one batch index");
  const int64_t height = c.attributes().integer("height"), width = c.attributes().integer("width");
  c.require(height > 0 && width > 0, "the output has no pixels");
  c.output(c.dtype(0), Shape{regions[0], x[1], height, width});
}

/// [..., n, n] -> [...]
void determinant(InferContext& c) {
  const Shape& x = c.shape(0);
  c.require(x.rank() >= 2 && x.at(-1) == x.at(-2), "needs square matrices");
  Shape out;
  for (int i = 0; i < x.rank() - 2; ++i) out.push(x[i]);
  c.output(c.dtype(0), out);
}

const bool registered = [] {
  RegisterOp({.name = "nonZero", .minOutputs = 2, .maxOutputs = 2, .infer = nonZero});
  RegisterOp({.name = "nonMaxSuppression", .minInputs = 2, .maxInputs = 5, .minOutputs = 2, .maxOutputs = 2, .attributes = {integer("centred", 0)}, .infer = nonMaxSuppression});
  RegisterOp({.name = "unique", .minOutputs = 5, .maxOutputs = 5, .attributes = {integer("sorted", 1)}, .infer = unique});
  RegisterOp({.name = "roiAlign", .minInputs = 3, .maxInputs = 3,
              .attributes = {integer("height", 1), integer("width", 1), integer("samples", 0), real("scale", 1), integer("halfPixel", 1), integer("maximum", 0)},
              .infer = roiAlign});
  RegisterOp({.name = "determinant", .infer = determinant});
  return true;
}();

}  // namespace
}  // namespace ascribe
