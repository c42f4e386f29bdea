#include <optional>

#include "autodiff/rule_sets/relevance.h"

/// DeepLIFT: what an output gains over the baseline's, shared out among what its operands gain. A cotangent is a
/// multiplier here: cotangent times difference is contribution, and the contributions of a node's operands add up to
/// that of its outputs wherever this says nothing else.
/// Sources: Shrikumar, Greenside and Kundaje, "Learning important features through propagating activation differences"
/// (2017), the rescale rule; two factors share their product as two players share a game (Shapley), which keeps the sum.
namespace ascribe {
namespace {
using namespace calculus;

/// Differences below this have the slope at the input instead of a quotient.
constexpr double kLeast = 1e-10;

bool reveals(const VjpContext& c) { return c.facts().options.text("nonlinearity") == "revealCancel"; }
bool moves(VjpContext& c, size_t i) { return c.wants(i); }
Term twin(VjpContext& c, Term x) { return {&c.b, c.twin(x)}; }
/// Nothing where both are the same: what is masked is infinite for input and baseline alike.
Term minus(Term a, Term b) { return where(apply("equal", a, b), number(a, 0), a - b); }
Term difference(VjpContext& c, Term x) { return minus(x, twin(c, x)); }

/// Linear as long as what no multiplier reaches (a condition, indices, a mask made from them, a value that gradients
/// stop at) is alike for both.
bool handOn(VjpContext& c);
void linear(VjpContext& c) {
  if (handOn(c)) return;
  const uint32_t notRead = c.node().op->shapeOnly | c.node().op->hostOperands;
  for (size_t i = 0; i < c.node().inputs.size(); ++i)
    if (c.has(i) && !moves(c, i) && !(i < 32 && (notRead >> i & 1u)) && c.twin(c.input(i)) != c.input(i)) c.fellBack();
  c.delegate(findVjp(c.node().op->name));
}

Term valueOf(VjpContext& c, Term a, Term b) { return {&c.b, c.b.node(c.node().op->name, {a, b}, c.attributes())}; }

/// `gain` of the output for what operand i gained, the slope where that is nothing.
void quotient(VjpContext& c, size_t i, Term gain, Term slope) {
  const Term gained = difference(c, operand(c, i));
  const Term still = abs(gained) < kLeast;
  const Term multiplier = gain / where(still, number(gained, 1), gained);
  c.gradientReduced(i, where(still, slope, cotangent(c) * multiplier));
}

/// The derivative's cotangent of operand i before it is summed to the operand's shape.
Term slopeOf(VjpContext& c, size_t i) {
  const Shape whole = c.outputShape();
  // Seen as large as the result, an operand has its slope element by element.
  std::vector<ValueId> inputs;
  for (size_t k = 0; k < c.node().inputs.size(); ++k) inputs.push_back(k == i ? expand(operand(c, k), whole).id : c.input(k));
  const std::string op = c.node().op->name;
  const Attributes attributes = c.attributes();
  c.b.nodes(op, inputs, static_cast<int>(c.node().outputs.size()), attributes);
  const NodeId node = static_cast<NodeId>(c.b.graph().nodes.size()) - 1;
  std::vector<bool> wanted(inputs.size(), false);
  wanted[i] = true;
  VjpContext inner(c.b, node, {c.cotangent()}, wanted, std::vector<ParameterGradient>(inputs.size(), ParameterGradient::Summed), {}, c.facts());
  findVjp(op)(inner);
  const ValueId found = inner.gradients()[i];
  return found == kNone ? zeros(cotangent(c), c.b.shape(c.cotangent())) : Term{&c.b, found};
}

/// What a value gained, by positive and by negative contributions of what it is a sum of.
struct Parts {
  Term plus, minus;
};
bool differs(VjpContext& c, ValueId id) { return id != kNone && c.twin(id) != id; }
bool readOnce(VjpContext& c, ValueId id) {
  const auto readers = c.facts().readers.find(id);
  return readers != c.facts().readers.end() && readers->second.size() == 1;
}
Term signedPart(Term x, bool positive) { return apply(positive ? "max" : "min", x, number(x, 0)); }
/// The node's product with this part of what moves and of its weights.
Term partOfProduct(VjpContext& c, const Node& node, size_t moving, Term gained, bool positiveGain, bool positiveWeight) {
  std::vector<ValueId> operands{node.inputs[0], node.inputs[1]};
  operands[moving] = signedPart(gained, positiveGain);
  operands[1 - moving] = signedPart({&c.b, node.inputs[1 - moving]}, positiveWeight);
  const std::string op = node.op->name;
  return {&c.b, c.b.node(op, operands, node.attributes)};
}

/// The parts of a value that is a weighted sum, perhaps with a fixed bias; nothing where it is something else.
std::optional<Parts> contributions(VjpContext& c, ValueId id) {
  if (!readOnce(c, id)) return std::nullopt;
  const NodeId n = c.b.graph().value(id).producer;
  if (n < 0) return std::nullopt;
  const Node node = c.b.graph().nodes[static_cast<size_t>(n)];
  const std::string& op = node.op->name;
  const bool first = differs(c, node.inputs[0]), second = node.inputs.size() > 1 && differs(c, node.inputs[1]);
  const auto gained = [&](size_t i) { return difference(c, {&c.b, node.inputs[i]}); };
  if (op == "matMul" || op == "conv" || op == "convTranspose") {
    if (first == second || (node.inputs.size() > 2 && differs(c, node.inputs[2]))) return std::nullopt;
    const size_t moving = first ? 0 : 1;
    const Term gain = gained(moving);
    return Parts{partOfProduct(c, node, moving, gain, true, true) + partOfProduct(c, node, moving, gain, false, false),
                 partOfProduct(c, node, moving, gain, true, false) + partOfProduct(c, node, moving, gain, false, true)};
  }
  if (op == "add" && c.b.shape(node.inputs[first ? 0 : 1]) == c.b.shape(id)) {
    if (first != second) return contributions(c, node.inputs[first ? 0 : 1]);
    if (c.b.shape(node.inputs[1]) != c.b.shape(id)) return std::nullopt;
    const Term a = gained(0), b = gained(1);
    return Parts{signedPart(a, true) + signedPart(b, true), signedPart(a, false) + signedPart(b, false)};
  }
  return std::nullopt;
}

/// Before the rule of a node whose output has two multipliers: hands them on to what it is a sum of.
bool handOn(VjpContext& c) {
  const auto found = c.facts().revealed.find(c.output());
  if (found == c.facts().revealed.end()) return false;
  const Term plus{&c.b, found->second.first}, minus{&c.b, found->second.second};
  const std::string op = c.node().op->name;
  if (op == "add") {
    const bool both = moves(c, 0) && moves(c, 1);
    for (size_t i = 0; i < 2; ++i) {
      if (!moves(c, i)) continue;
      if (!both) c.facts().revealed.insert_or_assign(c.input(i), std::pair<ValueId, ValueId>(plus, minus));
      const Term gained = difference(c, operand(c, i)), mean = (plus + minus) * 0.5;
      c.gradient(i, both ? where(gained > 0, plus, where(gained < 0, minus, mean)) : mean);
    }
    return true;
  }
  const size_t moving = moves(c, 0) ? 0 : 1;
  const auto back = [&](bool positiveWeight, Term multiplier) {
    std::vector<ValueId> operands{c.input(0), c.input(1)};
    operands[1 - moving] = signedPart(operand(c, 1 - moving), positiveWeight);
    return relevance::Linear(c, operands).adjoint(moving, multiplier);
  };
  const Term gained = difference(c, operand(c, moving));
  const Term up = back(true, plus) + back(false, minus), down = back(false, plus) + back(true, minus);
  // What did not gain has no part in either.
  c.gradient(moving, where(gained > 0, up, where(gained < 0, down, (up + down) * 0.5)));
  return true;
}

/// What positive contributions gain on their way through, before and after the negative ones, and the other way round.
bool revealCancel(VjpContext& c) {
  if (c.node().inputs.size() != 1) return false;
  const Term z = operand(c, 0);
  const auto parts = contributions(c, z);
  if (!parts) return false;
  const auto through = [&](Term x) { return Term{&c.b, c.b.node(c.node().op->name, {x}, c.attributes())}; };
  const Term before = twin(c, z), y = result(c), start = twin(c, y);
  const Term plusAlone = through(before + parts->plus), minusAlone = through(before + parts->minus);
  const auto multiplier = [&](Term own, Term alone, Term other) {
    const Term empty = abs(own) < kLeast;
    const Term gain = (minus(alone, start) + minus(y, other)) * 0.5;
    return cotangent(c) * where(empty, number(own, 0), gain / where(empty, number(own, 1), own));
  };
  const Term up = multiplier(parts->plus, plusAlone, minusAlone), down = multiplier(parts->minus, minusAlone, plusAlone);
  c.facts().revealed.insert_or_assign(z.id, std::pair<ValueId, ValueId>(up, down));
  c.gradient(0, (up + down) * 0.5);
  return true;
}

/// An elementwise operation: of one operand that moves its share is all, of two the mean over both orders.
void elementwise(VjpContext& c) {
  const Term y = result(c);
  if (c.node().inputs.size() == 2 && moves(c, 0) && moves(c, 1)) {
    const Term a = operand(c, 0), b = operand(c, 1), before = twin(c, y);
    const Term aAlone = valueOf(c, a, twin(c, b)), bAlone = valueOf(c, twin(c, a), b);
    quotient(c, 0, (minus(y, bAlone) + minus(aAlone, before)) * 0.5, slopeOf(c, 0));
    quotient(c, 1, (minus(y, aAlone) + minus(bAlone, before)) * 0.5, slopeOf(c, 1));
    return;
  }
  if (reveals(c) && revealCancel(c)) return;
  for (size_t i = 0; i < c.node().inputs.size(); ++i)
    if (moves(c, i)) quotient(c, i, difference(c, y), slopeOf(c, i));
}

/// A quotient y = a / b says that y b = a, and it is that product which is shared out evenly:
/// dy = (da - (y + y') / 2 db) / ((b + b') / 2). The mean over both orders would hold 1 / b', which a norm of a baseline
/// of zeros has next to no denominator for: it multiplies up from norm to norm until only rounding is left.
void division(VjpContext& c) {
  if (!moves(c, 0) || !moves(c, 1)) return elementwise(c);
  const Term y = result(c), a = operand(c, 0), b = operand(c, 1), before = twin(c, b);
  const Term both = b + before, sameSide = b * before > 0;
  const Term safe = where(sameSide, both, number(both, 1));
  // Denominators on either side of zero leave the two orders.
  const Term aAlone = valueOf(c, a, before), bAlone = valueOf(c, twin(c, a), b), start = twin(c, y);
  const auto share = [&](size_t i, Term multiplier, Term gain) {
    const Term gained = difference(c, operand(c, i)), still = abs(gained) < kLeast;
    const Term ordered = where(still, slopeOf(c, i), cotangent(c) * (gain / where(still, number(gained, 1), gained)));
    c.gradientReduced(i, where(sameSide, cotangent(c) * multiplier, ordered));
  };
  share(0, number(both, 2) / safe, (minus(y, bAlone) + minus(aAlone, start)) * 0.5);
  share(1, (y + start) / safe * -1, (minus(y, aAlone) + minus(bAlone, start)) * 0.5);
}

/// The derivative at the mean of input and baseline, which is exact for products.
void bilinear(VjpContext& c) {
  if (handOn(c)) return;
  size_t moving = 0;
  for (size_t i = 0; i < c.node().inputs.size(); ++i) moving += moves(c, i);
  if (moving < 2) return linear(c);
  const std::string op = c.node().op->name;
  const Attributes attributes = c.attributes();
  std::vector<ValueId> middles;
  std::vector<bool> wanted;
  for (size_t i = 0; i < c.node().inputs.size(); ++i) {
    const Term x{&c.b, c.input(i)};
    middles.push_back(moves(c, i) ? ((x + twin(c, x)) * 0.5).id : c.input(i));
    wanted.push_back(moves(c, i));
  }
  c.b.node(op, middles, attributes);
  VjpContext inner(c.b, static_cast<NodeId>(c.b.graph().nodes.size()) - 1, {c.cotangent()}, wanted,
                   std::vector<ParameterGradient>(wanted.size(), ParameterGradient::Summed), {}, c.facts());
  findVjp(op)(inner);
  for (size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i]) c.gradient(i, inner.gradients()[i]);
}

/// What a maximum gains is given to the elements that are greatest for the input and for the baseline.
/// `place(g, x)` puts [K, ...y] to where the maxima of x are.
template <class Place>
void maximum(VjpContext& c, Place place) {
  const Term x = operand(c, 0), y = result(c), g = cotangent(c), before = twin(c, y);
  const Term greater = apply("max", y, before);
  const Term contributions = place(g * minus(greater, before), x, y) + place(g * minus(y, greater), twin(c, x), before);
  const Term gained = difference(c, x), still = abs(gained) < kLeast;
  c.gradient(0, where(still, place(g, x, y), contributions / where(still, number(gained, 1), gained)));
}
void maxPool(VjpContext& c) {
  if (c.facts().options.text("maxPool") == "gradient") {
    c.delegate(findVjp("maxPool"));
    return c.fellBack();
  }
  const Attributes attributes = c.attributes();
  maximum(c, [&](Term g, Term x, Term) -> Term {
    const std::vector<ValueId> pooled = c.b.nodes("maxPool", {x}, 2, attributes);
    return {&c.b, c.b.node("maxPoolGrad", {g, pooled[1], x})};
  });
}
template <bool largest>
void extremum(VjpContext& c) {
  const Attributes how = pick(c.attributes(), {"axes", "keepDims"});
  const auto place = [&](Term g, Term x, Term y) -> Term { return {&c.b, c.b.node("extremumGrad", {g, x, y}, how)}; };
  if (largest) return maximum(c, place);
  // The least of x is the greatest of -x: what it gains goes to the same two places.
  const Term x = operand(c, 0), y = result(c), g = cotangent(c), before = twin(c, y);
  const Term least = apply("min", y, before);
  const Term contributions = place(g * minus(least, before), x, y) + place(g * minus(y, least), twin(c, x), before);
  const Term gained = difference(c, x), still = abs(gained) < kLeast;
  c.gradient(0, where(still, place(g, x, y), contributions / where(still, number(gained, 1), gained)));
}
void globalMaxPool(VjpContext& c) {
  std::vector<int64_t> axes;
  for (int i = 2; i < c.shape(0).rank(); ++i) axes.push_back(i);
  const Attributes how{{"axes", axes}, {"keepDims", int64_t{1}}};
  maximum(c, [&](Term g, Term x, Term y) -> Term { return {&c.b, c.b.node("extremumGrad", {g, x, y}, how)}; });
}

/// By its parts, exp(x) over their sum: exact. What is taken from x against overflow must be the same for both.
void softmaxByParts(VjpContext& c) {
  const Term x = operand(c, 0);
  const int64_t axis = normaliseAxis(c.attributes().integer("axis"), c.outputShape().rank());
  const auto most = [&](Term of) { return apply("reduceMax", of, {{"axes", std::vector<int64_t>{axis}}, {"keepDims", int64_t{1}}}); };
  const Term shift = apply("max", most(x), most(twin(c, x)));
  c.sameForBoth(shift);
  const Term power = exp(x - apply("stopGradient", shift));
  const ValueId out[] = {power / sum(power, {axis})};
  c.differentiate(out);
}

/// Of each row its mean is taken, as the softmax itself takes a constant of its operand; this does not keep the sum. With
/// tensorMean it is the mean over all rows of the example.
void softmax(VjpContext& c) {
  if (c.facts().options.text("softmax") == "exact") return softmaxByParts(c);
  elementwise(c);
  const Term multiplied{&c.b, c.gradients()[0]};
  const int rank = c.outputShape().rank();
  std::vector<int64_t> axes{normaliseAxis(c.attributes().integer("axis"), rank) + 1};
  if (c.facts().options.text("softmax") == "tensorMean") {
    axes.clear();
    for (int64_t axis = 2; axis <= rank; ++axis) axes.push_back(axis);
  }
  c.gradient(0, multiplied - mean(multiplied, axes));
  c.fellBack();
}

/// What a norm is made of, each part under its own rule.
template <bool centre>
void rowNorm(VjpContext& c) {
  const Term x = operand(c, 0);
  std::vector<int64_t> axes;
  for (int64_t axis = normaliseAxis(c.attributes().integer("axis"), c.shape(0).rank()); axis < c.shape(0).rank(); ++axis) axes.push_back(axis);
  const Term centred = centre ? x - mean(x, axes) : x;
  Term y = centred / sqrt(mean(centred * centred, axes) + c.attributes().real("epsilon"));
  if (c.has(1)) y = y * operand(c, 1);
  if (c.has(2)) y = y + operand(c, 2);
  const ValueId out[] = {y};
  c.differentiate(out);
}
void groupNorm(VjpContext& c) {
  const Term x = operand(c, 0);
  const Shape shape = c.shape(0);
  if (shape.count() == 0) return linear(c);
  const int64_t given = c.attributes().integer("groups"), groups = given == 0 ? shape[1] : given;
  const Term parted = reshape(x, Shape{shape[0], groups, shape.count() / (shape[0] * groups)});
  const Term centred = parted - mean(parted, {2});
  Term y = reshape(centred / sqrt(mean(centred * centred, {2}) + c.attributes().real("epsilon")), shape);
  if (c.has(1)) y = y * perChannel(operand(c, 1), shape.rank());
  if (c.has(2)) y = y + perChannel(operand(c, 2), shape.rank());
  const ValueId out[] = {y};
  c.differentiate(out);
}

/// Linear in x as long as the statistics stay.
void batchNorm(VjpContext& c) {
  bool others = false;
  for (size_t i = 1; i < 5; ++i) others = others || moves(c, i);
  if (!others) return linear(c);
  const int rank = c.outputShape().rank();
  const auto wide = [&](size_t i) { return perChannel(operand(c, i), rank); };
  const Term deviation = perChannel(sqrt(operand(c, 4) + c.attributes().real("epsilon")), rank);
  const ValueId out[] = {(operand(c, 0) - wide(3)) / deviation * wide(1) + wide(2)};
  c.differentiate(out);
}

const bool registered = [] {
  const auto put = [](std::string_view op, VjpRule body) { RegisterVjp(op, body, "deepLift"); };
  for (const char* name : relevance::kLinear) put(name, linear);
  put("where", linear);
  for (const char* name : {"mul", "matMul", "conv", "convTranspose"}) put(name, bilinear);
  for (const char* name : {"pow", "min", "max", "prelu", "abs", "exp", "log", "sqrt", "reciprocal", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
                           "tanh", "asinh", "acosh", "atanh", "erf", "sigmoid", "relu", "softplus", "softsign", "silu", "hardSwish", "mish", "leakyRelu", "elu", "celu",
                           "selu", "thresholdedRelu", "hardSigmoid", "gelu", "clip"})
    put(name, elementwise);
  put("div", division);
  put("maxPool", maxPool);
  put("globalMaxPool", globalMaxPool);
  put("reduceMax", extremum<true>);
  put("reduceMin", extremum<false>);
  put("softmax", softmax);
  put("batchNorm", batchNorm);
  put("layerNorm", rowNorm<true>);
  put("rmsNorm", rowNorm<false>);
  put("groupNorm", groupNorm);
  for (const char* name : {"attention", "recurrent"})
    put(name, [](VjpContext& c) {
      const Node node = c.node();
      c.differentiate(findDecomposition(node.op->name)(c.b, node));
    });
  return true;
}();

}  // namespace
}  // namespace ascribe
