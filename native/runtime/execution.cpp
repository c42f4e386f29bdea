#include "runtime/execution.h"

#include <cmath>
#include <cstring>
#include <algorithm>

#include "graph/convert.h"
#include "graph/op.h"
#include "runtime/memory.h"
#include "runtime/backends.h"
#include "runtime/error.h"
#include "runtime/memory_plan.h"

namespace ascribe {

namespace {

bool isFinite(const TensorRef& tensor) {
  const int64_t count = static_cast<int64_t>(bytesOf({tensor.dtype, tensor.shape, tensor.layout}) / sizeOf(tensor.dtype));
  if (tensor.dtype == DType::F32) {
    // x - x is 0 for finite x and NaN otherwise; sums keep the NaN, and the loop vectorises.
    const float* data = tensor.as<float>();
    float sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += data[i] - data[i];
    return sum == 0;
  }
  if (tensor.dtype == DType::F64 || tensor.dtype == DType::Dual) {
    const double* data = tensor.as<double>();
    const int64_t numbers = tensor.dtype == DType::Dual ? 2 * count : count;
    for (int64_t i = 0; i < numbers; ++i)
      if (!std::isfinite(data[i])) return false;
  }
  return true;
}

}  // namespace

struct Execution::Impl {
  struct Bound {
    const void* data = nullptr;
    HostTensor owned;
  };
  std::vector<Bound> inputs;
  Block arena, scratch;
  std::shared_ptr<MemoryBudget> budget;
  std::shared_ptr<Session> session;
  std::vector<HostTensor> parameters;  // in compute dtype, read at start by mutable plans
  std::vector<uint64_t> parameterVersions;
  size_t next = 0;
  std::chrono::steady_clock::time_point started;
  std::vector<TensorRef> operandRefs, resultRefs;

  // With run lengths an execution has its own shapes and, where they changed, its own kernels.
  std::unique_ptr<Graph> ownGraph;
  std::vector<std::unique_ptr<Kernel>> ownKernels;
  std::map<std::string, int64_t> lengths, madeFor;
};

Execution::Execution(std::shared_ptr<const Plan> plan, std::shared_ptr<MemoryBudget> budget, std::shared_ptr<Session> session)
    : impl_(std::make_unique<Impl>()), plan_(std::move(plan)) {
  impl_->budget = std::move(budget);
  impl_->session = std::move(session);
  impl_->inputs.resize(plan_->graph().inputs.size());
  impl_->arena = Block(impl_->budget, plan_->arenaBytes());
  impl_->scratch = Block(impl_->budget, plan_->scratchBytes());
  if (plan_->hasRunLengths()) impl_->ownGraph = std::make_unique<Graph>(plan_->graph());
}

Execution::~Execution() = default;

namespace {
const Graph& shapesOf(const std::unique_ptr<Graph>& own, const Plan& plan) { return own ? *own : plan.graph(); }
}  // namespace

void Execution::setRunLength(const std::string& symbol, int64_t length) {
  const auto& options = plan_->options().specialise;
  const auto capacity = options.sizes.find(symbol);
  if (std::find(options.runLengths.begin(), options.runLengths.end(), symbol) == options.runLengths.end() || capacity == options.sizes.end())
    throw Error("OPTION_UNKNOWN", symbol + " is not a run length of this plan");
  if (length < 0 || length > capacity->second)
    throw Error("OPTION_RANGE", "run length " + symbol + " is " + std::to_string(length) + ", the plan was made for at most " + std::to_string(capacity->second));
  impl_->lengths[symbol] = length;
}

namespace {
/// Shapes of inputs and states at the given lengths, then everything that follows from them.
void inferAtLengths(Graph& graph, const SpecialiseOptions& options, const std::map<std::string, int64_t>& lengths) {
  for (Value& v : graph.values) {
    if (!v.runLength || (v.kind != ValueKind::Input && v.kind != ValueKind::State)) continue;
    Shape shape;
    for (size_t i = 0; i < v.declared.size(); ++i) {
      const auto length = lengths.find(v.declared[i].symbol);
      shape.push(v.declared[i].size < 0 && length != lengths.end() ? length->second : v.type.shape[static_cast<int>(i)]);
    }
    v.type.shape = shape;
  }
  inferRunLengths(graph, options);
}
}  // namespace

void Execution::bindInput(size_t index, const void* data, DType dtype, const Shape& shape) {
  const Graph& graph = shapesOf(impl_->ownGraph, *plan_);
  const Value& value = graph.value(graph.inputs[index]);
  if (!value.runLength && !(shape == value.type.shape))
    throw Error("INPUT_SHAPE", "input " + value.name + " has shape " + shape.text() + ", the plan was made for " + value.type.shape.text());
  Impl::Bound& bound = impl_->inputs[index];
  if (dtype == value.type.dtype) {
    bound.data = data;
    return;
  }
  if (!isFloating(dtype) || !isFloating(value.type.dtype))
    throw Error("INPUT_DTYPE", "input " + value.name + " is " + std::string(nameOf(dtype)) + ", the model wants " + std::string(nameOf(value.type.dtype)));
  bound.owned = HostTensor(value.type.dtype, shape);
  convertElements(data, dtype, bound.owned.mutableData(), value.type.dtype, shape.count());
  bound.data = bound.owned.data();
}

void* Execution::ownInput(size_t index) {
  const Value& value = plan_->graph().value(plan_->graph().inputs[index]);
  Impl::Bound& bound = impl_->inputs[index];
  if (!bound.owned.data()) bound.owned = HostTensor(value.type.dtype, value.type.shape);
  bound.data = bound.owned.data();
  return bound.owned.mutableData();
}

void Execution::start() {
  Impl& s = *impl_;
  const Graph& planned = plan_->graph();
  for (size_t i = 0; i < s.inputs.size(); ++i)
    if (!s.inputs[i].data && plan_->usesInput(i))
      throw Error("INPUT_MISSING", "input " + planned.value(planned.inputs[i]).name + " was not given");
  if (!plan_->options().frozenParameters) {
    s.parameters.resize(planned.parameters.size());
    s.parameterVersions.resize(planned.parameters.size(), ~uint64_t{0});
    for (size_t i = 0; i < planned.parameters.size(); ++i) {
      const Parameters::Entry entry = plan_->parameters()->get(planned.parameters[i].name);
      if (entry.version == s.parameterVersions[i]) continue;
      const DType wanted = planned.type(planned.parameters[i].value).dtype;
      s.parameters[i] = entry.source.dtype() == wanted && reinterpret_cast<uintptr_t>(entry.source.data()) % 16 == 0 ? entry.source : convert(entry.source, wanted);
      s.parameterVersions[i] = entry.version;
    }
  }
  if (s.ownGraph && s.madeFor != s.lengths) {
    inferAtLengths(*s.ownGraph, plan_->options().specialise, s.lengths);
    const std::vector<std::string_view> backends = resolveBackends(plan_->options().backends, plan_->options().specialise.precision);
    s.ownKernels.resize(plan_->steps().size());
    for (size_t i = 0; i < plan_->steps().size(); ++i) {
      const Node& node = s.ownGraph->nodes[static_cast<size_t>(plan_->steps()[i].node)];
      bool varies = false;
      for (ValueId id : node.inputs) varies = varies || (id != kNone && s.ownGraph->value(id).runLength);
      if (varies) s.ownKernels[i] = kernelFor(*s.ownGraph, node, backends);
      if (s.ownKernels[i] && s.ownKernels[i]->scratchBytes() > s.scratch.bytes()) s.scratch = Block(s.budget, s.ownKernels[i]->scratchBytes());
    }
    s.madeFor = s.lengths;
  }
  s.next = 0;
  profile_.clear();
  s.started = std::chrono::steady_clock::now();
}

namespace {
TensorRef resolve(const OperandRef& ref, const Graph& graph, const Plan& plan, std::byte* arena, const std::vector<HostTensor>& parameters,
                  Session* session, const auto& inputs) {
  TensorRef out;
  if (ref.place == OperandRef::Place::Absent) return out;
  const ValueType& type = graph.type(ref.value);
  out.dtype = type.dtype;
  out.shape = type.shape;
  out.layout = type.layout;
  switch (ref.place) {
    case OperandRef::Place::Arena: out.data = arena + ref.index; break;
    case OperandRef::Place::Weights: out.data = const_cast<void*>(plan.weights(ref.index).data()); break;
    case OperandRef::Place::Input: out.data = const_cast<void*>(inputs[ref.index].data); break;
    case OperandRef::Place::Parameter: out.data = const_cast<void*>(parameters[ref.index].data()); break;
    case OperandRef::Place::State:
      if (!session) throw Error("INPUT_MISSING", "the graph has states: give a session");
      out.data = session->data(ref.index);
      break;
    default: break;
  }
  return out;
}
}  // namespace

bool Execution::advance(Slice& slice) {
  Impl& s = *impl_;
  const Graph& graph = shapesOf(s.ownGraph, *plan_);
  std::byte* arena = static_cast<std::byte*>(s.arena.data());
  while (s.next < plan_->steps().size()) {
    slice.checkCancelled();
    const PlanStep& step = plan_->steps()[s.next];
    s.operandRefs.clear();
    s.resultRefs.clear();
    for (const OperandRef& ref : step.inputs) s.operandRefs.push_back(resolve(ref, graph, *plan_, arena, s.parameters, s.session.get(), s.inputs));
    for (const OperandRef& ref : step.outputs) s.resultRefs.push_back(resolve(ref, graph, *plan_, arena, s.parameters, s.session.get(), s.inputs));
    const Kernel& kernel = !s.ownKernels.empty() && s.ownKernels[s.next] ? *s.ownKernels[s.next] : *step.kernel;
    const auto before = profiling_ ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point{};
    // In-place results overwrite operands, so what the operands held is judged before the kernel runs.
    bool operandsFinite = true;
    if (tracing_)
      for (const TensorRef& operand : s.operandRefs) operandsFinite = operandsFinite && (!operand.data || isFinite(operand));
    kernel.run({s.operandRefs, s.resultRefs, static_cast<std::byte*>(s.scratch.data())});
    if (tracing_ && operandsFinite)
      for (const TensorRef& result : s.resultRefs)
        if (!isFinite(result)) {
          const Node& node = graph.nodes[static_cast<size_t>(step.node)];
          throw Error("NOT_FINITE", "node " + (node.name.empty() ? "(unnamed)" : node.name) + " (" + node.op->name + ") turned finite operands into NaN or infinity");
        }
    if (profiling_) {
      const auto after = std::chrono::steady_clock::now();
      const auto ms = [](auto d) { return std::chrono::duration<double, std::milli>(d).count(); };
      profile_.push_back({step.node, ms(before - s.started), ms(after - before)});
    }
    ++s.next;
    if (s.next < plan_->steps().size() && slice.expired()) return false;
  }
  return true;
}

TensorRef Execution::output(size_t index) const {
  return resolve(plan_->outputs()[index], shapesOf(impl_->ownGraph, *plan_), *plan_, static_cast<std::byte*>(impl_->arena.data()), impl_->parameters,
                 impl_->session.get(), impl_->inputs);
}

size_t Execution::stepsDone() const { return impl_->next; }

size_t Execution::bytes() const { return plan_->arenaBytes() + plan_->scratchBytes(); }

Session::Session(const Graph& graph, const std::map<std::string, int64_t>& sizes) {
  for (const State& state : graph.states) {
    const Value& v = graph.value(state.value);
    Shape shape = v.declared.empty() ? v.type.shape : Shape{};
    for (const DeclaredDim& dim : v.declared) {
      const auto found = sizes.find(dim.symbol);
      if (dim.size < 0 && found == sizes.end()) throw Error("INPUT_SHAPE", "dimension " + dim.symbol + " of state " + state.name + " has no size");
      shape.push(dim.size < 0 ? found->second : dim.size);
    }
    names_.push_back(state.name);
    shapes_.push_back(shape);
    dtypes_.push_back(v.type.dtype);
    buffers_.push_back(std::make_shared<std::vector<std::byte>>(static_cast<size_t>(shape.count()) * sizeOf(v.type.dtype)));
  }
}

void* Session::data(size_t state) { return buffers_[state]->data(); }

}  // namespace ascribe
