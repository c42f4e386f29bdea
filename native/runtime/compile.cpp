#include <algorithm>
#include <cstring>
#include <set>
#include <unordered_map>

#include "autodiff/vjp.h"
#include "graph/freeze.h"
#include "graph/op.h"
#include "graph/passes/pass.h"
#include "graph/passes/recompute.h"
#include "runtime/backends.h"
#include "runtime/error.h"
#include "runtime/memory_plan.h"
#include "runtime/onednn_library.h"
#include "runtime/plan.h"

namespace ascribe {

namespace {

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

void pinByName(Graph& graph, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const ValueId id = graph.find(name);
    if (id == kNone) throw Error("LAYER_NOT_FOUND", "the model has no value called " + name);
    graph.value(id).pinned = true;
  }
}

/// The graph's parameters from the given one on.
void attachParameters(Graph& graph, const Parameters& parameters, size_t first = 0) {
  for (Parameter& parameter : std::span(graph.parameters).subspan(first)) {
    const Parameters::Entry entry = parameters.get(parameter.name);
    parameter.source = entry.source;
    parameter.version = entry.version;
    if (!(entry.source.shape() == graph.shape(parameter.value)))
      throw Error("INPUT_SHAPE", "parameter " + parameter.name + " has shape " + entry.source.shape().text() + ", the graph expects " +
                                     graph.shape(parameter.value).text());
    // Weights are widened and narrowed; a truth value or an index is not made of a weight.
    const DType stored = entry.source.dtype(), wanted = graph.type(parameter.value).dtype;
    if (stored != wanted && !((isFloating(stored) || isBlocked(stored)) && isFloating(wanted)))
      throw Error("INPUT_DTYPE", "parameter " + parameter.name + " is " + std::string(nameOf(stored)) + ", the graph expects " + std::string(nameOf(wanted)));
  }
}

/// Blocks as wide as oneDNN's vectors.
Layout channelLayout(std::span<const std::string_view> backends) {
  if (std::find(backends.begin(), backends.end(), "onednn") == backends.end() || onednn() == nullptr) return Layout::Plain;
  return std::string_view(onednn()->isa()).starts_with("avx512") ? Layout::Blocked16 : Layout::Blocked8;
}

void runPasses(Graph& graph, std::span<const Pass> passes, const PassContext& context, const std::vector<std::string>& without) {
  for (const Pass& pass : passes) {
    if (contains(without, pass.name) || !pass.run(graph, context)) continue;
    removeDeadNodes(graph);
    inferAndFold(graph, context.specialise);
    removeDeadNodes(graph);
  }
}

/// Nodes that follow from weights and steady inputs alone.
std::vector<char> steadyNodes(const Graph& graph, const CompileOptions& options) {
  std::vector<char> values(graph.values.size(), 0), out(graph.nodes.size(), 0);
  if (options.steady.empty()) return out;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    values[i] = value.kind == ValueKind::Constant || (value.kind == ValueKind::Parameter && options.frozenParameters) ||
                (value.kind == ValueKind::Input && contains(options.steady, value.name));
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    out[n] = !node.op->impure && std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return id == kNone || values[static_cast<size_t>(id)]; });
    for (ValueId id : node.outputs) {
      out[n] = out[n] && !graph.value(id).runLength;
      values[static_cast<size_t>(id)] = out[n];
    }
  }
  return out;
}

Recomputation recomputationOf(const CompileOptions& options) {
  Recomputation out;
  if (options.recompute.value_or(0) > 0) out.budget = options.recompute;
  out.steadyNodes = [&options](const Graph& graph) { return steadyNodes(graph, options); };
  out.arenaBytes = [&options](const Graph& graph) { return planMemory(graph, steadyNodes(graph, options)).arenaBytes; };
  return out;
}

/// A tensor whose elements lie at addresses that a pointer to them may have; files place theirs anywhere. Vectors are
/// loaded unaligned everywhere, so no more is asked for: most weights of a file are read where they lie.
HostTensor alignedCopy(const HostTensor& tensor) {
  if (reinterpret_cast<uintptr_t>(tensor.data()) % std::min<size_t>(sizeOf(tensor.dtype()), 8) == 0) return tensor;
  HostTensor out(tensor.dtype(), tensor.shape());
  if (tensor.bytes()) std::memcpy(out.mutableData(), tensor.data(), tensor.bytes());
  out.standFor(tensor);
  return out;
}

std::vector<DeviceBuffer> uploadAll(const std::shared_ptr<Device>& device, const std::vector<HostTensor>& tensors) {
  const auto queue = device->openQueue();
  std::vector<DeviceBuffer> out;
  for (const HostTensor& tensor : tensors) {
    out.emplace_back(device, nullptr, tensor.data() ? tensor.bytes() : 0, "weights");
    if (out.back().bytes() != 0) queue->upload(out.back().address(), tensor.data(), tensor.bytes());
  }
  queue->synchronize();
  return out;
}

}  // namespace

std::unique_ptr<Kernel> kernelFor(const Graph& graph, const Node& node, std::span<const std::string_view> backends) {
  std::vector<ValueType> inputs(node.inputs.size()), outputs;
  std::vector<const HostTensor*> constants(node.inputs.size(), nullptr);
  std::vector<HostTensor> aligned(node.inputs.size());  // for as long as the kernel packs what it reads
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNone) continue;
    inputs[i] = graph.type(node.inputs[i]);
    constants[i] = graph.constant(node.inputs[i]);
    if (constants[i] == nullptr) continue;
    aligned[i] = alignedCopy(*constants[i]);
    constants[i] = &aligned[i];
  }
  for (ValueId id : node.outputs) outputs.push_back(graph.type(id));
  std::unique_ptr<Kernel> kernel = makeKernel({node, inputs, outputs, constants}, backends);
  if (!kernel) {
    // The reference takes whatever the language means, so what it refuses is the model's fault: a logical and of floats.
    const bool isChosen = std::find(backends.begin(), backends.end(), "reference") == backends.end();
    throw Error(isChosen ? "BACKEND_UNAVAILABLE" : "MODEL_UNSUPPORTED_OP",
                "no kernel takes node " + node.name + " (" + node.op->name + " of " + std::string(nameOf(outputs[0].dtype)) + outputs[0].shape.text() + ")",
                isChosen ? "leave the `backends` option at its default" : "");
  }
  return kernel;
}

std::shared_ptr<const Plan> compile(const Graph& source, std::shared_ptr<Parameters> parameters, const CompileOptions& options) {
  auto plan = std::make_shared<Plan>();
  plan->options_ = options;
  plan->parameters_ = parameters;
  plan->device_ = openDevice(options.device);
  plan->onHost_ = plan->device_->hostAccessible();
  const std::vector<std::string_view> backends = resolveBackends(options.backends, options.specialise.precision, *plan->device_);
  requireProducts(options.specialise.products, backends);

  Graph graph = specialise(source, options.specialise);
  pinByName(graph, options.pinned);
  attachParameters(graph, *parameters);
  removeDeadNodes(graph);
  // Elsewhere than on the host, and in double, weights are widened as a whole.
  FreezeOptions freezing;
  freezing.keepStorage = plan->onHost_ && options.specialise.precision == DType::F32 && contains(backends, "cpu") && !contains(options.withoutPasses, "keep-storage");
  if (options.frozenParameters) freeze(graph, freezing);
  inferAndFold(graph, options.specialise);
  const PassContext context{options.specialise, options.frozenParameters, backends, channelLayout(backends)};
  const bool hasGradient = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) { return node.op->name == "vjp"; });
  // Rounding has no derivative, and that of the product beside it would be of another function than the one that ran.
  if (hasGradient && options.specialise.products == DType::I8)
    throw Error("PRECISION_UNAVAILABLE", "products of int8 have no derivative", "load the model with precision f32 or bf16 for gradients");
  runPasses(graph, raisingPasses(), context, options.withoutPasses);

  const size_t attached = graph.parameters.size();
  ExpandResult expanded = expandDerivatives(graph);
  // Bodies of custom derivatives may have brought weights that nothing else uses.
  attachParameters(graph, *parameters, attached);
  plan->fallbacks_ = std::move(expanded.fallbacks);
  plan->unconnected_ = std::move(expanded.unconnected);
  freezing.wantedToo = true;
  if (options.frozenParameters) freeze(graph, freezing);
  removeDeadNodes(graph);
  inferAndFold(graph, options.specialise);
  removeDeadNodes(graph);
  Recomputation recomputation = recomputationOf(options);
  PassContext lowering = context;
  if (hasGradient && options.recompute) lowering.recomputation = &recomputation;
  runPasses(graph, loweringPasses(), lowering, options.withoutPasses);

  plan->keptArenaBytes_ = recomputation.keptBytes;
  const std::unordered_map<ValueId, ValueId> firstOf(recomputation.copies.begin(), recomputation.copies.end());
  std::unordered_map<ValueId, size_t> stepOf;  // by its first result
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.op->view) continue;
    PlanStep step;
    step.node = static_cast<NodeId>(n);
    const auto first = firstOf.find(node.outputs[0]);
    const auto made = first == firstOf.end() ? stepOf.end() : stepOf.find(first->second);
    step.isAgain = made != stepOf.end();
    if (step.isAgain) {
      step.kernel = plan->steps_[made->second].kernel;
    } else {
      step.kernel = kernelFor(graph, node, backends);
      plan->scratchBytes_ = std::max(plan->scratchBytes_, step.kernel->scratchBytes());
      plan->weightBytes_ += step.kernel->packedBytes();
    }
    stepOf.emplace(node.outputs[0], plan->steps_.size());
    plan->steps_.push_back(std::move(step));
  }

  const std::vector<char> steady = steadyNodes(graph, options);
  for (PlanStep& step : plan->steps_) step.steady = steady[static_cast<size_t>(step.node)];
  const MemoryPlan memory = planMemory(graph, steady);
  plan->arenaBytes_ = memory.arenaBytes;
  plan->inputUsed_.assign(graph.inputs.size(), 0);
  std::vector<char> weightUsed(graph.constants.size(), 0);
  const auto note = [&](const OperandRef& ref) {
    if (ref.place == OperandRef::Place::Weights) weightUsed[ref.index] = 1;
    if (ref.place == OperandRef::Place::Input) plan->inputUsed_[ref.index] = 1;
    return ref;
  };
  for (PlanStep& step : plan->steps_) {
    const Node& node = graph.nodes[static_cast<size_t>(step.node)];
    // At other run lengths the step gets another kernel, which may have no copy of its own.
    const bool fixed = std::none_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return id != kNone && graph.value(id).runLength; });
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      OperandRef ref;
      if (node.inputs[i] != kNone) ref = memory.places[static_cast<size_t>(node.inputs[i])];
      // A packed weight is read from the kernel's own copy; its source is not kept.
      const bool shapeOnly = node.inputs[i] != kNone && (node.op->shapeOnly >> std::min<size_t>(i, 31) & 1);
      if (shapeOnly || (node.inputs[i] != kNone && fixed && step.kernel->ownsOperand(i))) ref.place = OperandRef::Place::ShapeOnly;
      step.inputs.push_back(note(ref));
    }
    for (ValueId id : node.outputs) step.outputs.push_back(memory.places[static_cast<size_t>(id)]);
  }
  for (ValueId id : graph.outputs) plan->outputs_.push_back(note(memory.places[static_cast<size_t>(id)]));

  std::set<const void*> belongsToModel;
  if (plan->onHost_)
    for (const Parameter& parameter : graph.parameters) belongsToModel.insert(parameter.source.data());
  plan->weights_.resize(graph.constants.size());
  for (size_t i = 0; i < graph.constants.size(); ++i) {
    if (!weightUsed[i]) continue;
    plan->weights_[i] = plan->onHost_ ? alignedCopy(graph.constants[i]) : graph.constants[i];
    // What lies where the model's own weights lie is the model's, whatever plans read it.
    if (!belongsToModel.contains(plan->weights_[i].data())) plan->weightBytes_ += plan->weights_[i].bytes();
  }
  if (!plan->onHost_) {
    plan->deviceWeights_ = uploadAll(plan->device_, plan->weights_);
    plan->weights_.clear();
  }
  // What nobody reads any more (sources of packed weights, folded shapes) is let go; constants stay known to run-length inference.
  if (options.specialise.runLengths.empty())
    for (size_t i = 0; i < graph.constants.size(); ++i)
      if (!weightUsed[i]) graph.constants[i] = HostTensor(graph.constants[i].dtype(), graph.constants[i].shape(), nullptr, nullptr);
  for (Parameter& parameter : graph.parameters) parameter.source = HostTensor(parameter.source.dtype(), parameter.source.shape(), nullptr, nullptr);
  plan->graph_ = std::move(graph);
  plan->findPieces();
  return plan;
}

}  // namespace ascribe
