#include "autodiff/rule.h"
#include "ops/recurrent.h"
#include "runtime/error.h"

/// Recurrent cells step by step, for their derivative through time.
namespace ascribe {
namespace {
using namespace calculus;

/// Beyond this the graph of steps would be larger than what compiles in reasonable time.
constexpr int64_t kMostSteps = 4096;

Term slice(Term x, int64_t axis, int64_t begin, int64_t end) {
  Builder& b = *x.builder;
  return {&b, b.node("slice", {x.id, b.integers({begin}), b.integers({end}), b.integers({axis})})};
}

/// Parts of one step each, in halves of halves: gradients of nested parts add up in T log T instead of T squared.
void takeSteps(Term x, std::vector<Term>& out) {
  const int64_t count = x.builder->shape(x)[0];
  if (count == 1) return out.push_back(apply("squeeze", x, {{"axes", std::vector<int64_t>{0}}}));
  takeSteps(slice(x, 0, 0, count / 2), out);
  takeSteps(slice(x, 0, count / 2, count), out);
}

Term activated(GateActivation kind, Term x, double clip) {
  if (clip > 0) x = maximum(minimum(x, clip), -clip);
  switch (kind) {
    case GateActivation::Sigmoid: return sigmoid(x);
    case GateActivation::Tanh: return tanh(x);
    case GateActivation::Relu: return apply("relu", x);
    case GateActivation::Softsign: return apply("softsign", x);
    case GateActivation::Softplus: return softplus(x);
    case GateActivation::HardSigmoid: return maximum(minimum(x * 0.2 + 0.5, 1), 0);
  }
  return x;
}

struct Unrolled {
  RecurrentCell cell;
  Term weights;
  ValueId bias, peepholes;
  int64_t size;

  Term gate(Term all, int64_t g) const { return slice(all, -1, g * size, (g + 1) * size); }
  Term act(size_t which, Term x) const { return activated(cell.activations[which], x, cell.clip); }
  Term peep(int64_t g, Term of, Term onto) const {
    return peepholes == kNone ? onto : onto + slice({of.builder, peepholes}, 0, g * size, (g + 1) * size) * of;
  }

  void step(Term x, Term& h, Term& c) const {
    if (!cell.isGru()) {
      const Term a = x + product(h, weights, false, true);
      if (!cell.isLstm()) return void(h = act(0, a));
      const Term in = act(0, peep(0, c, gate(a, 0)));
      const Term forget = cell.inputForget ? 1 - in : act(0, peep(2, c, gate(a, 2)));
      c = forget * c + in * act(1, gate(a, 3));
      h = act(0, peep(1, c, gate(a, 1))) * activated(cell.activations[2], c, 0);
      return;
    }
    const Term both = slice(x, -1, 0, 2 * size) + product(h, slice(weights, 0, 0, 2 * size), false, true);
    const Term z = act(0, gate(both, 0)), reset = act(0, gate(both, 1)), last = slice(weights, 0, 2 * size, 3 * size);
    Term recurrent = product(cell.resetsAfter() ? h : reset * h, last, false, true);
    if (bias != kNone) recurrent = recurrent + Term{x.builder, bias};
    if (cell.resetsAfter()) recurrent = reset * recurrent;
    h = (1 - z) * act(1, gate(x, 2) + recurrent) + z * h;
  }
};

/// [B, 1] for each step: whether the sequence goes on.
std::vector<Term> goesOn(Builder& b, ValueId lengths, int64_t steps) {
  std::vector<Term> out;
  const Term column = apply("unsqueeze", Term{&b, lengths}, {{"axes", std::vector<int64_t>{1}}});
  for (int64_t t = 0; t < steps; ++t) out.push_back(column > static_cast<double>(t));
  return out;
}

std::vector<ValueId> decomposeRecurrent(Builder& b, const Node& node) {
  const auto optional = [&](size_t i) { return i < node.inputs.size() ? node.inputs[i] : kNone; };
  const Term x{&b, node.inputs[0]}, weights{&b, node.inputs[1]};
  const int64_t steps = b.shape(x)[0], size = b.shape(weights)[1];
  if (steps > kMostSteps)
    throw Error("DERIVATIVE_UNSUPPORTED", "a recurrent layer of " + std::to_string(steps) + " steps is differentiated up to " + std::to_string(kMostSteps),
                "Explain shorter sequences.");
  const Unrolled unrolled{RecurrentCell(node.attributes), weights, optional(4), optional(5), size};
  const Shape state{b.shape(x)[1], size};
  Term h = optional(2) == kNone ? zeros(x, state) : Term{&b, optional(2)};
  Term c = optional(3) == kNone ? zeros(x, state) : Term{&b, optional(3)};
  if (steps == 0) {
    const ValueId none = zeros(x, Shape{0, state[0], size});
    return unrolled.cell.isLstm() ? std::vector<ValueId>{none, h, c} : std::vector<ValueId>{none, h};
  }
  std::vector<Term> given;
  takeSteps(x, given);
  const std::vector<Term> running = optional(6) == kNone ? std::vector<Term>{} : goesOn(b, optional(6), steps);
  std::vector<ValueId> states(static_cast<size_t>(steps));
  for (int64_t s = 0; s < steps; ++s) {
    const auto t = static_cast<size_t>(unrolled.cell.reverse ? steps - 1 - s : s);
    const Term before = h, cellBefore = c;
    unrolled.step(given[t], h, c);
    Term shown = h;
    if (!running.empty()) {
      shown = only(running[t], h);
      h = where(running[t], h, before);
      if (unrolled.cell.isLstm()) c = where(running[t], c, cellBefore);
    }
    states[t] = unsqueeze(shown, {0});
  }
  const ValueId all = steps == 1 ? states[0] : b.node("concat", states, {{"axis", int64_t{0}}});
  return unrolled.cell.isLstm() ? std::vector<ValueId>{all, h, c} : std::vector<ValueId>{all, h};
}

const bool registered = [] {
  RegisterDecomposition{"recurrent", decomposeRecurrent};
  return true;
}();

}  // namespace
}  // namespace ascribe
