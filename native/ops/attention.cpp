#include "ops/rules.h"
#include "runtime/error.h"

namespace ascribe {
namespace {
using namespace rules;

/// q [..., Tq, d], k [..., Tk, d], v [..., Tk, e], additive mask? broadcastable to [..., Tq, Tk].
/// y = softmax(scale * q kᵀ + mask) v; the matrix itself is never an operand of anything else.
void attention(InferContext& c) {
  const Shape &q = c.shape(0), &k = c.shape(1), &v = c.shape(2);
  for (int i = 1; i < c.inputCount(); ++i) c.require(!c.has(i) || c.dtype(i) == c.dtype(0), "operands have different element types");
  c.require(q.rank() >= 2 && k.rank() == q.rank() && v.rank() == q.rank(), "query, key and value must have one rank of at least 2");
  for (int i = 0; i < q.rank() - 2; ++i) c.require(q[i] == k[i] && q[i] == v[i], "query, key and value differ in their leading axes");
  c.require(q.at(-1) == k.at(-1) && k.at(-2) == v.at(-2), "query, key and value do not fit");
  Shape scores = q, out = q;
  scores[q.rank() - 1] = k.at(-2);
  out[q.rank() - 1] = v.at(-1);
  c.require(!c.has(3) || broadcast(c.shape(3), scores) == scores, "the mask does not fit the scores");
  c.output(0, c.dtype(0), out);
}
/// attention of q [N, H, Q, d], and beside it where its queries look: with weights [H · Q] the weighted sum of the
/// probabilities of all heads and queries, [N, T]. The probabilities are there anyway.
void observedAttention(InferContext& c) {
  attention(c);
  const Shape& q = c.shape(0);
  c.require(q.rank() == 4, "queries must be [N, heads, rows, depth]");
  c.require(c.has(4) && c.shape(4) == Shape{q[1] * q[2]} && c.dtype(4) == c.dtype(0), "there must be one weight for each row of each head");
  c.output(1, c.dtype(0), Shape{q[0], c.shape(1)[2]});
}
/// (g [K, ...y], q, k, v, mask?) -> gradients of q, k, v
void attentionGrad(InferContext& c) {
  const int64_t cotangents = c.shape(0)[0];
  for (int i = 0; i < 3; ++i) c.output(i, c.dtype(0), prepend(cotangents, c.shape(i + 1)));
}

/// q [N, H, R, d] of the rows that are asked for, k [N, G, T, d] where H / G heads share one, positions [R] of those rows
/// among the keys, weights of heads [H]?, additive mask? broadcastable to [N, H, R, T] -> the sum over heads of weight *
/// softmax(scale * q kᵀ + mask), row by row [N, R, T] or summed [N, T]. The matrices of the heads never exist as a whole.
/// A row sees keys up to its position where causal, and no more than the last `window` of those where that is not 0; a
/// row that sees none gives zeros.
void attentionRows(InferContext& c) {
  const Shape &q = c.shape(0), &k = c.shape(1), &positions = c.shape(2);
  c.require(q.rank() == 4 && k.rank() == 4, "queries and keys must be [N, heads, rows, depth]");
  c.require(q[0] == k[0] && q[3] == k[3], "queries and keys do not fit");
  c.require(q[1] > 0 ? k[1] > 0 && q[1] % k[1] == 0 : k[1] == 0, "the heads cannot be divided among those of the keys");
  c.require(c.dtype(1) == c.dtype(0), "operands have different element types");
  c.require(positions == Shape{q[2]} && (c.dtype(2) == DType::I64 || c.dtype(2) == DType::I32), "positions must be one integer for each row");
  c.require(!c.has(3) || (c.shape(3) == Shape{q[1]} && c.dtype(3) == c.dtype(0)), "there must be one weight for each head");
  const Shape scores{q[0], q[1], q[2], k[2]};
  c.require(!c.has(4) || (broadcast(c.shape(4), scores) == scores && c.dtype(4) == c.dtype(0)), "the mask does not fit the scores");
  c.require(c.attributes().integer("window") >= 0, "window must be at least 0");
  c.require(c.attributes().integer("window") == 0 || c.attributes().integer("causal") != 0, "a window looks back: causal must be 1");
  c.output(0, c.dtype(0), c.attributes().integer("keepRows") ? Shape{q[0], q[2], k[2]} : Shape{q[0], k[2]});
}

/// x [N, T, H, 2 n] where `transposed`, else [N, H, T, 2 n]; cosines and sines that broadcast to [N, H, T, n] -> [N, H, T, 2 n]:
/// the halves (a, b) of each head become (a cos - b sin, b cos + a sin).
void rotary(InferContext& c) {
  Shape out = c.shape(0);
  c.require(out.rank() == 4 && out[3] % 2 == 0, "needs heads of pairs");
  if (c.attributes().integer("transposed")) std::swap(out[1], out[2]);
  Shape table = out;
  table[3] = out[3] / 2;
  for (int i = 1; i < 3; ++i) c.require(c.dtype(i) == c.dtype(0) && c.shape(i).rank() > 0 && c.shape(i).at(-1) == table[3] && broadcast(c.shape(i), table) == table, "the angles do not fit");
  c.output(0, c.dtype(0), out);
}

/// (x; ratio): what it does depends on the plan's mode; specialisation replaces it.
void dropout(InferContext& c) {
  c.require(c.attributes().real("ratio") >= 0 && c.attributes().real("ratio") < 1, "ratio must be in [0, 1)");
  same(c);
}
/// Shaped like its operand; drawn from the stream (seed, stream, item, sample), never by position in a batch.
void random(InferContext& c) { same(c); }

/// (state, x): the state holds x after the run. The output is the new content.
void assignState(InferContext& c) {
  c.require(c.shape(0) == c.shape(1) && c.dtype(0) == c.dtype(1), "the new content must have the state's type");
  same(c);
}
/// (state [capacity along axis], x, position i64): writes x at position and yields the state up to its end.
void appendState(InferContext& c) {
  const int axis = normaliseAxis(c.attributes().integer("axis"), c.shape(0).rank());
  c.resolve("axis", int64_t{axis});
  c.require(c.shape(0).rank() == c.shape(1).rank() && c.dtype(0) == c.dtype(1), "what is appended must have the state's rank and element type");
  for (int i = 0; i < c.shape(0).rank(); ++i)
    c.require(i == axis ? c.shape(1)[i] <= c.shape(0)[i] : c.shape(1)[i] == c.shape(0)[i], "what is appended does not fit the state");
  c.require((c.dtype(2) == DType::I64 || c.dtype(2) == DType::I32) && c.shape(2).count() == 1, "the position must be one integer");
  same(c);
}

/// (outputs…, seeds [K, ...output]…, wanted…, where paired a baseline for each) -> gradients [K, ...wanted]…, expanded
/// by the autodiff pass.
void vjp(InferContext& c) {
  const int64_t outputs = c.attributes().integer("outputs");
  c.require(outputs > 0 && outputs < c.inputCount(), "outputs, seeds and wanted values do not add up");
  const bool paired = c.attributes().integer("paired") != 0;
  const int given = c.inputCount() - 2 * static_cast<int>(outputs), wanted = paired ? given / 2 : given;
  c.require(!paired || given % 2 == 0, "there is not one baseline for each wanted value");
  c.require(wanted > 0 && wanted <= c.outputCount(), "outputs, seeds and wanted values do not add up");
  const int64_t cotangents = c.shape(static_cast<int>(outputs)).rank() ? c.shape(static_cast<int>(outputs))[0] : 0;
  for (int i = 0; i < outputs; ++i)
    c.require(isFloating(c.dtype(i)) == isFloating(c.dtype(static_cast<int>(outputs) + i)), "a seed differs from its output in its element type");
  for (int64_t i = 0; i < outputs; ++i)
    if (c.shape(static_cast<int>(outputs + i)) != prepend(cotangents, c.shape(static_cast<int>(i))))
      throw Error("INPUT_SHAPE", "seed " + std::to_string(i) + " has shape " + c.shape(static_cast<int>(outputs + i)).text() + ", expected [K," + c.shape(static_cast<int>(i)).text().substr(1));
  // The examples of "perExample" are taken to be those of the first output. Where they are others, and for the two
  // outputs a wanted value that "factors" asks for, expansion sets the types right; only ranks matter until then.
  const std::string& parameters = c.attributes().text("parameters");
  const bool factors = parameters == "factors";
  c.require(!factors || c.outputCount() == 2 * wanted, "factors come in pairs: two outputs a wanted value");
  for (int i = 0; i < (factors ? 2 * wanted : wanted); ++i) {
    const int operand = 2 * static_cast<int>(outputs) + (factors ? i / 2 : i);
    c.require(isFloating(c.dtype(operand)), "only floating-point values have gradients");
    const bool perExample = parameters == "perExample" && c.kind(operand) == ValueKind::Parameter;
    const int64_t examples = c.shape(0).rank() ? c.shape(0)[0] : 1;
    c.output(i, c.dtype(operand), prepend(cotangents, perExample ? prepend(examples, c.shape(operand)) : c.shape(operand)));
  }
}
/// (condition, captured…; thenBranch, elseBranch) and (limit?, condition?, carried…, captured…; body, carried, captured).
void controlFlow(InferContext& c) { c.fail("control flow is replaced by specialisation"); }
/// (x…; forward, backward): types are those of the forward body's outputs; specialisation infers the body.
void customDerivative(InferContext& c) { c.fail("a customDerivative node is typed by specialisation"); }

const bool registered = [] {
  RegisterOp({.name = "attention", .opClass = OpClass::Composite, .minInputs = 3, .maxInputs = 4, .attributes = {real("scale", 1), integer("causal", 0)}, .infer = attention});
  RegisterOp({.name = "observedAttention", .opClass = OpClass::Composite, .minInputs = 3, .maxInputs = 5, .minOutputs = 2, .maxOutputs = 2, .attributes = {real("scale", 1), integer("causal", 0)}, .infer = observedAttention});
  RegisterOp({.name = "attentionGrad", .opClass = OpClass::Composite, .minInputs = 4, .maxInputs = 5, .minOutputs = 3, .maxOutputs = 3, .attributes = {real("scale", 1), integer("causal", 0)}, .infer = attentionGrad});
  RegisterOp({.name = "attentionRows", .opClass = OpClass::Composite, .minInputs = 3, .maxInputs = 5,
              .attributes = {real("scale", 1), integer("causal", 1), integer("window", 0), integer("keepRows", 0)}, .infer = attentionRows});
  // Written by the pass fuse-rotary alone.
  RegisterOp({.name = "rotary", .opClass = OpClass::Composite, .minInputs = 3, .maxInputs = 3, .attributes = {integer("transposed", 0)}, .infer = rotary});
  RegisterOp({.name = "dropout", .attributes = {real("ratio", 0.5), integer("seed", 0)}, .infer = dropout, .view = true});
  RegisterOp({.name = "randomUniform", .attributes = {integer("seed", 0), integer("stream", 0)}, .infer = random, .shapeOnly = 0b1, .impure = true});
  RegisterOp({.name = "randomNormal", .attributes = {integer("seed", 0), integer("stream", 0)}, .infer = random, .shapeOnly = 0b1, .impure = true});
  RegisterOp({.name = "assignState", .minInputs = 2, .maxInputs = 2, .infer = assignState, .impure = true});
  RegisterOp({.name = "appendState", .minInputs = 3, .maxInputs = 3, .attributes = {integer("axis", 0)}, .infer = appendState, .impure = true});
  // parameters: "summed" over the batch, "perExample" ([K, N, ...w]) or "factors" (the operands of the product)
  RegisterOp({.name = "vjp", .maxInputs = -1, .maxOutputs = -1,
              .attributes = {requiredInteger("outputs"), text("rules", "derivative"), text("parameters", "summed"), integer("paired", 0),
                             // What rule sets go by: autodiff/rule_sets/lrp.cpp and deep_lift.cpp.
                             text("first", "same"), text("convolution", "epsilon"), text("dense", "epsilon"), text("bias", "absorb"),
                             text("softmax", "rowMean"), text("maxPool", "crossMaximum"), text("nonlinearity", "rescale"), text("variant", "attnLrp"),
                             real("epsilon", 1e-9), real("gamma", 0.25), real("alpha", 2), real("beta", 1), reals("low"), reals("high")},
              .infer = vjp});
  RegisterOp({.name = "if", .minInputs = 1, .maxInputs = -1, .maxOutputs = -1, .attributes = {requiredText("thenBranch"), requiredText("elseBranch"), integer("selected", 0)}, .infer = controlFlow});
  RegisterOp({.name = "loop", .minInputs = 0, .maxInputs = -1, .maxOutputs = -1, .attributes = {requiredText("body"), requiredInteger("carried"), requiredInteger("captured"), integer("done", 0)}, .infer = controlFlow});
  RegisterOp({.name = "customDerivative", .minInputs = 1, .maxInputs = -1, .maxOutputs = -1, .attributes = {requiredText("forward"), requiredText("backward")}, .infer = customDerivative});
  return true;
}();

}  // namespace
}  // namespace ascribe
