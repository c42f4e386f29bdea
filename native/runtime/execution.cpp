#include "runtime/execution.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "graph/convert.h"
#include "graph/op.h"
#include "runtime/backends.h"
#include "runtime/error.h"
#include "runtime/memory.h"
#include "runtime/memory_plan.h"
#include "runtime/recordings.h"

namespace ascribe {

namespace {

constexpr const char* kScratch = "the kernels' working memory";

/// Steps that may wait in a device's queue, and how often the queue says how far it is: enough that the device does not
/// run dry while the lane does something else, few enough that jobs share it.
constexpr size_t kMaximumAhead = 64, kFenceEvery = 16;
/// The same where steps are replayed, piece by piece.
constexpr size_t kMostAheadRecorded = 512;

/// What the device's thread writes and the lane reads.
struct Flight {
  std::atomic<size_t> stepsDone{0};
  std::atomic<bool> landed{false};
  std::mutex guard;
  std::exception_ptr error;
  std::function<void()> wake;  // set before the first fence
};

bool isFinite(const TensorRef& tensor) {
  const int64_t count = static_cast<int64_t>(bytesOf({tensor.dtype, tensor.shape, tensor.layout, tensor.channelAxis}) / sizeOf(tensor.dtype));
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
    bool given = false, steady = false;
    const void* data = nullptr;
    Shape shape;
    HostTensor owned;
    DeviceBuffer buffer;  // elsewhere than on the host
  };
  /// Memory goes back in the order that lets the next run of the plan get the same, see Recordings.
  ~Impl() {
    queue.reset();
    while (!inputs.empty()) inputs.pop_back();
  }
  std::shared_ptr<Device> device;
  bool onHost = true;
  std::shared_ptr<MemoryBudget> budget;
  std::shared_ptr<Session> session;
  std::optional<Session::Use> sessionUse;
  std::vector<Bound> inputs;
  std::vector<HostTensor> downloads;  // by output, elsewhere than on the host
  DeviceBuffer arena, scratch;
  std::vector<HostTensor> parameters;  // in compute dtype, read at start by mutable plans
  std::vector<DeviceBuffer> parameterBuffers;
  std::vector<uint64_t> parameterVersions;
  size_t next = 0, nextPiece = 0;
  std::shared_ptr<const RecordedRun> recorded;  // what this run replays
  std::shared_ptr<RecordedRun> recording;       // what it writes down
  bool landing = false, again = false;
  std::chrono::steady_clock::time_point started;
  std::vector<TensorRef> operandRefs, resultRefs;

  // With run lengths an execution has its own shapes and, where they changed, its own kernels.
  std::unique_ptr<Graph> ownGraph;
  std::vector<std::unique_ptr<Kernel>> ownKernels;
  std::map<std::string, int64_t> lengths, madeFor;

  std::shared_ptr<Flight> flight;
  // Last, so first to go: it waits for work that still uses the rest.
  std::unique_ptr<DeviceQueue> queue;

  size_t mostAhead() const { return recorded ? kMostAheadRecorded : kMaximumAhead; }
  const Graph& graph(const Plan& plan) const { return ownGraph ? *ownGraph : plan.graph(); }
  TensorRef resolve(const OperandRef& ref, const Plan& plan) const;
  bool finite(const TensorRef& tensor) const;
  void enqueueFence(const Slice& slice, bool last);
  Job::Step judgeFlight();
};

namespace {
/// A session of another graph, or of other sizes, would be written past its end.
void checkStates(const Graph& graph, const Session& session) {
  bool fits = session.count() == graph.states.size();
  for (size_t i = 0; fits && i < graph.states.size(); ++i) {
    const ValueType& type = graph.type(graph.states[i].value);
    fits = session.name(i) == graph.states[i].name && session.dtype(i) == type.dtype && session.shape(i) == type.shape;
  }
  if (!fits) throw Error("INPUT_SHAPE", "the session's states are not those of the plan", "make the session from the same graph, with the plan's sizes");
}
}  // namespace

Execution::Execution(std::shared_ptr<const Plan> plan, std::shared_ptr<MemoryBudget> budget, std::shared_ptr<Session> session)
    : plan_(std::move(plan)), impl_(std::make_unique<Impl>()) {
  Impl& s = *impl_;
  s.device = plan_->device();
  s.onHost = s.device->hostAccessible();
  s.budget = std::move(budget);
  if (session) {
    if (session->device() != s.device)
      throw Error("OPTION_RANGE", "the session lies on the device " + session->device()->name() + ", the plan runs on " + s.device->name(),
                  "make the session on the plan's device");
    checkStates(plan_->graph(), *session);
    s.session = std::move(session);
    s.sessionUse.emplace(*s.session);
  }
  const Graph& graph = plan_->graph();
  s.inputs.resize(graph.inputs.size());
  const std::vector<std::string>& steady = plan_->options().steady;
  for (size_t i = 0; i < s.inputs.size(); ++i) s.inputs[i].steady = std::find(steady.begin(), steady.end(), graph.value(graph.inputs[i]).name) != steady.end();
  s.arena = DeviceBuffer(s.device, s.budget, plan_->arenaBytes(), "activations");
  s.scratch = DeviceBuffer(s.device, s.budget, plan_->scratchBytes(), kScratch);
  if (!s.onHost) {
    for (size_t i = 0; i < s.inputs.size(); ++i)
      if (plan_->usesInput(i)) s.inputs[i].buffer = DeviceBuffer(s.device, s.budget, bytesOf(graph.type(graph.inputs[i])), "inputs");
    for (ValueId id : graph.outputs) s.downloads.emplace_back(graph.type(id).dtype, graph.shape(id), s.budget);
    s.flight = std::make_shared<Flight>();
  }
  if (plan_->hasRunLengths()) s.ownGraph = std::make_unique<Graph>(graph);
  s.queue = s.device->openQueue();
}

Execution::~Execution() = default;

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

/// Run lengths may only shorten what the plan has room for. A shape that grows as they shrink (what is missing to the
/// full length, say), or no longer equals that of the value whose bytes it takes over, has none.
void checkRoom(const Plan& plan, const Graph& graph) {
  const auto refuse = [&](ValueId id) {
    const std::string& name = graph.value(id).name;
    throw Error("INPUT_SHAPE", "at these run lengths " + (name.empty() ? std::string("a value") : name) + " has the shape " + graph.shape(id).text() +
                                   ", for which the plan has no room: its own is " + plan.graph().shape(id).text(),
                "compile a plan for these sizes");
  };
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if (graph.value(id).kind == ValueKind::Result && bytesOf(graph.type(id)) > bytesOf(plan.graph().type(id))) refuse(id);
  }
  for (const PlanStep& step : plan.steps())
    for (const OperandRef& operand : step.inputs)
      for (const OperandRef& result : step.outputs)
        if (operand.place == OperandRef::Place::Arena && result.place == OperandRef::Place::Arena && operand.index == result.index &&
            !(graph.shape(operand.value) == graph.shape(result.value)) && graph.shape(result.value).count() != 0 && graph.shape(operand.value).count() != 0)
          refuse(result.value);
}
}  // namespace

void Execution::bindInput(size_t index, const void* data, DType dtype, const Shape& shape) {
  const Graph& graph = impl_->graph(*plan_);
  const Value& value = graph.value(graph.inputs[index]);
  if (!value.runLength && !(shape == value.type.shape))
    throw Error("INPUT_SHAPE", "input " + value.name + " has shape " + shape.text() + ", the plan was made for " + value.type.shape.text());
  Impl::Bound& bound = impl_->inputs[index];
  bound.given = true;
  bound.shape = shape;
  if (dtype == value.type.dtype) {
    bound.data = data;
    return;
  }
  if (!isFloating(dtype) || !isFloating(value.type.dtype))
    throw Error("INPUT_DTYPE", "input " + value.name + " is " + std::string(nameOf(dtype)) + ", the model wants " + std::string(nameOf(value.type.dtype)));
  bound.owned = HostTensor(value.type.dtype, shape, impl_->budget);
  convertElements(data, dtype, bound.owned.mutableData(), value.type.dtype, shape.count());
  bound.data = bound.owned.data();
}

void* Execution::ownInput(size_t index) {
  const Value& value = plan_->graph().value(plan_->graph().inputs[index]);
  Impl::Bound& bound = impl_->inputs[index];
  if (!bound.owned.data()) bound.owned = HostTensor(value.type.dtype, value.type.shape, impl_->budget);
  bound.given = true;
  bound.shape = value.type.shape;
  bound.data = bound.owned.data();
  return bound.owned.mutableData();
}

void Execution::readParameters() {
  Impl& s = *impl_;
  const Graph& planned = plan_->graph();
  s.parameters.resize(planned.parameters.size());
  s.parameterBuffers.resize(planned.parameters.size());
  s.parameterVersions.resize(planned.parameters.size(), ~uint64_t{0});
  for (size_t i = 0; i < planned.parameters.size(); ++i) {
    const Parameters::Entry entry = plan_->parameters()->get(planned.parameters[i].name);
    if (entry.version == s.parameterVersions[i]) continue;
    const DType wanted = planned.type(planned.parameters[i].value).dtype;
    const bool usable = entry.source.dtype() == wanted && reinterpret_cast<uintptr_t>(entry.source.data()) % 16 == 0;
    s.parameters[i] = usable ? entry.source : convert(entry.source, wanted);
    s.parameterVersions[i] = entry.version;
    const size_t bytes = s.parameters[i].bytes();
    if (s.onHost || bytes == 0) continue;
    if (s.parameterBuffers[i].bytes() == 0) s.parameterBuffers[i] = DeviceBuffer(s.device, s.budget, bytes, "weights");
    s.queue->upload(s.parameterBuffers[i].address(), s.parameters[i].data(), bytes);
  }
}

void Execution::readInputs() {
  Impl& s = *impl_;
  const Graph& graph = s.graph(*plan_);
  for (size_t i = 0; i < s.inputs.size(); ++i) {
    const Impl::Bound& bound = s.inputs[i];
    if (!plan_->usesInput(i)) continue;
    const Value& value = graph.value(graph.inputs[i]);
    // With run lengths the shape that is due is only known now.
    if (!(bound.shape == value.type.shape))
      throw Error("INPUT_SHAPE", "input " + value.name + " has shape " + bound.shape.text() + ", this run takes " + value.type.shape.text());
    if (!s.onHost && !(s.again && bound.steady)) s.queue->upload(bound.buffer.address(), bound.data, bytesOf(value.type));
  }
}

void Execution::start(bool again) {
  Impl& s = *impl_;
  s.again = again;
  const Graph& planned = plan_->graph();
  for (size_t i = 0; i < s.inputs.size(); ++i)
    if (!s.inputs[i].given && plan_->usesInput(i))
      throw Error("INPUT_MISSING", "input " + planned.value(planned.inputs[i]).name + " was not given");
  if (!planned.states.empty() && !s.session) throw Error("INPUT_MISSING", "the graph has states: give a session");
  if (!plan_->options().frozenParameters) readParameters();
  if (s.ownGraph && s.madeFor != s.lengths) {
    s.madeFor.clear();  // what fails below leaves shapes of no lengths at all
    inferAtLengths(*s.ownGraph, plan_->options().specialise, s.lengths);
    checkRoom(*plan_, *s.ownGraph);
    const std::vector<std::string_view> backends = resolveBackends(plan_->options().backends, plan_->options().specialise.precision, *s.device);
    s.ownKernels.resize(plan_->steps().size());
    for (size_t i = 0; i < plan_->steps().size(); ++i) {
      const Node& node = s.ownGraph->nodes[static_cast<size_t>(plan_->steps()[i].node)];
      bool varies = false;
      for (ValueId id : node.inputs) varies = varies || (id != kNone && s.ownGraph->value(id).runLength);
      if (varies) s.ownKernels[i] = kernelFor(*s.ownGraph, node, backends);
      if (s.ownKernels[i] && s.ownKernels[i]->scratchBytes() > s.scratch.bytes()) s.scratch = DeviceBuffer(s.device, s.budget, s.ownKernels[i]->scratchBytes(), kScratch);
    }
    s.madeFor = s.lengths;
  }
  readInputs();
  askRecordings();
  s.next = s.nextPiece = 0;
  s.landing = false;
  if (s.flight) {
    s.flight->stepsDone = 0;
    s.flight->landed = false;
  }
  profile_.clear();
  s.started = std::chrono::steady_clock::now();
}

/// Everything that kernels of this run read and write, but for the plan's own weights.
void Execution::askRecordings() {
  Impl& s = *impl_;
  s.recorded = nullptr;
  s.recording = nullptr;
  if (plan_->pieces().empty() || profiling_ || tracing_) return;
  std::vector<uintptr_t> addresses{static_cast<uintptr_t>(s.queue->identity())};
  const auto add = [&](const void* address) { addresses.push_back(reinterpret_cast<uintptr_t>(address)); };
  add(s.arena.address());
  add(s.scratch.address());
  for (const Impl::Bound& input : s.inputs) add(input.buffer.address());
  for (const DeviceBuffer& parameter : s.parameterBuffers) add(parameter.address());
  for (size_t i = 0; s.session && i < s.session->count(); ++i) add(s.session->address(i));
  if (plan_->recordings().ask(addresses, s.recorded) != Recordings::Answer::Record) return;
  s.recording = std::make_shared<RecordedRun>();
  s.recording->addresses = std::move(addresses);
}

TensorRef Execution::Impl::resolve(const OperandRef& ref, const Plan& plan) const {
  TensorRef out;
  if (ref.place == OperandRef::Place::Absent) return out;
  const ValueType& type = graph(plan).type(ref.value);
  out.dtype = type.dtype;
  out.shape = type.shape;
  out.layout = type.layout;
  out.channelAxis = type.channelAxis;
  switch (ref.place) {
    case OperandRef::Place::Arena: out.data = static_cast<std::byte*>(arena.address()) + ref.index; break;
    case OperandRef::Place::Weights: out.data = plan.weights(ref.index); break;
    case OperandRef::Place::Input: out.data = onHost ? const_cast<void*>(inputs[ref.index].data) : inputs[ref.index].buffer.address(); break;
    case OperandRef::Place::Parameter:
      out.data = onHost ? const_cast<void*>(parameters[ref.index].data()) : parameterBuffers[ref.index].address();
      break;
    case OperandRef::Place::State: out.data = session->address(ref.index); break;
    default: break;
  }
  return out;
}

/// Elsewhere than on the host this waits for the queue and copies: for traces, not for speed.
bool Execution::Impl::finite(const TensorRef& tensor) const {
  if (tensor.data == nullptr || !isFloating(tensor.dtype)) return true;
  if (onHost) return isFinite(tensor);
  std::vector<std::byte> copy(bytesOf({tensor.dtype, tensor.shape, tensor.layout, tensor.channelAxis}));
  queue->download(copy.data(), tensor.data, copy.size());
  queue->synchronize();
  return isFinite({copy.data(), tensor.dtype, tensor.shape, tensor.layout, tensor.channelAxis});
}

void Execution::runStep() {
  Impl& s = *impl_;
  const PlanStep& step = plan_->steps()[s.next];
  s.operandRefs.clear();
  s.resultRefs.clear();
  for (const OperandRef& ref : step.inputs) s.operandRefs.push_back(s.resolve(ref, *plan_));
  for (const OperandRef& ref : step.outputs) s.resultRefs.push_back(s.resolve(ref, *plan_));
  const Kernel& kernel = !s.ownKernels.empty() && s.ownKernels[s.next] ? *s.ownKernels[s.next] : *step.kernel;
  const auto before = profiling_ ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point{};
  // In-place results overwrite operands, so what the operands held is judged before the kernel runs.
  bool operandsFinite = true;
  if (tracing_)
    for (const TensorRef& operand : s.operandRefs) operandsFinite = operandsFinite && s.finite(operand);
  if (!areEmpty(s.resultRefs)) s.queue->launch(kernel, {s.operandRefs, s.resultRefs, static_cast<std::byte*>(s.scratch.address())});
  if (tracing_ && operandsFinite)
    for (const TensorRef& result : s.resultRefs)
      if (!s.finite(result)) {
        const Node& node = s.graph(*plan_).nodes[static_cast<size_t>(step.node)];
        throw Error("NOT_FINITE", "node " + (node.name.empty() ? "(unnamed)" : node.name) + " (" + node.op->name + ") turned finite operands into NaN or infinity");
      }
  if (profiling_) {
    s.queue->synchronize();
    const auto after = std::chrono::steady_clock::now();
    const auto ms = [](auto d) { return std::chrono::duration<double, std::milli>(d).count(); };
    profile_.push_back({step.node, ms(before - s.started), ms(after - before)});
  }
  ++s.next;
}

/// Replays the piece, or writes it down first. Where a device will not, its steps are enqueued one by one.
void Execution::runPiece(const PlanPiece& piece) {
  Impl& s = *impl_;
  std::shared_ptr<DeviceRecording> own;
  if (s.recorded) own = s.recorded->pieces[s.nextPiece];
  else {
    std::string why;
    own = s.queue->record([&] {
      while (s.next < piece.end) runStep();
    }, why);
    if (!own) {
      s.recording = nullptr;
      s.next = piece.begin;
      plan_->recordings().refuse(why);
      return;
    }
    s.recording->pieces.push_back(own);
    if (s.recording->pieces.size() == plan_->pieces().size()) {
      // From here on this run replays what it wrote down: the recording stays until the queue is done with it.
      s.recorded = std::move(s.recording);
      s.recording = nullptr;
      plan_->recordings().keep(s.recorded);
    }
  }
  s.queue->replay(*own);
  s.next = piece.end;
  ++s.nextPiece;
}

void Execution::Impl::enqueueFence(const Slice& slice, bool last) {
  if (!flight->wake) flight->wake = slice.waker();
  queue->fence([flight = flight, steps = next, last](std::exception_ptr error) {
    if (error) {
      const std::lock_guard lock(flight->guard);
      flight->error = error;
    }
    flight->stepsDone = steps;
    if (last || error) flight->landed = true;
    if (flight->wake) flight->wake();
  });
}

Job::Step Execution::Impl::judgeFlight() {
  if (!flight->landed) return Job::Step::Wait;
  const std::lock_guard lock(flight->guard);
  if (flight->error) std::rethrow_exception(flight->error);
  return Job::Step::Done;
}

/// Everything is enqueued: the outputs come home.
Job::Step Execution::land(const Slice& slice) {
  Impl& s = *impl_;
  if (!s.landing) {
    for (size_t i = 0; i < s.downloads.size(); ++i) {
      const TensorRef from = s.resolve(plan_->outputs()[i], *plan_);
      s.queue->download(s.downloads[i].mutableData(), from.data, bytesOf({from.dtype, from.shape, from.layout}));
    }
    s.enqueueFence(slice, true);
    s.landing = true;
  }
  return s.judgeFlight();
}

Job::Step Execution::advance(Slice& slice) {
  Impl& s = *impl_;
  const size_t count = plan_->steps().size();
  while (s.next < count) {
    if (s.again && plan_->steps()[s.next].steady) {
      ++s.next;
      // Nothing is enqueued, and still the queue must say that these are done, or what waits for it waits for ever.
      if (!s.onHost && s.next % kFenceEvery == 0) s.enqueueFence(slice, false);
      continue;
    }
    slice.checkCancelled();
    if (!s.onHost && s.next - s.flight->stepsDone >= s.mostAhead()) return s.judgeFlight();
    const auto& pieces = plan_->pieces();
    if ((s.recorded || s.recording) && s.nextPiece < pieces.size() && pieces[s.nextPiece].begin == s.next) {
      runPiece(pieces[s.nextPiece]);
      if (s.next < count) s.enqueueFence(slice, false);
    } else {
      runStep();
      if (!s.onHost && s.next % kFenceEvery == 0) s.enqueueFence(slice, false);
    }
    if (s.next < count && slice.expired()) return Job::Step::More;
  }
  return s.onHost ? Job::Step::Done : land(slice);
}

TensorRef Execution::output(size_t index) const {
  TensorRef out = impl_->resolve(plan_->outputs()[index], *plan_);
  if (!impl_->onHost) out.data = impl_->downloads[index].mutableData();
  return out;
}

HostTensor Execution::takeOutput(size_t index) {
  Impl& s = *impl_;
  if (s.onHost || !(s.downloads[index].shape() == s.resolve(plan_->outputs()[index], *plan_).shape)) return {};
  return std::exchange(s.downloads[index], HostTensor());
}

size_t Execution::stepsDone() const { return impl_->onHost ? impl_->next : impl_->flight->stepsDone.load(); }

size_t Execution::bytes() const {
  const Impl& s = *impl_;
  size_t bytes = s.arena.bytes() + s.scratch.bytes();
  for (const Impl::Bound& bound : s.inputs) bytes += (bound.owned.data() ? bound.owned.bytes() : 0) + bound.buffer.bytes();
  for (const HostTensor& tensor : s.downloads) bytes += tensor.bytes();
  for (const DeviceBuffer& buffer : s.parameterBuffers) bytes += buffer.bytes();
  return bytes;
}

}  // namespace ascribe
