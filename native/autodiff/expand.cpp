#include <algorithm>
#include <unordered_map>

#include "autodiff/vjp.h"
#include "graph/inline.h"
#include "graph/op.h"
#include "runtime/error.h"

namespace ascribe {
namespace {

/// Takes the nodes behind node n off the graph, so that what is appended stands in its place; `finish` puts them
/// back. The node itself goes.
class Opening {
 public:
  Opening(Graph& graph, size_t n) : graph_(graph), first_(n), node(graph.nodes[n]) {
    std::move(graph.nodes.begin() + static_cast<ptrdiff_t>(n) + 1, graph.nodes.end(), std::back_inserter(rest_));
    graph.nodes.resize(n);
    for (ValueId id : node.outputs) types_.push_back(graph.type(id));
  }

  /// The removed node's output `id` is `value` from now on. The id stays, and with it name, pin and readers.
  void define(ValueId id, ValueId value) {
    // What another output took over is known by that output's id from then on.
    if (const auto taken = renamed_.find(value); taken != renamed_.end()) value = taken->second;
    const NodeId producer = graph_.value(value).producer;
    const bool fresh = producer >= static_cast<NodeId>(first_) && std::find(defined_.begin(), defined_.end(), value) == defined_.end() &&
                       std::find(node.inputs.begin(), node.inputs.end(), value) == node.inputs.end();
    if (!fresh) {
      Builder b(graph_);
      value = b.node("identity", {value});
    }
    Node& source = graph_.nodes[static_cast<size_t>(graph_.value(value).producer)];
    for (ValueId& output : source.outputs)
      if (output == value) output = id;
    for (size_t n = first_; n < graph_.nodes.size(); ++n)
      for (ValueId& operand : graph_.nodes[n].inputs)
        if (operand == value) operand = id;
    graph_.value(id).producer = graph_.value(value).producer;
    graph_.value(id).type = graph_.type(value);
    graph_.value(value).producer = -1;
    renamed_.emplace(value, id);
    defined_.push_back(id);
  }

  void finish() {
    bool changed = false;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueType& now = graph_.type(node.outputs[i]);
      changed = changed || now.shape != types_[i].shape || now.dtype != types_[i].dtype;
    }
    for (Node& following : rest_) {
      for (ValueId id : following.outputs) graph_.value(id).producer = static_cast<NodeId>(graph_.nodes.size());
      graph_.nodes.push_back(std::move(following));
      if (changed && graph_.nodes.back().op->name != "customDerivative") inferAgain(graph_.nodes.back());
    }
  }

 private:
  /// The precision of the plan, which a shape rule does not know, stays.
  void inferAgain(Node& following) {
    std::vector<DType> before;
    for (ValueId id : following.outputs) before.push_back(graph_.type(id).dtype);
    inferNode(graph_, following);
    for (size_t i = 0; i < before.size(); ++i) {
      DType& dtype = graph_.value(following.outputs[i]).type.dtype;
      if (isFloating(dtype) && isFloating(before[i])) dtype = before[i];
    }
  }

  Graph& graph_;
  size_t first_;
  std::vector<Node> rest_;
  std::vector<ValueType> types_;
  std::vector<ValueId> defined_;
  std::unordered_map<ValueId, ValueId> renamed_;

 public:
  const Node node;
};

std::string nameOf(const Graph& graph, ValueId id) {
  const Value& v = graph.value(id);
  if (!v.name.empty()) return v.name;
  return v.aliases.empty() ? "%" + std::to_string(id) : v.aliases[0];
}

ParameterGradient modeOf(const Node& node) {
  const std::string& mode = node.attributes.text("parameters");
  if (mode == "summed") return ParameterGradient::Summed;
  if (mode == "perExample") return ParameterGradient::PerExample;
  if (mode == "factors") return ParameterGradient::Factors;
  throw Error("MODEL_INVALID", "node " + node.name + " (vjp): parameters must be summed, perExample or factors, not " + mode);
}

void expandVjp(Graph& graph, size_t n, ExpandResult& out) {
  Opening opening(graph, n);
  const Node& node = opening.node;
  VjpRequest request;
  const auto outputs = node.attributes.integer("outputs");
  request.outputs.assign(node.inputs.begin(), node.inputs.begin() + outputs);
  request.seeds.assign(node.inputs.begin() + outputs, node.inputs.begin() + 2 * outputs);
  const bool paired = node.attributes.integer("paired") != 0;
  const auto wantedEnd = paired ? node.inputs.begin() + (2 * outputs + static_cast<int64_t>(node.inputs.size())) / 2 : node.inputs.end();
  request.wanted.assign(node.inputs.begin() + 2 * outputs, wantedEnd);
  request.baselines.assign(wantedEnd, node.inputs.end());
  request.ruleSet = node.attributes.text("rules");
  request.ruleOptions = node.attributes;
  request.parameters = modeOf(node);
  // Whoever writes a seed may not know what the output is computed in.
  for (size_t i = 0; i < request.seeds.size(); ++i) {
    const DType dtype = graph.type(request.outputs[i]).dtype;
    if (graph.type(request.seeds[i]).dtype != dtype)
      request.seeds[i] = Builder(graph).node("cast", {request.seeds[i]}, {{"to", std::string(nameOf(dtype))}, {"keepPrecision", int64_t{0}}});
  }
  VjpResult result = vjp(graph, request);
  out.fallbacks.insert(out.fallbacks.end(), result.fallbacks.begin(), result.fallbacks.end());

  for (size_t i = 0; i < request.wanted.size(); ++i) {
    const ValueId wanted = request.wanted[i];
    if (request.parameters == ParameterGradient::Factors) {
      if (result.factors[i].size() != 2)
        throw Error("DERIVATIVE_UNSUPPORTED", nameOf(graph, wanted) + " is used in " + std::to_string(result.factors[i].size() / 2) +
                                                  " matrix products or convolutions; the factors of its gradient need exactly one");
      opening.define(node.outputs[2 * i], result.factors[i][0]);
      opening.define(node.outputs[2 * i + 1], result.factors[i][1]);
      continue;
    }
    if (result.gradients[i] == kNone) {
      out.unconnected.push_back(nameOf(graph, wanted));
      Builder b(graph);
      const Shape shape = prepend(graph.shape(request.seeds[0])[0], graph.shape(wanted));
      result.gradients[i] = b.node("expand", {b.scalar(graph.type(wanted).dtype, 0), b.integers({shape.begin(), shape.end()})});
    }
  }
  if (request.parameters != ParameterGradient::Factors)
    for (size_t i = 0; i < request.wanted.size(); ++i) opening.define(node.outputs[i], result.gradients[i]);
  opening.finish();
}

void inlineForward(Graph& graph, size_t n) {
  Opening opening(graph, n);
  const auto found = graph.subgraphs.find(opening.node.attributes.text("forward"));
  if (found == graph.subgraphs.end())
    throw Error("MODEL_INVALID", "node " + opening.node.name + " (customDerivative): no subgraph is called " + opening.node.attributes.text("forward"));
  const std::shared_ptr<const Graph> body = found->second;
  const std::vector<ValueId> outputs = inlineGraph(graph, *body, opening.node.inputs);
  if (outputs.size() != opening.node.outputs.size())
    throw Error("MODEL_INVALID", "node " + opening.node.name + " (customDerivative): its forward body has another number of outputs");
  for (size_t i = 0; i < outputs.size(); ++i) opening.define(opening.node.outputs[i], outputs[i]);
  opening.finish();
}

}  // namespace

ExpandResult expandDerivatives(Graph& graph) {
  ExpandResult result;
  // What is put in a node's place stands at its index, and is looked at again: in order, inner ones come first.
  const auto expandFrom = [&](size_t n) {
    while (n < graph.nodes.size())
      if (graph.nodes[n].op->name == "vjp") expandVjp(graph, n, result);
      else ++n;
  };
  expandFrom(0);
  for (size_t n = 0; n < graph.nodes.size();) {
    if (graph.nodes[n].op->name == "customDerivative") {
      inlineForward(graph, n);
      expandFrom(n);  // a body may hold derivatives of its own
    } else {
      ++n;
    }
  }
  std::sort(result.fallbacks.begin(), result.fallbacks.end());
  result.fallbacks.erase(std::unique(result.fallbacks.begin(), result.fallbacks.end()), result.fallbacks.end());
  return result;
}

}  // namespace ascribe
