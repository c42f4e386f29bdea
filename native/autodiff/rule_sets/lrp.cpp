#include "autodiff/rule_sets/relevance.h"
#include "runtime/error.h"

/// Layer-wise relevance propagation. Which rule a matrix product (dense) or convolution follows, and which the first of
/// them, the vjp node says; what is neither shares relevance in proportion to what each operand adds.
/// Sources: Bach et al., "On pixel-wise explanations for non-linear classifier decisions by layer-wise relevance
/// propagation" (2015): epsilon and alpha-beta; Montavon et al., "Layer-wise relevance propagation: an overview" (2019):
/// gamma, w², flat, z^B and where each belongs.
namespace ascribe {
namespace {
using namespace relevance;

bool isBehindWeights(const VjpContext& c, ValueId id) {
  const std::vector<char>& behind = c.facts().behindWeights;
  return static_cast<size_t>(id) < behind.size() && behind[static_cast<size_t>(id)];
}

/// The add of a fixed bias that alone reads a product's result, as exporters write a layer: the two are one layer.
std::optional<NodeId> biasAdd(VjpContext& c, ValueId product) {
  const auto readers = c.facts().readers.find(product);
  if (readers == c.facts().readers.end() || readers->second.size() != 1) return std::nullopt;
  const Node& reader = c.b.graph().nodes[static_cast<size_t>(readers->second[0])];
  if (reader.op->name != "add") return std::nullopt;
  const ValueId other = reader.inputs[reader.inputs[0] == product ? 1 : 0];
  const ValueKind kind = c.b.graph().value(other).kind;
  if (other == product || (kind != ValueKind::Parameter && kind != ValueKind::Constant)) return std::nullopt;
  // One that spreads the product over more rows is no bias of it.
  if (c.b.shape(reader.outputs[0]) != c.b.shape(product)) return std::nullopt;
  return readers->second[0];
}
bool isProduct(const VjpContext& c, ValueId id) {
  const NodeId n = c.b.graph().value(id).producer;
  if (n < 0) return false;
  const OpSchema& op = *c.b.graph().nodes[static_cast<size_t>(n)].op;
  return op.name == "matMul" || op.name == "conv" || op.name == "convTranspose";
}

/// A product with fixed weights: z = op(a, w) + bias.
struct Layer {
  VjpContext& c;
  size_t moves;    // which operand is the activation
  Term a, w, relevance;
  std::optional<Term> bias;  // as large as z broadcasts

  explicit Layer(VjpContext& context) : c(context), moves(firstMoving(c)), a(operand(c, moves)), w(operand(c, 1 - moves)), relevance(cotangent(c)) {
    if (c.has(2)) bias = perChannel(operand(c, 2), c.outputShape().rank());
    else if (const auto add = biasAdd(c, c.output())) {
      const Node& reader = c.b.graph().nodes[static_cast<size_t>(*add)];
      bias = Term{&c.b, reader.inputs[reader.inputs[0] == c.output() ? 1 : 0]};
    }
  }
  Linear with(Term activation, Term weights) const { return Linear(c, moves == 0 ? std::vector<ValueId>{activation, weights} : std::vector<ValueId>{weights, activation}); }
  const std::string& biasPolicy() const { return c.facts().options.text("bias"); }
  bool absorbs() const { return bias && biasPolicy() == "absorb"; }
  bool distributes() const { return bias && biasPolicy() == "distribute"; }

  /// What s sends back through weights, and, where the bias's share is spread too, that share in equal parts to the
  /// activations that meet a kernel of ones.
  Term back(const Linear& layer, Term s) const { return layer.adjoint(moves, s); }
  Term spread(Term share) const {
    const Linear counting = with(ones(a), ones(w));
    return counting.adjoint(moves, share / counting.y);
  }
  void give(Term x) const { c.gradient(moves, c.b.reshapeLike(c.b.sumTo(x, a, 1), a, 1)); }
};

/// a · w' of the relevance over the sum of a · w' and the bias.
void proportional(const Layer& l, Term weights) {
  const Linear layer = l.with(l.a, weights);
  Term z = layer.y;
  if (l.absorbs() || l.distributes()) z = z + *l.bias;
  const Term s = l.relevance / stabilised(z, epsilonOf(l.c));
  const Term own = l.a * l.back(layer, s);
  l.give(l.distributes() ? own + l.spread(s * *l.bias) : own);
}

/// Where a sum is zero its part has nothing to share out.
Term quotientOrNothing(Term relevance, Term z) {
  const Term empty = equal(z, 0);
  return only(apply("not", empty), relevance / where(empty, number(z, 1), z));
}

/// Positive and negative contributions apart; a part whose sum is 0 gives nothing.
void alphaBeta(const Layer& l, double alpha, double beta) {
  const Term aPlus = positive(l.a), aMinus = negative(l.a), wPlus = positive(l.w), wMinus = negative(l.w);
  const Linear pp = l.with(aPlus, wPlus), mm = l.with(aMinus, wMinus);
  Term zPlus = pp.y + mm.y;
  if (l.absorbs() || l.distributes()) zPlus = zPlus + positive(*l.bias);
  const Term sPlus = quotientOrNothing(l.relevance * alpha, zPlus);
  Term out = aPlus * l.back(pp, sPlus) + aMinus * l.back(mm, sPlus);
  Term shares = l.bias ? sPlus * positive(*l.bias) : sPlus;
  if (beta != 0) {
    const Linear pm = l.with(aPlus, wMinus), mp = l.with(aMinus, wPlus);
    Term zMinus = pm.y + mp.y;
    if (l.absorbs() || l.distributes()) zMinus = zMinus + negative(*l.bias);
    const Term sMinus = quotientOrNothing(l.relevance * beta, zMinus);
    out = out - (aPlus * l.back(pm, sMinus) + aMinus * l.back(mp, sMinus));
    if (l.bias) shares = shares - sMinus * negative(*l.bias);
  }
  l.give(l.distributes() ? out + l.spread(shares) : out);
}

/// By the weights alone: their squares, or all alike.
void byWeights(const Layer& l, Term weights) {
  const Linear layer = l.with(ones(l.a), weights);
  l.give(l.back(layer, quotientOrNothing(l.relevance, layer.y)));
}

/// Numbers for all pixels, or one a channel, as large as the activation broadcasts.
Term bound(const Layer& l, const char* name) {
  const std::vector<double>& values = l.c.facts().options.reals(name);
  const int rank = l.c.b.shape(l.a).rank();
  if (values.size() == 1) return expand(number(l.a, values[0]), l.c.b.shape(l.a));
  if (values.empty() || rank < 2 || static_cast<int64_t>(values.size()) != l.c.b.shape(l.a)[1])
    throw Error("OPTION_RANGE", std::string("the rule for pixels needs ") + name + ": one number, or one a channel of what the first layer reads");
  std::vector<ValueId> channels;
  for (double value : values) channels.push_back(l.c.b.node("reshape", {l.c.b.scalar(l.c.b.dtype(l.a), value), l.c.b.integers({1})}));
  return expand(perChannel({&l.c.b, l.c.b.node("concat", channels, {{"axis", int64_t{0}}})}, rank), l.c.b.shape(l.a));
}

/// Pixels between bounds: what a pixel adds is counted from the bound that would add least.
void pixels(const Layer& l) {
  const Term low = bound(l, "low"), high = bound(l, "high"), wPlus = positive(l.w), wMinus = negative(l.w);
  const Linear all = l.with(l.a, l.w), below = l.with(low, wPlus), above = l.with(high, wMinus);
  const Term z = all.y - below.y - above.y, s = l.relevance / stabilised(z, epsilonOf(l.c));
  l.give(l.a * l.back(all, s) - low * l.back(below, s) - high * l.back(above, s));
}

void follow(const Layer& l, const std::string& rule) {
  const Attributes& options = l.c.facts().options;
  if (rule == "epsilon") return proportional(l, l.w);
  if (rule == "gamma") return proportional(l, l.w + positive(l.w) * options.real("gamma"));
  if (rule == "alphaBeta") return alphaBeta(l, options.real("alpha"), options.real("beta"));
  if (rule == "zPlus") return alphaBeta(l, 1, 0);
  // Captum's, which drops negative weights alone: not z⁺ where activations are negative or there is a bias.
  if (rule == "captumAlpha1Beta0") return proportional(l, positive(l.w));
  if (rule == "wSquare") return byWeights(l, l.w * l.w);
  if (rule == "flat") return byWeights(l, ones(l.w));
  if (rule == "box") return pixels(l);
  throw Error("OPTION_RANGE", "no relevance rule is called " + rule);
}

/// Of two operands that move each has half, in proportion to what it adds.
void halves(VjpContext& c) {
  const Linear layer(c, {c.input(0), c.input(1)});
  const Term s = cotangent(c) / stabilised(layer.y, epsilonOf(c)) * 0.5;
  for (size_t i = 0; i < 2; ++i)
    if (c.wants(i)) c.gradient(i, operand(c, i) * layer.adjoint(i, s));
}

/// A bias that moves has its share as an operand of a sum.
void withMovingBias(VjpContext& c) {
  const Attributes attributes = c.attributes();
  const std::string op = c.node().op->name;
  const Term product{&c.b, c.b.node(op, {c.input(0), c.input(1)}, attributes)};
  const ValueId out[] = {product + perChannel(operand(c, 2), c.outputShape().rank())};
  c.differentiate(out);
}

void weighted(VjpContext& c) {
  if (c.wants(2)) return withMovingBias(c);
  if (c.wants(0) && c.wants(1)) return halves(c);
  if (!c.wants(0) && !c.wants(1)) return c.unsupported("relevance of a bias alone is not defined");
  const Layer layer(c);
  const Attributes& options = c.facts().options;
  const std::string rule = options.text(c.node().op->name == "matMul" ? "dense" : "convolution"), first = options.text("first");
  follow(layer, first != "same" && !isBehindWeights(c, layer.a) ? first : rule);
}

/// Relevance goes where the elements came from.
void moved(VjpContext& c) { c.delegate(findVjp(c.node().op->name)); }

/// x of the relevance over y, for what is linear in x.
void sharedOut(VjpContext& c) {
  const size_t i = firstMoving(c);
  const Linear layer(c, c.node().inputs);
  c.gradient(i, operand(c, i) * layer.adjoint(i, cotangent(c) / stabilised(result(c), epsilonOf(c))));
}

/// What constants fill has relevance that belongs to nobody.
void filled(VjpContext& c, bool withZeros) {
  sharedOut(c);
  if (!withZeros) c.fellBack();
}
void padded(VjpContext& c) {
  const HostTensor* value = c.has(2) ? c.b.graph().constant(c.input(2)) : nullptr;
  filled(c, !c.has(2) || (value && value->shape().count() == 1 && value->real(0) == 0));
}
void resized(VjpContext& c) { filled(c, c.attributes().text("coordinateMode") != "cropAndResize" || c.attributes().real("extrapolation") == 0); }

void identity(VjpContext& c) { c.gradient(0, c.cotangent()); }
/// An operand that moves beside one that does not takes all.
void whole(VjpContext& c) { c.gradientReduced(firstMoving(c), c.cotangent()); }

template <bool subtracts>
void sum(VjpContext& c) {
  const bool both = c.wants(0) && c.wants(1);
  if (!both) {
    const size_t i = firstMoving(c);
    // The bias of a layer: its share is the layer's to settle.
    if (!subtracts && isProduct(c, c.input(i)) && biasAdd(c, c.input(i))) return whole(c);
    if (c.facts().options.text("bias") != "absorb") return whole(c);
  }
  const Term s = cotangent(c) / stabilised(result(c), epsilonOf(c));
  if (c.wants(0)) c.gradientReduced(0, s * operand(c, 0));
  if (c.wants(1)) c.gradientReduced(1, subtracts ? -(s * operand(c, 1)) : s * operand(c, 1));
}
void factor(VjpContext& c) {
  if (moving(c) == 1) return whole(c);
  for (size_t i = 0; i < 2; ++i) c.gradientReduced(i, cotangent(c) * 0.5);
}
/// A divisor is a scale, which has no part in it.
void divided(VjpContext& c) {
  if (c.wants(0)) c.gradientReduced(0, c.cotangent());
  else whole(c);
}
/// scale · x + shift.
void batchNorm(VjpContext& c) {
  if (!c.wants(0)) return c.unsupported("relevance of the statistics of a batch norm is not defined");
  if (c.facts().options.text("bias") != "absorb") return identity(c);
  const Term slope = perChannel(operand(c, 1) / sqrt(operand(c, 4) + c.attributes().real("epsilon")), c.outputShape().rank());
  c.gradient(0, cotangent(c) * (operand(c, 0) * slope) / stabilised(result(c), epsilonOf(c)));
}
/// The Taylor expansion at the input, of which the constant is lost.
void softmax(VjpContext& c) {
  const int64_t axis = normaliseAxis(c.attributes().integer("axis"), c.outputShape().rank()) + 1;
  const Term x = operand(c, 0), r = cotangent(c);
  // What is masked has no relevance, not infinity times zero.
  const Term finite = where(apply("isInf", x), number(x, 0), x);
  c.gradient(0, finite * (r - result(c) * calculus::sum(r, {axis})));
  c.fellBack();
}

const bool registered = [] {
  const auto put = [](std::string_view op, VjpRule body) { RegisterVjp(op, body, "lrp"); };
  for (const char* name : {"matMul", "conv", "convTranspose"}) put(name, weighted);
  for (const char* name : {"identity", "dropout", "cast", "reshape", "reshapeLike", "flatten", "squeeze", "unsqueeze", "transpose", "expand", "expandLike", "concat",
                           "slice", "tile", "depthToSpace", "spaceToDepth", "trilu", "gather", "gatherElements", "gatherNd", "where", "maxPool", "globalMaxPool",
                           "reduceMax", "reduceMin", "topK"})
    put(name, moved);
  for (const char* name : {"sum", "mean", "sumTo", "cumSum", "averagePool", "globalAveragePool"}) put(name, sharedOut);
  put("pad", padded);
  put("resize", resized);
  for (const char* name : kActivations) put(name, identity);
  put("neg", identity);
  put("pow", whole);
  put("prelu", [](VjpContext& c) { c.gradientReduced(0, c.cotangent()); });
  // Beside what is fixed they are activations.
  for (const char* name : {"max", "min"}) put(name, [](VjpContext& c) { moving(c) == 1 ? whole(c) : moved(c); });
  put("add", sum<false>);
  put("sub", sum<true>);
  put("mul", factor);
  put("div", divided);
  put("batchNorm", batchNorm);
  put("layerNorm", normWithFixedScale<true>);
  put("rmsNorm", normWithFixedScale<false>);
  put("groupNorm", groupNormWithFixedScale);
  put("softmax", softmax);
  for (const char* name : {"attention", "recurrent"}) put(name, asItsParts);
  return true;
}();

}  // namespace
}  // namespace ascribe
