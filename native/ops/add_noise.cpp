#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

/// (x [1, S...], rows [N, 2 + noises] i64) -> [N, S...]: row n is x plus normal noise. A row names its stream (the two words
/// of its key, then sample and item, low half first, see RandomStream) and holds deviations, as the bits of f64;
/// `column` is the one that counts. Element i of x is element `first` + i of the stream, so that several values share one.
void addNoise(InferContext& c) {
  const Shape &x = c.shape(0), &rows = c.shape(1);
  const int64_t column = c.attributes().integer("column");
  c.require(x.rank() >= 1 && x[0] == 1, "what noise is added to must be one row");
  c.require(isFloating(c.dtype(0)) && c.dtype(1) == DType::I64, "noise is added to floating-point numbers, its rows are i64");
  c.require(rows.rank() == 2 && column >= 2 && column < rows[1], "rows must name a stream by two numbers and hold the deviation at `column`");
  c.require(c.attributes().integer("first") >= 0, "`first` must not be negative");
  Shape out = x;
  out[0] = rows[0];
  c.output(c.dtype(0), out);
}

const bool registered = [] {
  RegisterOp({.name = "addNoise", .minInputs = 2, .maxInputs = 2, .attributes = {integer("column", 2), integer("first", 0)}, .infer = addNoise});
  return true;
}();

}  // namespace
}  // namespace ascribe
