#include <algorithm>
#include <limits>

#include "ops/rules.h"

namespace ascribe {
namespace {
using namespace rules;

/// [..., m, k] x [..., k, n] with numpy's promotion of vectors; either operand's last two axes may be read transposed.
Shape product(InferContext& c) {
  Shape a = c.shape(0), b = c.shape(1);
  c.require(a.rank() >= 1 && b.rank() >= 1, "operands must not be scalars");
  const bool vectorA = a.rank() == 1, vectorB = b.rank() == 1;
  if (vectorA) a = Shape{1, a[0]};
  if (vectorB) b = Shape{b[0], 1};
  const bool ta = c.attributes().integer("transposeA") && !vectorA, tb = c.attributes().integer("transposeB") && !vectorB;
  const int64_t m = ta ? a.at(-1) : a.at(-2), k = ta ? a.at(-2) : a.at(-1);
  const int64_t k2 = tb ? b.at(-1) : b.at(-2), n = tb ? b.at(-2) : b.at(-1);
  if (k != k2) c.fail("inner dimensions of " + c.shape(0).text() + " and " + c.shape(1).text() + " differ");
  Shape out = broadcast(Shape(a.dims().first(static_cast<size_t>(a.rank() - 2))), Shape(b.dims().first(static_cast<size_t>(b.rank() - 2))));
  if (!vectorA) out.push(m);
  if (!vectorB) out.push(n);
  c.output(c.dtype(0), out);
  return out;
}
void matMul(InferContext& c) {
  c.require(c.dtype(0) == c.dtype(1), "operands have different element types");
  product(c);
}
/// The same with a matrix of weights in its storage type.
void storedMatMul(InferContext& c) {
  c.require(c.dtype(0) == DType::F32 && isStorageOnly(c.dtype(1)) && c.shape(1).rank() == 2, "needs f32 and a matrix in a storage type");
  product(c);
}

/// a, b, bias?, residual?: a vector of the result's columns, and what has its shape.
void fusedMatMul(InferContext& c) {
  c.require(c.dtype(0) == c.dtype(1), "operands have different element types");
  const Shape out = product(c);
  c.require(!c.has(2) || (c.dtype(2) == c.dtype(0) && out.rank() > 0 && c.shape(2) == Shape{out.at(-1)}), "the bias must be one value per column");
  c.require(!c.has(3) || (c.dtype(3) == c.dtype(0) && c.shape(3) == out), "the residual must have the result's shape");
}

/// x [..., rows, k] times each of some matrices of weights, which may be in a storage type.
void joinedMatMul(InferContext& c) {
  const bool transposed = c.attributes().integer("transposeB") != 0;
  c.require(c.outputCount() == c.inputCount() - 1 && c.shape(0).rank() >= 2, "needs rows of data, and one result for each matrix");
  for (int i = 1; i < c.inputCount(); ++i) {
    const Shape& w = c.shape(i);
    c.require(w.rank() == 2 && (c.dtype(i) == c.dtype(0) || (c.dtype(0) == DType::F32 && isStorageOnly(c.dtype(i)))), "needs matrices of the data's type or a storage type");
    c.require(w[transposed ? 1 : 0] == c.shape(0).at(-1), "the products do not fit");
    Shape out = c.shape(0);
    out[out.rank() - 1] = w[transposed ? 0 : 1];
    c.output(i - 1, c.dtype(0), out);
  }
}

/// x [..., rows, k], then matrices of weights, two that lead to the layer's middle and one back: activation(x gate) * (x value) out, and
/// perhaps what is added to that. Weights may be in a storage type.
void gatedLayer(InferContext& c) {
  const Shape& x = c.shape(0);
  const bool transposed = c.attributes().integer("transposeB") != 0;
  for (int i = 1; i < 4; ++i)
    c.require(c.shape(i).rank() == 2 && (c.dtype(i) == c.dtype(0) || (c.dtype(0) == DType::F32 && isStorageOnly(c.dtype(i)))), "needs three matrices of the data's type or a storage type");
  const auto side = [&](int i, bool isOut) { return c.shape(i)[isOut == transposed ? 0 : 1]; };
  c.require(x.rank() >= 2 && side(1, false) == x.at(-1) && c.shape(2) == c.shape(1) && side(3, false) == side(1, true), "the layer's products do not fit");
  Shape out = x;
  out[x.rank() - 1] = side(3, true);
  c.require(!c.has(4) || (c.dtype(4) == c.dtype(0) && c.shape(4) == out), "the residual must have the result's shape");
  c.output(c.dtype(0), out);
}

/// x [N, C, spatial…], w [M, C/group, kernel…], bias [M]?
Shape convolved(InferContext& c, const Shape& x) {
  const Shape& w = c.shape(1);
  int64_t group = c.attributes().integer("group");
  c.require(x.rank() >= 3 && x.rank() <= 5 && w.rank() == x.rank(), "needs [N,C,spatial…] with one to three spatial axes and weights of the same rank");
  c.require(c.dtype(0) == c.dtype(1), "operands have different element types");
  // Depthwise, whatever the number of channels turns out to be.
  if (group == 0) c.resolve("group", group = w[0]);
  c.require(group > 0 && w[0] % group == 0 && x[1] == w[1] * group, "channels, weights and groups do not fit");
  c.require(!c.has(2) || (c.shape(2) == Shape{w[0]} && c.dtype(2) == c.dtype(0)), "the bias must be one value per output channel");
  const Window window = resolveWindow(c, {w.begin() + 2, w.end()}, x.dims().subspan(2));
  Shape out{x[0], w[0]};
  for (size_t i = 0; i + 2 < static_cast<size_t>(x.rank()); ++i) {
    const int64_t size = windowOutput(window, i, x[static_cast<int>(i) + 2], false);
    c.require(size > 0, "the kernel is larger than the padded input");
    out.push(size);
  }
  out.count();
  return out;
}
void conv(InferContext& c) { c.output(c.dtype(0), convolved(c, c.shape(0))); }

/// A fusedConv that writes the bits of gates, which lie as its result's elements do, beside it.
void gatedConv(InferContext& c) {
  const Shape out = convolved(c, c.shape(0));
  const int64_t elements = c.attributes().integer("elements");
  c.require(c.dtype(0) == DType::F32, "gates are of single precision");
  c.require(elements >= out.count(), "there are more elements than bits");
  c.output(0, c.dtype(0), out);
  c.output(1, DType::U8, Shape{elements / 8 + (elements % 8 != 0)});
}

/// x, w, bias? of a depthwise convolution, then w [L, M, 1…], bias [L]?, residual? of one of 1 x 1 behind it, then w [M, K, 1…]?,
/// bias [M]? of one of 1 x 1 before it, which reads x in its place.
void separableConv(InferContext& c) {
  Shape wide = c.shape(0);
  if (c.has(6)) {
    const Shape& first = c.shape(6);
    c.require(wide.rank() >= 3 && first.rank() == wide.rank() && first[1] == wide[1] && first.count(2, first.rank()) == 1, "the first convolution is none of 1 x 1 over the data");
    c.require(!c.has(7) || c.shape(7) == Shape{first[0]}, "the first bias must be one value per output channel");
    wide[1] = first[0];
  }
  const Shape between = convolved(c, wide), w = c.shape(3);
  c.require(w.rank() == between.rank() && w[1] == between[1] && w.count(2, w.rank()) == 1, "the second convolution is none of 1 x 1 over the first");
  Shape out = between;
  out[1] = w[0];
  c.require(!c.has(4) || c.shape(4) == Shape{w[0]}, "the second bias must be one value per output channel");
  c.require(!c.has(5) || c.shape(5) == out, "the residual must have the result's shape");
  c.output(c.dtype(0), out);
}

/// g [K?, N, M, out…], w [M, C/group, kernel…], like [N, C, in…]: the adjoint of conv in x.
Shape dataGradient(InferContext& c) {
  const Shape& like = c.shape(2);
  const int extra = c.shape(0).rank() - like.rank();
  c.require(extra == 0 || extra == 1, "the gradient has neither the rank of the data nor one axis more");
  const Shape out = extra ? prepend(c.shape(0)[0], like) : like;
  c.output(c.dtype(0), out);
  return out;
}
void convDataGradient(InferContext& c) { dataGradient(c); }

/// And then residual?, which is added, and bits?, of gates that lie as one cotangent's elements do.
void fusedConvDataGradient(InferContext& c) {
  const Shape out = dataGradient(c);
  const int64_t elements = c.attributes().integer("elements");
  c.require(!c.has(3) || (c.dtype(3) == c.dtype(0) && c.shape(3) == out), "the residual must have the result's shape");
  c.require(!c.has(4) || (c.dtype(4) == DType::U8 && c.shape(4).rank() == 1 && elements >= 0 && c.shape(4)[0] == elements / 8 + (elements % 8 != 0) && c.shape(2).count() <= elements),
            "these are not the bits of that many elements");
}

/// x [N, C, in…], g [K, N, M, out…], like = w: the adjoint of conv in w, [K, ...w] or per example [K, N, ...w].
void convWeightGradient(InferContext& c) {
  const Shape& g = c.shape(1);
  c.require(g.rank() == c.shape(0).rank() + 1, "the gradient must have one axis more than the data");
  c.output(c.dtype(0), c.attributes().integer("perExample") ? prepend(g[0], prepend(g[1], c.shape(2))) : prepend(g[0], c.shape(2)));
}

/// x [N, M, in…], w [M, C/group, kernel…], bias [C]?: ONNX's ConvTranspose, convDataGradient as a forward op.
void convTranspose(InferContext& c) {
  const Shape &x = c.shape(0), &w = c.shape(1);
  const int64_t group = c.attributes().integer("group");
  c.require(x.rank() >= 3 && x.rank() <= 5 && w.rank() == x.rank(), "needs [N,C,spatial…] with one to three spatial axes and weights of the same rank");
  c.require(group > 0 && x[1] == w[0] && x[1] % group == 0, "channels, weights and groups do not fit");
  c.require(c.dtype(0) == c.dtype(1), "operands have different element types");
  c.require(!c.has(2) || (c.shape(2) == Shape{w[1] * group} && c.dtype(2) == c.dtype(0)), "the bias must be one value per output channel");
  const size_t rank = static_cast<size_t>(x.rank()) - 2;
  auto strides = c.attributes().integers("strides"), dilations = c.attributes().integers("dilations"), pads = c.attributes().integers("pads");
  auto outputPadding = c.attributes().integers("outputPadding");
  const auto outputShape = c.attributes().integers("outputShape");
  const std::string mode = c.attributes().text("autoPad");
  if (strides.empty()) strides.assign(rank, 1);
  if (dilations.empty()) dilations.assign(rank, 1);
  if (pads.empty()) pads.assign(2 * rank, 0);
  if (outputPadding.empty()) outputPadding.assign(rank, 0);
  c.require(strides.size() == rank && dilations.size() == rank && pads.size() == 2 * rank && outputPadding.size() == rank &&
                (outputShape.empty() || outputShape.size() == rank), "strides, dilations, pads or output sizes do not fit the number of spatial axes");
  const auto isSmall = [](int64_t value) { return value > -(int64_t{1} << 32) && value < int64_t{1} << 32; };
  const auto areSmall = [&](const std::vector<int64_t>& list) { return std::all_of(list.begin(), list.end(), isSmall); };
  c.require(areSmall(pads) && areSmall(outputPadding) && areSmall(outputShape), "a padding or output size is too large");
  c.require(w[1] < (int64_t{1} << 31) && group < (int64_t{1} << 31), "there are too many channels");
  Shape out{x[0], w[1] * group};
  bool padsDecide = true;  // the resolved pads alone give these sizes
  for (size_t i = 0; i < rank; ++i) {
    c.require(strides[i] > 0 && dilations[i] > 0 && strides[i] < (1 << 20) && dilations[i] < (1 << 20), "strides and dilations must be positive");
    const int64_t full = (x[static_cast<int>(i) + 2] - 1) * strides[i] + outputPadding[i] + (w[static_cast<int>(i) + 2] - 1) * dilations[i] + 1;
    int64_t size = full - pads[i] - pads[rank + i];
    const bool same = mode == "sameUpper" || mode == "sameLower";
    if (!outputShape.empty()) size = outputShape[i];
    else if (same) size = x[static_cast<int>(i) + 2] * strides[i];
    if (!outputShape.empty() || same) {
      const int64_t total = std::max<int64_t>(0, full - size);
      pads[i] = mode == "sameUpper" ? total / 2 : total - total / 2;
      pads[rank + i] = total - pads[i];
    } else if (mode == "valid") {
      size = full;
      pads[i] = pads[rank + i] = 0;
    }
    c.require(size > 0, "the result would be empty");
    padsDecide = padsDecide && size == full - pads[i] - pads[rank + i];
    out.push(size);
  }
  out.count();
  c.resolve("strides", strides);
  c.resolve("dilations", dilations);
  c.resolve("pads", pads);
  c.resolve("autoPad", std::string("explicit"));
  // Types are inferred several times over: sizes left here would make the next time divide uneven pads anew.
  c.resolve("outputShape", padsDecide ? std::vector<int64_t>{} : std::vector<int64_t>(out.begin() + 2, out.end()));
  c.output(c.dtype(0), out);
}

const std::vector<AttributeSpec> kWindow = {integers("strides"), integers("dilations"), integers("pads"), text("autoPad", "explicit"), integer("group", 1)};
std::vector<AttributeSpec> windowAnd(std::vector<AttributeSpec> more) {
  more.insert(more.begin(), kWindow.begin(), kWindow.end());
  return more;
}

const bool registered = [] {
  RegisterOp({.name = "matMul", .opClass = OpClass::Bilinear, .minInputs = 2, .maxInputs = 2,
              .attributes = {integer("transposeA", 0), integer("transposeB", 0)}, .infer = matMul});
  // Written by the pass fuse-product alone; activation is none, relu, gelu, geluTanh or silu.
  RegisterOp({.name = "fusedMatMul", .opClass = OpClass::Bilinear, .minInputs = 2, .maxInputs = 4,
              .attributes = {integer("transposeA", 0), integer("transposeB", 0), text("activation", "none")}, .infer = fusedMatMul});
  // Written when weights are frozen (graph/freeze.h).
  RegisterOp({.name = "storedMatMul", .opClass = OpClass::Bilinear, .minInputs = 2, .maxInputs = 2,
              .attributes = {integer("transposeA", 0), integer("transposeB", 0)}, .infer = storedMatMul});
  // Written by the pass join-products alone.
  RegisterOp({.name = "joinedMatMul", .opClass = OpClass::Bilinear, .minInputs = 3, .maxInputs = -1, .minOutputs = 2, .maxOutputs = -1, .attributes = {integer("transposeB", 0)}, .infer = joinedMatMul});
  // Written by the pass fuse-gated-layer alone; activation is silu, gelu or geluTanh.
  RegisterOp({.name = "gatedLayer", .opClass = OpClass::Composite, .minInputs = 4, .maxInputs = 5,
              .attributes = {requiredText("activation"), integer("transposeB", 0)}, .infer = gatedLayer});
  RegisterOp({.name = "conv", .opClass = OpClass::Bilinear, .minInputs = 2, .maxInputs = 3, .attributes = windowAnd({}), .infer = conv});
  // Written by the fusion pass alone: x, w, bias?, residual?; activation is none, relu, clip (alpha, beta), leakyRelu (alpha) or silu.
  RegisterOp({.name = "fusedConv", .opClass = OpClass::Bilinear, .minInputs = 2, .maxInputs = 4,
              .attributes = windowAnd({text("activation", "none"), real("alpha", 0), real("beta", 0)}), .infer = conv});
  // Written by the pass fuse-separable alone: activations are as fusedConv's.
  RegisterOp({.name = "separableConv", .opClass = OpClass::Bilinear, .minInputs = 4, .maxInputs = 8,
              .attributes = windowAnd({text("activation", "none"), real("alpha", 0), real("beta", 0), text("thenActivation", "none"), real("thenAlpha", 0), real("thenBeta", 0),
                                       text("firstActivation", "none"), real("firstAlpha", 0), real("firstBeta", 0)}),
              .infer = separableConv});
  RegisterOp({.name = "convDataGradient", .opClass = OpClass::Bilinear, .minInputs = 3, .maxInputs = 3, .attributes = windowAnd({}), .infer = convDataGradient, .shapeOnly = 0b100});
  // Written by the pass fuse-gates alone, as is the next: attributes are as fusedConv's and gateBits's.
  RegisterOp({.name = "gatedConv", .opClass = OpClass::Bilinear, .minInputs = 2, .maxInputs = 4, .minOutputs = 2, .maxOutputs = 2,
              .attributes = windowAnd({text("activation", "none"), real("alpha", 0), real("beta", 0), requiredInteger("elements"), real("low", 0), real("high", std::numeric_limits<double>::infinity())}),
              .infer = gatedConv});
  // g, w, like, residual?, bits? of so many elements.
  RegisterOp({.name = "fusedConvDataGradient", .opClass = OpClass::Bilinear, .minInputs = 3, .maxInputs = 5, .attributes = windowAnd({integer("elements", 0)}), .infer = fusedConvDataGradient, .shapeOnly = 0b100});
  RegisterOp({.name = "convWeightGradient", .opClass = OpClass::Bilinear, .minInputs = 3, .maxInputs = 3, .attributes = windowAnd({integer("perExample", 0)}), .infer = convWeightGradient, .shapeOnly = 0b100});
  RegisterOp({.name = "convTranspose", .opClass = OpClass::Bilinear, .minInputs = 2, .maxInputs = 3,
              .attributes = windowAnd({integers("outputPadding"), integers("outputShape")}), .infer = convTranspose});
  return true;
}();

}  // namespace
}  // namespace ascribe
