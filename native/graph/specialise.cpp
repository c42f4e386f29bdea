#include "graph/specialise.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "graph/builder.h"
#include "graph/control_flow.h"
#include "graph/convert.h"
#include "graph/op.h"
#include "graph/verify.h"
#include "kernels/kernel.h"
#include "runtime/error.h"

namespace ascribe {

namespace {

DType computed(DType dtype, DType precision) {
  return precision != DType::F32 && isFloating(dtype) ? precision : dtype;
}

void fixShapes(Graph& graph, const SpecialiseOptions& options) {
  std::set<std::string> missing;
  const std::set<std::string> varying(options.runLengths.begin(), options.runLengths.end());
  for (Value& v : graph.values) {
    if (v.kind != ValueKind::Input && v.kind != ValueKind::State) {
      v.type.dtype = computed(v.type.dtype, options.precision);
      continue;
    }
    v.type.dtype = computed(v.type.dtype, options.precision);
    Shape shape;
    for (const DeclaredDim& dim : v.declared) {
      int64_t size = dim.size;
      if (size < 0) {
        const auto found = options.sizes.find(dim.symbol);
        if (found == options.sizes.end()) missing.insert(dim.symbol);
        else size = found->second;
        if (varying.count(dim.symbol)) v.runLength = true;
      }
      shape.push(std::max<int64_t>(size, 0));
    }
    shape.count();
    v.type.shape = shape;
  }
  if (!missing.empty()) {
    std::string names;
    for (const std::string& symbol : missing) names += (names.empty() ? "" : ", ") + symbol;
    throw Error("INPUT_SHAPE", "these dimensions have no size: " + names);
  }
  for (HostTensor& tensor : graph.constants)
    if (isFloating(tensor.dtype()) && tensor.dtype() != computed(tensor.dtype(), options.precision))
      tensor = convert(tensor, options.precision);
}

/// Dropout and batch normalisation, the two ops whose meaning depends on the mode.
void applyMode(Graph& graph, const SpecialiseOptions& options) {
  if (!options.train) return;
  std::vector<Node> old = std::move(graph.nodes);
  graph.nodes.clear();
  const auto emit = [&](std::string_view name, std::vector<ValueId> inputs, Attributes attributes, const std::string& nodeName) {
    const ValueId id = graph.addNode(op(name), std::move(inputs), std::move(attributes), 1, nodeName);
    verifyNode(graph, graph.nodes.back());
    return id;
  };
  int64_t stream = 0;
  for (Node& node : old) {
    if (node.op->name == "dropout") {
      const double ratio = node.attributes.real("ratio");
      const ValueId x = node.inputs[0], out = node.outputs[0];
      const ValueId uniform = emit("randomUniform", {x}, {{"seed", node.attributes.integer("seed")}, {"stream", stream++}}, node.name);
      const ValueId threshold = graph.addConstant(HostTensor::scalar(computed(DType::F32, options.precision), ratio));
      const ValueId kept = emit("greaterOrEqual", {uniform, threshold}, {}, node.name);
      const ValueId scale = graph.addConstant(HostTensor::scalar(computed(DType::F32, options.precision), 1 / (1 - ratio)));
      const ValueId zero = graph.addConstant(HostTensor::scalar(computed(DType::F32, options.precision), 0));
      const ValueId mask = emit("where", {kept, scale, zero}, {}, node.name);
      node.op = &op("mul");
      node.inputs = {x, mask};
      node.attributes = {};
      graph.value(out).producer = static_cast<NodeId>(graph.nodes.size());
    } else if (node.op->name == "batchNorm") {
      node.op = &op("batchNormTrain");
      node.attributes.set("momentum", 0.9);
      for (size_t i : {size_t{3}, size_t{4}}) {
        Value updated;
        updated.name = graph.value(node.inputs[i]).name + ".updated";
        graph.values.push_back(std::move(updated));
        node.outputs.push_back(static_cast<ValueId>(graph.values.size() - 1));
        graph.outputs.push_back(node.outputs.back());
      }
    }
    for (ValueId id : node.outputs) graph.value(id).producer = static_cast<NodeId>(graph.nodes.size());
    graph.nodes.push_back(std::move(node));
  }
}

/// The body of a customDerivative typed for these operands.
void inferCustom(Graph& graph, Node& node, const SpecialiseOptions& options) {
  const auto found = graph.subgraphs.find(node.attributes.text("forward"));
  if (found == graph.subgraphs.end())
    throw Error("MODEL_INVALID", "node " + node.name + " (customDerivative): no subgraph is called " + node.attributes.text("forward"));
  Graph body = *found->second;
  if (body.inputs.size() != node.inputs.size() || body.outputs.size() != node.outputs.size())
    throw Error("MODEL_INVALID", "node " + node.name + " (customDerivative): operands and outputs do not fit its forward body");
  for (Value& v : body.values) v.type.dtype = computed(v.type.dtype, options.precision);
  for (HostTensor& tensor : body.constants)
    if (isFloating(tensor.dtype())) tensor = convert(tensor, computed(tensor.dtype(), options.precision));
  for (size_t i = 0; i < node.inputs.size(); ++i) body.value(body.inputs[i]).type = graph.type(node.inputs[i]);
  inferAndFold(body, options);
  for (size_t i = 0; i < node.outputs.size(); ++i) graph.value(node.outputs[i]).type = body.type(body.outputs[i]);
}

bool readsShapeOnly(const Node& node, size_t operand) { return node.op->shapeOnly >> std::min<size_t>(operand, 31) & 1; }

/// Known operands: constants, and shapes where only the shape is read.
bool foldable(const Graph& graph, const Node& node, const SpecialiseOptions& options) {
  if (node.op->impure || node.op->name == "vjp" || node.op->name == "customDerivative") return false;
  size_t read = 0, written = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    if (id == kNone) continue;
    if (readsShapeOnly(node, i)) {
      if (graph.value(id).runLength) return false;
      continue;
    }
    if (graph.value(id).kind != ValueKind::Constant) return false;
    read += bytesOf(graph.type(id).dtype, graph.shape(id).count());
  }
  for (ValueId id : node.outputs) {
    if (graph.value(id).pinned || graph.type(id).layout != Layout::Plain) return false;
    written += bytesOf(graph.type(id).dtype, graph.shape(id).count());
  }
  // A small constant blown up by an expand is cheaper to keep as a node than to hold.
  return written <= options.foldLimitBytes && (written <= (size_t{1} << 16) || written <= 2 * read);
}

std::vector<HostTensor> knownOperands(const Graph& graph, const Node& node) {
  std::vector<HostTensor> operands;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    if (id == kNone) operands.emplace_back();
    else if (const HostTensor* known = graph.known(id)) operands.push_back(*known);
    else operands.emplace_back(graph.type(id).dtype, graph.shape(id), nullptr, nullptr);
  }
  return operands;
}

/// Shape arithmetic over run lengths stays in the graph; what it comes to at the current lengths is noted beside it.
void noteCapacity(Graph& graph, const Node& node) {
  constexpr int64_t limit = 4096;  // shapes, axes and masks of positions, never data
  if (node.op->impure) return;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    if (id != kNone && !readsShapeOnly(node, i) && !graph.known(id)) return;
  }
  for (ValueId id : node.outputs)
    if (isFloating(graph.type(id).dtype) || graph.shape(id).count() > limit) return;
  std::vector<HostTensor> results = evaluateReference(graph, node, knownOperands(graph, node));
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    Value& v = graph.value(node.outputs[i]);
    if (v.capacity >= 0) {
      graph.constants[static_cast<size_t>(v.capacity)] = std::move(results[i]);
      continue;
    }
    v.capacity = static_cast<int32_t>(graph.constants.size());
    graph.constants.push_back(std::move(results[i]));
  }
}

}  // namespace

void inferAndFold(Graph& graph, const SpecialiseOptions& options) {
  // The next node last: what stands for control flow takes its place.
  std::vector<Node> pending(std::make_move_iterator(graph.nodes.rbegin()), std::make_move_iterator(graph.nodes.rend()));
  graph.nodes.clear();
  ControlFlow control(graph, options);
  while (!pending.empty()) {
    Node node = std::move(pending.back());
    pending.pop_back();
    for (ValueId id : node.outputs) graph.value(id).producer = -1;
    if (ControlFlow::is(node)) {
      std::vector<Node> nodes = control.expand(node);
      std::move(nodes.rbegin(), nodes.rend(), std::back_inserter(pending));
      continue;
    }
    // In an ordinary plan doubles are the model's own, and a cast to single is meant.
    if (options.precision == DType::F32 && node.op->name == "cast") node.attributes.set("keepPrecision", int64_t{0});
    if (node.op->name == "customDerivative") inferCustom(graph, node, options);
    else inferNode(graph, node);
    bool varies = false;
    for (ValueId id : node.inputs) varies = varies || (id != kNone && graph.value(id).runLength);
    for (ValueId id : node.outputs) {
      Value& v = graph.value(id);
      v.type.dtype = computed(v.type.dtype, options.precision);
      v.runLength = v.runLength || varies;
    }
    if (!foldable(graph, node, options)) {
      if (varies) noteCapacity(graph, node);
      for (ValueId id : node.outputs) graph.value(id).producer = static_cast<NodeId>(graph.nodes.size());
      graph.nodes.push_back(std::move(node));
      continue;
    }
    std::vector<HostTensor> results = evaluateReference(graph, node, knownOperands(graph, node));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      Value& v = graph.value(node.outputs[i]);
      v.kind = ValueKind::Constant;
      v.storage = static_cast<int32_t>(graph.constants.size());
      graph.constants.push_back(std::move(results[i]));
    }
  }
}

void inferRunLengths(Graph& graph, const SpecialiseOptions& options) {
  for (Node& node : graph.nodes) {
    bool varies = false;
    for (ValueId id : node.inputs) varies = varies || (id != kNone && graph.value(id).runLength);
    if (!varies) continue;
    inferNode(graph, node);
    for (ValueId id : node.outputs) graph.value(id).type.dtype = computed(graph.type(id).dtype, options.precision);
    noteCapacity(graph, node);
  }
}

Graph specialise(const Graph& source, const SpecialiseOptions& options) {
  Graph graph = source;
  fixShapes(graph, options);
  applyMode(graph, options);
  inferAndFold(graph, options);
  return graph;
}

}  // namespace ascribe
