#include "autodiff/vjp.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "runtime/error.h"

namespace ascribe {
namespace {

std::string label(const Graph& graph, const Node& node) {
  std::string name = node.name.empty() ? graph.value(node.outputs[0]).name : node.name;
  if (name.empty()) name = "%" + std::to_string(node.outputs[0]);
  return name + " (" + node.op->name + ")";
}

/// Whether a derivative can flow from operand i to the node's outputs: not where only its shape or, at planning
/// time, its content is read.
bool flows(const Node& node, size_t i) {
  return i >= 32 || !((node.op->shapeOnly | node.op->hostOperands) >> i & 1u);
}
bool cuts(const Node& node) { return node.op->name == "stopGradient" || carriesNoGradient(node.op->name); }

/// An expand is where one row becomes a batch, so what follows it belongs to examples.
bool entersBatch(const Graph& graph, const Node& node) {
  if (node.op->name != "expand" && node.op->name != "expandLike") return false;
  const Shape &in = graph.shape(node.inputs[0]), &out = graph.shape(node.outputs[0]);
  return out.rank() > 0 && (in.rank() < out.rank() || in[0] != out[0]);
}

class Walk {
 public:
  Walk(Graph& graph, const VjpRequest& request) : graph_(graph), b_(graph), request_(request) {
    for (ValueId id : request.wanted)
      if (graph.value(id).kind == ValueKind::Parameter) parameters_.insert(id);
    const NodeId end = static_cast<NodeId>(graph.nodes.size());
    markData(0, end);
    facts_.options = request.ruleOptions;
    if (request.ruleSet != "derivative") learn(end);
    for (size_t i = 0; i < request.baselines.size(); ++i) facts_.twins.emplace(request.wanted[i], request.baselines[i]);
    pair(0, end);
  }

  /// Cotangents of `wanted` after the nodes [begin, end) were walked backwards; kNone where not connected.
  std::vector<ValueId> reverse(NodeId begin, NodeId end, std::span<const ValueId> outputs, std::span<const ValueId> seeds,
                               std::span<const ValueId> wanted);

  std::map<ValueId, std::vector<ValueId>> factors;
  std::vector<std::string> fallbacks;

 private:
  using Contributions = std::unordered_map<ValueId, std::vector<ValueId>>;

  void markData(NodeId begin, NodeId end);
  void learn(NodeId end);
  void pair(NodeId begin, NodeId end);
  void requireRules(const std::vector<NodeId>& path);
  void stepBack(NodeId n, const std::vector<char>& connected, Contributions& contributions);
  std::vector<ValueId> differentiateAgain(NodeId begin, NodeId n, std::span<const ValueId> outputs,
                                          std::span<const ValueId> cotangents, const std::vector<bool>& wanted);
  void runRule(VjpContext& context, NodeId n);
  void check(const VjpContext& context, const std::vector<ValueId>& cotangents) const;
  ValueId total(Contributions& contributions, ValueId id);
  bool dependsOnData(ValueId id) const { return static_cast<size_t>(id) < data_.size() && data_[static_cast<size_t>(id)]; }

  Graph& graph_;
  Builder b_;
  const VjpRequest& request_;
  std::unordered_set<ValueId> parameters_;
  RuleFacts facts_;
  std::vector<char> data_;  // per value: belongs to examples (as against what follows from parameters alone)
};

void Walk::markData(NodeId begin, NodeId end) {
  data_.resize(graph_.values.size(), 0);
  if (begin == 0)
    for (size_t i = 0; i < data_.size(); ++i)
      data_[i] = graph_.values[i].kind == ValueKind::Input || graph_.values[i].kind == ValueKind::State;
  for (NodeId n = begin; n < end; ++n) {
    const Node& node = graph_.nodes[static_cast<size_t>(n)];
    bool data = node.op->impure || entersBatch(graph_, node);
    for (size_t i = 0; i < node.inputs.size(); ++i)
      data = data || (node.inputs[i] != kNone && flows(node, i) && data_[static_cast<size_t>(node.inputs[i])]);
    for (ValueId id : node.outputs) data_[static_cast<size_t>(id)] = data;
  }
}

/// Who reads what, and what lies behind weights.
void Walk::learn(NodeId end) {
  std::vector<char> follows(graph_.values.size(), 0);
  facts_.behindWeights.assign(graph_.values.size(), 0);
  for (ValueId id : request_.wanted) follows[static_cast<size_t>(id)] = 1;
  for (NodeId n = 0; n < end; ++n) {
    const Node& node = graph_.nodes[static_cast<size_t>(n)];
    bool any = false, behind = false;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == kNone) continue;
      facts_.readers[id].push_back(n);
      if (!flows(node, i)) continue;
      any = any || follows[static_cast<size_t>(id)];
      behind = behind || facts_.behindWeights[static_cast<size_t>(id)];
    }
    const bool weighted = any && node.op->opClass == OpClass::Bilinear;
    for (ValueId id : node.outputs) {
      follows[static_cast<size_t>(id)] = follows[static_cast<size_t>(id)] || any;
      facts_.behindWeights[static_cast<size_t>(id)] = behind || weighted;
    }
  }
}

/// Computes nodes [begin, end) for the baseline too, as far as they follow from it.
void Walk::pair(NodeId begin, NodeId end) {
  if (facts_.twins.empty()) return;
  for (NodeId n = begin; n < end; ++n) {
    const Node node = graph_.nodes[static_cast<size_t>(n)];  // a copy: nodes are appended
    std::vector<ValueId> inputs = node.inputs;
    bool differs = false;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const auto found = facts_.twins.find(inputs[i]);
      // Input and baseline have one shape.
      if (inputs[i] == kNone || !flows(node, i) || found == facts_.twins.end() || found->second == inputs[i]) continue;
      inputs[i] = found->second;
      differs = true;
    }
    if (!differs || node.op->name == "vjp" || facts_.twins.contains(node.outputs[0])) continue;
    if (node.op->name == "customDerivative")
      throw Error("DERIVATIVE_UNSUPPORTED", label(graph_, node) + ": an operation with a derivative of its own has none between two inputs");
    const std::vector<ValueId> outputs = b_.nodes(node.op->name, inputs, static_cast<int>(node.outputs.size()), node.attributes);
    // A wanted value inside the model has the baseline it was given, not what would follow from another's.
    for (size_t i = 0; i < outputs.size(); ++i) facts_.twins.emplace(node.outputs[i], outputs[i]);
  }
}

std::vector<ValueId> Walk::reverse(NodeId begin, NodeId end, std::span<const ValueId> outputs, std::span<const ValueId> seeds,
                                   std::span<const ValueId> wanted) {
  std::vector<char> connected(graph_.values.size(), 0), needed(graph_.values.size(), 0);
  for (ValueId id : wanted) connected[static_cast<size_t>(id)] = 1;
  for (NodeId n = begin; n < end; ++n) {
    const Node& node = graph_.nodes[static_cast<size_t>(n)];
    if (cuts(node)) continue;
    bool any = false;
    for (size_t i = 0; i < node.inputs.size() && !any; ++i)
      any = node.inputs[i] != kNone && flows(node, i) && connected[static_cast<size_t>(node.inputs[i])];
    if (!any) continue;
    for (ValueId id : node.outputs)
      if (isFloating(graph_.type(id).dtype)) connected[static_cast<size_t>(id)] = 1;
  }
  for (ValueId id : outputs) needed[static_cast<size_t>(id)] = connected[static_cast<size_t>(id)];
  std::vector<NodeId> path;  // last node first
  for (NodeId n = end; n-- > begin;) {
    const Node& node = graph_.nodes[static_cast<size_t>(n)];
    if (cuts(node)) continue;
    if (std::none_of(node.outputs.begin(), node.outputs.end(), [&](ValueId id) { return needed[static_cast<size_t>(id)]; })) continue;
    bool any = false;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == kNone || !flows(node, i) || !connected[static_cast<size_t>(id)]) continue;
      needed[static_cast<size_t>(id)] = 1;
      any = true;
    }
    if (any) path.push_back(n);  // a wanted value's own producer has none
  }
  requireRules(path);

  Contributions contributions;
  for (size_t i = 0; i < outputs.size(); ++i)
    if (connected[static_cast<size_t>(outputs[i])] && seeds[i] != kNone) contributions[outputs[i]].push_back(seeds[i]);
  for (NodeId n : path) stepBack(n, connected, contributions);

  std::vector<ValueId> found;
  for (ValueId id : wanted) {
    if (!needed[static_cast<size_t>(id)]) {
      found.push_back(kNone);
      continue;
    }
    ValueId gradient = total(contributions, id);
    if (gradient == kNone && !factors.contains(id)) {
      std::vector<int64_t> dims{b_.shape(seeds[0])[0]};
      for (int64_t dim : b_.shape(id)) dims.push_back(dim);
      gradient = b_.node("expand", {b_.scalar(b_.dtype(id), 0), b_.integers(dims)});
    }
    found.push_back(gradient);
  }
  return found;
}

void Walk::requireRules(const std::vector<NodeId>& path) {
  std::vector<std::string> missing;
  for (auto n = path.rbegin(); n != path.rend(); ++n) {
    const Node& node = graph_.nodes[static_cast<size_t>(*n)];
    const std::string& op = node.op->name;
    if (findVjp(op, request_.ruleSet)) continue;
    if (!findVjp(op) && !findDecomposition(op)) missing.push_back(label(graph_, node));
    else if (request_.ruleSet != "derivative") fallbacks.push_back(label(graph_, node));
  }
  if (missing.empty()) return;
  std::string text = "no derivative is known for ";
  for (size_t i = 0; i < missing.size(); ++i) text += (i ? ", " : "") + missing[i];
  throw Error("DERIVATIVE_UNSUPPORTED", text, "Ask for the gradient of a value behind these nodes, or of an output that does not pass them.");
}

ValueId Walk::total(Contributions& contributions, ValueId id) {
  const auto found = contributions.find(id);
  if (found == contributions.end() || found->second.empty()) return kNone;
  std::vector<ValueId>& parts = found->second;
  for (size_t i = 1; i < parts.size(); ++i) {
    if (b_.shape(parts[i]) != b_.shape(parts[0]))
      throw Error("DERIVATIVE_UNSUPPORTED",
                  "the gradient per example of " + graph_.value(id).name + " is not defined: the activations it meets have different leading axes",
                  "Ask for the summed gradient of this parameter.");
    parts[0] = b_.add(parts[0], parts[i]);
  }
  parts.resize(1);
  return parts[0];
}

void Walk::stepBack(NodeId n, const std::vector<char>& connected, Contributions& contributions) {
  const Node node = graph_.nodes[static_cast<size_t>(n)];  // a copy: rules append nodes
  std::vector<ValueId> cotangents;
  bool any = false, data = false;
  for (ValueId id : node.outputs) {
    cotangents.push_back(total(contributions, id));
    any = any || cotangents.back() != kNone;
    data = data || dependsOnData(id);
  }
  if (!any) return;  // everything behind this node has derivative zero
  std::vector<bool> wanted;
  std::vector<ParameterGradient> modes;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    wanted.push_back(id != kNone && flows(node, i) && connected[static_cast<size_t>(id)]);
    const bool meets = wanted.back() && data && !dependsOnData(id);
    const bool asked = request_.parameters == ParameterGradient::PerExample ||
                       (request_.parameters == ParameterGradient::Factors && parameters_.contains(id));
    modes.push_back(meets && asked ? request_.parameters : ParameterGradient::Summed);
  }
  const NodeId begin = static_cast<NodeId>(graph_.nodes.size());
  VjpContext context(b_, n, cotangents, wanted, modes, [&, begin](std::span<const ValueId> outputs) {
    return differentiateAgain(begin, n, outputs, cotangents, wanted);
  }, facts_);
  runRule(context, n);
  if (!context.problem().empty()) throw Error("DERIVATIVE_UNSUPPORTED", label(graph_, node) + ": " + context.problem());
  check(context, cotangents);
  if (context.hasFallenBack()) fallbacks.push_back(label(graph_, node));
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (wanted[i] && context.gradients()[i] != kNone) contributions[node.inputs[i]].push_back(context.gradients()[i]);
  for (const VjpContext::Factor& factor : context.factorsFound()) {
    factors[node.inputs[factor.operand]].push_back(factor.input);
    factors[node.inputs[factor.operand]].push_back(factor.outputGradient);
  }
}

void Walk::runRule(VjpContext& context, NodeId n) {
  const std::string op = graph_.nodes[static_cast<size_t>(n)].op->name;
  VjpRule rule = findVjp(op, request_.ruleSet);
  if (!rule) rule = findVjp(op);
  if (rule) return rule(context);
  const Node node = context.node();
  context.differentiate(findDecomposition(op)(b_, node));
}

std::vector<ValueId> Walk::differentiateAgain(NodeId begin, NodeId n, std::span<const ValueId> outputs,
                                              std::span<const ValueId> cotangents, const std::vector<bool>& wanted) {
  const NodeId end = static_cast<NodeId>(graph_.nodes.size());
  markData(begin, end);
  pair(begin, end);
  const std::vector<ValueId> operands = graph_.nodes[static_cast<size_t>(n)].inputs;
  std::vector<ValueId> asked, seeded, seeds;
  for (size_t i = 0; i < operands.size(); ++i)
    if (wanted[i] && std::find(asked.begin(), asked.end(), operands[i]) == asked.end()) asked.push_back(operands[i]);
  for (size_t i = 0; i < outputs.size() && i < cotangents.size(); ++i)
    if (cotangents[i] != kNone) seeded.push_back(outputs[i]), seeds.push_back(cotangents[i]);
  const std::vector<ValueId> found = reverse(begin, end, seeded, seeds, asked);
  // An operand given twice has its whole gradient under its first place.
  std::vector<ValueId> gradients(operands.size(), kNone);
  for (size_t a = 0; a < asked.size(); ++a)
    for (size_t i = 0; i < operands.size(); ++i)
      if (wanted[i] && operands[i] == asked[a]) {
        gradients[i] = found[a];
        break;
      }
  return gradients;
}

/// A rule that returns a gradient of another shape is a defect of ours; found here, not as a wrong number.
void Walk::check(const VjpContext& context, const std::vector<ValueId>& cotangents) const {
  int64_t leading = 0;
  for (ValueId id : cotangents)
    if (id != kNone) leading = graph_.shape(id)[0];
  for (size_t i = 0; i < context.gradients().size(); ++i) {
    const ValueId gradient = context.gradients()[i];
    if (gradient == kNone || !context.wants(i)) continue;
    const ValueType found = graph_.type(gradient), operand = graph_.type(context.input(i));
    const bool perExample = context.mode(i) == ParameterGradient::PerExample && found.shape.rank() > 0;
    const Shape expected = prepend(perExample ? found.shape[0] : leading, operand.shape);
    if (found.shape != expected || found.dtype != operand.dtype)
      throw Error("INTERNAL", label(graph_, context.node()) + ": the gradient of operand " + std::to_string(i) + " has type " +
                                  std::string(nameOf(found.dtype)) + found.shape.text() + ", expected " +
                                  std::string(nameOf(operand.dtype)) + expected.text());
  }
}

void validate(const Graph& graph, const VjpRequest& request) {
  if (request.outputs.empty() || request.outputs.size() != request.seeds.size())
    throw Error("INTERNAL", "a vector-Jacobian product needs one seed for each of at least one output");
  if (!request.baselines.empty() && request.baselines.size() != request.wanted.size())
    throw Error("INTERNAL", "a rule set that compares with a baseline needs one for each wanted value");
  for (size_t i = 0; i < request.baselines.size(); ++i)
    if (graph.shape(request.baselines[i]) != graph.shape(request.wanted[i]) || graph.type(request.baselines[i]).dtype != graph.type(request.wanted[i]).dtype)
      throw Error("INPUT_SHAPE", "the baseline of " + graph.value(request.wanted[i]).name + " has shape " + graph.shape(request.baselines[i]).text() + ", expected " + graph.shape(request.wanted[i]).text());
  if (request.baselines.empty() && request.ruleSet == "deepLift")
    throw Error("OPTION_RANGE", "the rule set deepLift compares with a baseline, and there is none");
  if (!ruleSetExists(request.ruleSet)) throw Error("OPTION_RANGE", "no rule set is called " + request.ruleSet);
  for (size_t i = 0; i < request.outputs.size(); ++i) {
    const Shape &output = graph.shape(request.outputs[i]), &seed = graph.shape(request.seeds[i]);
    const int64_t leading = graph.shape(request.seeds[0]).rank() ? graph.shape(request.seeds[0])[0] : 1;
    if (seed != prepend(leading, output))
      throw Error("INPUT_SHAPE", "the seed of output " + std::to_string(i) + " has shape " + seed.text() + ", expected " + prepend(leading, output).text());
  }
  for (ValueId id : request.wanted)
    if (!isFloating(graph.type(id).dtype))
      throw Error("INPUT_DTYPE", graph.value(id).name + " has element type " + std::string(nameOf(graph.type(id).dtype)) + "; only floating-point values have gradients",
                  "For token ids, ask for the gradient of their embeddings.");
}

}  // namespace

VjpResult vjp(Graph& graph, const VjpRequest& request) {
  validate(graph, request);
  Walk walk(graph, request);
  VjpResult result;
  result.gradients = walk.reverse(0, static_cast<NodeId>(graph.nodes.size()), request.outputs, request.seeds, request.wanted);
  result.factors.resize(request.wanted.size());
  const int64_t cotangents = graph.shape(request.seeds[0])[0];
  for (size_t i = 0; i < request.wanted.size(); ++i) {
    const ValueId id = request.wanted[i];
    if (const auto found = walk.factors.find(id); found != walk.factors.end()) result.factors[i] = found->second;
    ValueId& gradient = result.gradients[i];
    if (request.parameters != ParameterGradient::PerExample || graph.value(id).kind != ValueKind::Parameter || gradient == kNone) continue;
    const Shape found = graph.shape(gradient);
    Shape split{cotangents, cotangents ? found[0] / cotangents : 0};
    for (int axis = 1; axis < found.rank(); ++axis) split.push(found[axis]);
    gradient = Builder(graph).reshape(gradient, split);
  }
  result.fallbacks = std::move(walk.fallbacks);
  return result;
}

}  // namespace ascribe
