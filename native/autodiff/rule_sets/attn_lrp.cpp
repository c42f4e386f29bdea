#include "autodiff/rule_sets/relevance.h"

/// AttnLRP as a backward pass: with these four changes, a value times its gradient is its relevance, anywhere in the
/// model. Source: Achtibat et al., "AttnLRP: attention-aware layer-wise relevance propagation for transformers" (2024);
/// the form that needs no relevance of its own is that of the authors' software.
namespace ascribe {
namespace {
using namespace relevance;

constexpr double kLeast = 1e-10;

/// An activation passes relevance as it is: its gradient is y / x.
void activation(VjpContext& c) { c.gradient(0, cotangent(c) * (result(c) / stabilised(operand(c, 0), kLeast))); }

/// Two factors that both move have half each. A gate and what it opens, queries and keys, weights and values alike.
void halved(VjpContext& c) {
  const VjpRule derivative = findVjp(c.node().op->name);
  const bool both = c.wants(0) && c.wants(1);
  c.delegate(derivative);
  if (!both) return;
  const std::vector<ValueId> found = c.gradients();
  for (size_t i = 0; i < 2; ++i)
    if (found[i] != kNone) c.gradient(i, Term{&c.b, found[i]} * 0.5);
}

/// A divisor that moves is a norm's: a constant of the input.
void divided(VjpContext& c) {
  if (c.wants(0)) c.gradientReduced(0, cotangent(c) / operand(c, 1));
  else c.delegate(findVjp("div"));
}

const bool registered = [] {
  const auto put = [](std::string_view op, VjpRule body) { RegisterVjp(op, body, "attnLrp"); };
  for (const char* name : kActivations) put(name, activation);
  for (const char* name : {"mul", "matMul", "conv"}) put(name, halved);
  // These keep their derivative: a maximum gives all to who won, a softmax follows its Taylor expansion.
  for (const char* name : kLinear) put(name, [](VjpContext& c) { c.delegate(findVjp(c.node().op->name)); });
  for (const char* name : {"batchNorm", "convTranspose", "maxPool", "globalMaxPool", "reduceMax", "reduceMin", "max", "min", "where", "softmax"})
    put(name, [](VjpContext& c) { c.delegate(findVjp(c.node().op->name)); });
  put("div", divided);
  put("layerNorm", normWithFixedScale<true>);
  put("rmsNorm", normWithFixedScale<false>);
  put("groupNorm", groupNormWithFixedScale);
  put("attention", asItsParts);
  return true;
}();

}  // namespace
}  // namespace ascribe
