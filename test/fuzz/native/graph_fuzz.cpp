#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dirty_memory.h"
#include "finding.h"
#include "graph/op.h"
#include "graph/verify.h"
#include "graph_from_bytes.h"
#include "methods/run_job.h"
#include "runtime/memory.h"
#include "runtime/plan.h"
#include "show_graph.h"

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

std::vector<HostTensor> run(RunRequest request) {
  RunJob job(std::move(request));
  const CancelToken token;
  Slice slice(token, std::chrono::hours(1));
  while (job.advance(slice) != Job::Step::Done) {
  }
  return job.takeOutputs();
}

/// Twice the same, whatever lay in memory before.
void expectSame(const std::vector<HostTensor>& first, const std::vector<HostTensor>& second) {
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i].dtype() != second[i].dtype() || !(first[i].shape() == second[i].shape())) finding("two runs differ in a type");
    if (first[i].bytes() != 0 && std::memcmp(first[i].data(), second[i].data(), first[i].bytes()) != 0)
      finding("two runs differ in output", std::to_string(i).c_str());
  }
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

void verifyAll(Graph& graph) {
  for (auto& [name, body] : graph.subgraphs) verifyAll(const_cast<Graph&>(*body));
  verify(graph);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  try {
    Described described = graphFromBytes(bytes);
    if (isShown()) showGraph(described.graph, "graph");
    verifyAll(described.graph);
    fillNewMemory(0);
    auto plan = compile(described.graph, described.parameters, described.options);
    auto request = requestFor(described, plan, bytes);
    if (!request) return outcome("too costly to run");
    const bool session = !described.graph.states.empty() && !bytes.rarely(16), again = bytes.rarely(4);
    const auto runOnce = [&] {
      RunRequest once = *request;
      once.plan = plan;
      if (session) once.session = std::make_shared<Session>(described.graph, described.options.specialise.sizes, plan->device());
      return run(std::move(once));
    };
    Untouched untouched;
    for (const HostTensor& tensor : described.graph.constants) untouched.add(tensor);
    for (const Parameters::Entry& entry : described.parameters->list()) untouched.add(entry.source);
    for (const auto& input : request->inputs)
      if (input) untouched.add(*input);
    const std::vector<HostTensor> results = runOnce();
    untouched.check();
    fillNewMemory(0xff);  // NaN in every floating type
    if (again) plan = compile(described.graph, described.parameters, described.options);
    expectSame(results, runOnce());
    return outcome("ran");
  } catch (const Error& error) {
    expectCode(error, {"DERIVATIVE_UNSUPPORTED", "INPUT_DTYPE", "INPUT_MISSING", "INPUT_SHAPE", "INPUT_VALUE",
                       "LAYER_NOT_FOUND", "MODEL_CAPABILITY", "MODEL_INVALID", "MODEL_UNSUPPORTED_OP", "NOT_FINITE", "OPTION_RANGE", "OPTION_UNKNOWN", "OUT_OF_MEMORY_BUDGET"});
    return outcome(error.code(), error.what());
  }
}
