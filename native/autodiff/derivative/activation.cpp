#include "autodiff/rule.h"

namespace ascribe {
namespace {
using namespace calculus;

/// A fused gate of the cotangent and what it saves: the op's output or its operand.
enum class Saved { Operand, Result };
template <Saved saved>
void gate(VjpContext& c) {
  const std::string name = c.node().op->name + "Grad";
  c.gradient(0, apply(name, cotangent(c), saved == Saved::Result ? result(c) : operand(c, 0), c.attributes()));
}

/// The backward gates of piecewise linear activations are linear in the gradient, and flat in what they save.
void gateAgain(VjpContext& c) {
  if (c.wants(0)) c.gradient(0, apply(c.node().op->name, cotangent(c), operand(c, 1), c.attributes()));
}

const bool registered = [] {
  // At a kink the slope is that of the flatter side: relu'(0) = 0, and a clip's ends pass nothing.
  // Where the result tells the slope as well as the operand does, it is what is kept: the operand need not outlive the
  // activation then, nor even exist (it stays in the registers of the convolution before).
  for (const char* name : {"relu", "sigmoid", "clip"}) rule(name, gate<Saved::Result>);
  rule("leakyRelu", [](VjpContext& c) { c.attributes().real("alpha") < 0 ? gate<Saved::Operand>(c) : gate<Saved::Result>(c); });
  for (const char* name : {"elu", "gelu", "silu", "hardSwish", "hardSigmoid"}) rule(name, gate<Saved::Operand>);
  for (const char* name : {"reluGrad", "leakyReluGrad", "clipGrad", "hardSigmoidGrad"}) rule(name, gateAgain);

  rule("softplus", [](VjpContext& c) { c.gradient(0, cotangent(c) * sigmoid(operand(c, 0))); });
  rule("softsign", [](VjpContext& c) {
    const Term w = 1 + abs(operand(c, 0));
    c.gradient(0, cotangent(c) / (w * w));
  });
  rule("mish", [](VjpContext& c) {  // x tanh(softplus x)
    const Term x = operand(c, 0), t = tanh(softplus(x));
    c.gradient(0, cotangent(c) * (t + x * sigmoid(x) * (1 - t * t)));
  });
  rule("celu", [](VjpContext& c) {
    const Term x = operand(c, 0), g = cotangent(c);
    c.gradient(0, where(x > 0, g, g * exp(minimum(x, 0) / c.attributes().real("alpha"))));
  });
  rule("selu", [](VjpContext& c) {
    const double alpha = c.attributes().real("alpha"), gamma = c.attributes().real("gamma");
    const Term x = operand(c, 0), g = gamma * cotangent(c);
    c.gradient(0, where(x > 0, g, g * (alpha * exp(minimum(x, 0)))));
  });
  rule("thresholdedRelu", [](VjpContext& c) {
    c.gradient(0, only(operand(c, 0) > c.attributes().real("alpha"), cotangent(c)));
  });
  rule("prelu", [](VjpContext& c) {
    const Term x = operand(c, 0), slope = operand(c, 1), g = cotangent(c), positive = x > 0;
    if (c.wants(0)) c.gradientReduced(0, where(positive, g, g * slope));
    if (c.wants(1)) c.gradientReduced(1, where(positive, number(g, 0), g * x));
  });
  return true;
}();

}  // namespace
}  // namespace ascribe
