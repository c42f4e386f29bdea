#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "finding.h"
#include "graph/op.h"
#include "graph/verify.h"
#include "graph_from_bytes.h"
#include "methods/run_job.h"
#include "runtime/memory.h"
#include "runtime/plan.h"

/// The door behind the addon's reader: any description of a graph is verified, compiled and run, on the reference kernels
/// or all that there are, or refused with a code.
namespace {

using namespace ascribe;
using namespace ascribe::fuzz;

/// What may be given to a run, and what it may take. Work that costs more is not run: the fuzzer looks for faults, and
/// what a model may cost is its user's to bound.
constexpr int64_t kMaximumInputBytes = 1 << 20;
constexpr size_t kBudgetBytes = 32 << 20;
constexpr double kMaximumFlops = 1e8;

std::optional<RunRequest> requestFor(const Described& described, std::shared_ptr<const Plan> plan, Bytes& bytes) {
  RunRequest request;
  const Graph& graph = plan->graph();
  double flops = 0;
  for (const PlanStep& step : plan->steps()) flops += step.kernel->flops();
  if (flops > kMaximumFlops) return std::nullopt;
  for (ValueId id : graph.inputs) {
    const ValueType& type = graph.type(id);
    Shape shape;
    const Value& value = graph.value(id);
    for (int i = 0; i < type.shape.rank(); ++i) {
      const auto length = described.runLengths.find(value.declared[static_cast<size_t>(i)].symbol);
      const bool varies = value.runLength && value.declared[static_cast<size_t>(i)].size < 0 && length != described.runLengths.end();
      shape.push(varies ? length->second : type.shape[i]);
    }
    if (shape.count() > kMaximumInputBytes / static_cast<int64_t>(sizeOf(type.dtype))) return std::nullopt;
    if (bytes.rarely(64)) shape = Shape{2};
    const DType dtype = bytes.rarely(32) ? DType::F64 : type.dtype;
    HostTensor tensor = tensorFromBytes(bytes, dtype, shape, false);
    // The addon refuses other truth values.
    if (dtype == DType::Bool)
      for (int64_t i = 0; i < shape.count(); ++i) static_cast<uint8_t*>(tensor.mutableData())[i] &= 1;
    request.inputs.push_back(bytes.rarely(128) ? std::nullopt : std::optional(std::move(tensor)));
  }
  request.plan = std::move(plan);
  request.runLengths = described.runLengths;
  request.budget = std::make_shared<MemoryBudget>(kBudgetBytes);
  request.guard = bytes.below(2) == 0;
  request.profile = bytes.rarely(8);
  return request;
}

void run(RunRequest request) {
  RunJob job(std::move(request));
  const CancelToken token;
  Slice slice(token, std::chrono::hours(1));
  while (job.advance(slice) != Job::Step::Done) {
  }
  // Every byte of every result was written by somebody.
  unsigned char sum = 0;
  for (const HostTensor& output : job.takeOutputs())
    for (size_t i = 0; i < output.bytes(); ++i) sum ^= output.as<unsigned char>()[i];
  [[maybe_unused]] static volatile unsigned char sink;
  sink = sum;
}

/// What the caller owns and what plans share: no run may write there. A mapped file would end the process.
class Untouched {
 public:
  void add(const HostTensor& tensor) {
    if (tensor.data() != nullptr) watched_.emplace_back(tensor, std::vector<char>(tensor.as<char>(), tensor.as<char>() + tensor.bytes()));
  }
  void check() const {
    for (const auto& [tensor, before] : watched_)
      if (!before.empty() && std::memcmp(tensor.data(), before.data(), before.size()) != 0) finding("a run wrote into an input, constant or parameter");
  }

 private:
  std::vector<std::pair<HostTensor, std::vector<char>>> watched_;
};

/// To read a finding: ASCRIBE_FUZZ_SHOW=1 build/fuzz/cmake/fuzz_graph FILE
bool isShown() {
  static const bool shown = std::getenv("ASCRIBE_FUZZ_SHOW") != nullptr;
  return shown;
}

int outcome(const char* what, const char* detail = "") {
  if (isShown()) std::fprintf(stderr, "outcome: %s %s\n", what, detail);
  return 0;
}

void show(const Graph& graph, const std::string& name) {
  std::fprintf(stderr, "%s: inputs", name.c_str());
  for (ValueId id : graph.inputs) {
    std::fprintf(stderr, " %s %s[", graph.value(id).name.c_str(), std::string(nameOf(graph.type(id).dtype)).c_str());
    for (const DeclaredDim& dim : graph.value(id).declared) std::fprintf(stderr, "%s,", dim.size < 0 ? dim.symbol.c_str() : std::to_string(dim.size).c_str());
    std::fprintf(stderr, "]");
  }
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    if (value.kind != ValueKind::Constant) continue;
    const HostTensor& tensor = graph.constants[static_cast<size_t>(value.storage)];
    std::fprintf(stderr, "\n  %%%zu constant %s%s", i, std::string(nameOf(tensor.dtype())).c_str(), tensor.shape().text().c_str());
    for (int64_t e = 0; e < std::min<int64_t>(tensor.shape().count(), 8); ++e) std::fprintf(stderr, " %g", tensor.real(e));
  }
  for (const Parameter& parameter : graph.parameters) {
    const ValueType& type = graph.type(parameter.value);
    std::fprintf(stderr, "\n  %%%d parameter %s %s%s", parameter.value, parameter.name.c_str(), std::string(nameOf(type.dtype)).c_str(), type.shape.text().c_str());
  }
  for (const State& state : graph.states) std::fprintf(stderr, "\n  %%%d state", state.value);
  std::fprintf(stderr, "\n%s  outputs", dump(graph).c_str());
  for (ValueId id : graph.outputs) std::fprintf(stderr, " %%%d", id);
  std::fprintf(stderr, "\n");
  for (const auto& [key, body] : graph.subgraphs) show(*body, name + "." + key);
}

void verifyAll(Graph& graph) {
  for (auto& [name, body] : graph.subgraphs) verifyAll(const_cast<Graph&>(*body));
  verify(graph);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  try {
    Described described = graphFromBytes(bytes);
    if (isShown()) show(described.graph, "graph");
    verifyAll(described.graph);
    const auto plan = compile(described.graph, described.parameters, described.options);
    auto request = requestFor(described, plan, bytes);
    if (!request) return outcome("too costly to run");
    if (!described.graph.states.empty() && !bytes.rarely(16))
      request->session = std::make_shared<Session>(described.graph, described.options.specialise.sizes, plan->device());
    Untouched untouched;
    for (const HostTensor& tensor : described.graph.constants) untouched.add(tensor);
    for (const Parameters::Entry& entry : described.parameters->list()) untouched.add(entry.source);
    for (const auto& input : request->inputs)
      if (input) untouched.add(*input);
    run(std::move(*request));
    untouched.check();
    return outcome("ran");
  } catch (const Error& error) {
    expectCode(error, {"BACKEND_UNAVAILABLE", "DERIVATIVE_UNSUPPORTED", "INPUT_DTYPE", "INPUT_MISSING", "INPUT_SHAPE", "INPUT_VALUE",
                       "LAYER_NOT_FOUND", "MODEL_CAPABILITY", "MODEL_INVALID", "MODEL_UNSUPPORTED_OP", "NOT_FINITE", "OPTION_RANGE", "OPTION_UNKNOWN", "OUT_OF_MEMORY_BUDGET"});
    return outcome(error.code(), error.what());
  }
}
