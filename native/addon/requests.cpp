#include "addon/requests.h"

#include <cmath>

#include "addon/session.h"
#include "addon/util/reader.h"
#include "runtime/memory.h"

namespace ascribe::addon {

namespace {

size_t inputIndex(const Plan& plan, const std::string& name) {
  const Graph& graph = plan.graph();
  std::string known;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    if (graph.value(graph.inputs[i]).name == name) return i;
    known += (known.empty() ? "" : ", ") + graph.value(graph.inputs[i]).name;
  }
  throw Error("OPTION_UNKNOWN", "the model has no input called \"" + name + "\"", "Its inputs are " + known + ".");
}

/// Tables of the row loop are made for one call and not written to again.
constexpr size_t kTableCopyLimit = size_t{16} << 10;

std::vector<std::optional<HostTensor>> readInputs(const Plan& plan, Napi::Value value, const std::string& name, References& keep,
                                                  size_t copyLimit = size_t{1} << 20) {
  std::vector<std::optional<HostTensor>> out(plan.graph().inputs.size());
  for (const auto& [key, tensor] : entries(value, name)) out[inputIndex(plan, key)] = borrowTensor(tensor, "input " + key, keep, copyLimit);
  return out;
}

/// What RunOptions says to the engine rather than to the plan.
void readJob(const Reader& options, JobRequest& job) {
  job.weight = options.number("weight", 1, 1e-6, 1e6);
  if (options.has("onProgress")) {
    const Napi::Value function = options.value("onProgress");
    if (!function.IsFunction()) failType(options.path("onProgress"), "a function", function);
    job.onProgress = function.As<Napi::Function>();
  }
}

std::shared_ptr<MemoryBudget> readBudget(const Reader& options) {
  const double limit = options.number("memoryLimitBytes", INFINITY, 0, INFINITY);
  return std::make_shared<MemoryBudget>(limit < 1e18 ? static_cast<size_t>(limit) : MemoryBudget::unlimited);
}

}  // namespace

RunRequest readRun(std::shared_ptr<const Plan> plan, Napi::Value inputs, Napi::Value value, JobRequest& job) {
  const Reader options(value, "options");
  RunRequest out;
  out.inputs = readInputs(*plan, inputs, "inputs", job.keep);
  out.plan = std::move(plan);
  out.guard = options.boolean("guard", true);
  out.profile = options.boolean("profile", false);
  out.runLengths = options.integersByName("runLengths", 0);
  out.budget = readBudget(options);
  if (options.has("session")) out.session = SessionObject::from(options.value("session"), "session").session();
  readJob(options, job);
  return out;
}

Napi::Object makeRunResult(Napi::Env env, RunJob& job) {
  std::vector<HostTensor> tensors = job.takeOutputs();
  Napi::Array outputs = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) outputs.Set(i, makeTensor(env, std::move(tensors[i])));
  Napi::Object out = Napi::Object::New(env);
  out.Set("outputs", outputs);
  out.Set("milliseconds", job.milliseconds());
  out.Set("peakBytes", static_cast<double>(job.peakBytes()));
  if (job.profile().empty()) return out;
  Napi::Array profile = Napi::Array::New(env, job.profile().size());
  for (uint32_t i = 0; i < job.profile().size(); ++i) {
    const ProfiledNode& node = job.profile()[i];
    Napi::Object item = Napi::Object::New(env);
    item.Set("node", node.node);
    item.Set("op", node.op);
    item.Set("kernel", node.kernel);
    item.Set("startMs", node.startMs);
    item.Set("milliseconds", node.milliseconds);
    item.Set("flops", node.flops);
    item.Set("bytes", node.bytes);
    profile.Set(i, item);
  }
  out.Set("profile", profile);
  if (!job.recording().empty()) out.Set("recording", job.recording());
  return out;
}

namespace {

RowsRequest::Marks readMarks(Napi::Value value, const std::string& name, References& keep) {
  const Reader marks(value, name);
  RowsRequest::Marks out;
  const HostTensor ends = copyTensor(marks.value("ends"), marks.path("ends"));
  if (ends.dtype() != DType::I32) throw Error("INPUT_DTYPE", marks.path("ends") + " must be i32");
  out.ends.assign(ends.as<int32_t>(), ends.as<int32_t>() + ends.shape().count());
  out.places = borrowTensor(marks.value("places"), marks.path("places"), keep);
  return out;
}

RowsRequest::Ranked readRanked(const Plan& plan, const Reader& ranked, References& keep) {
  RowsRequest::Ranked out;
  out.scores = borrowTensor(ranked.value("scores"), ranked.path("scores"), keep, kTableCopyLimit);
  for (const std::string& name : ranked.texts("tables")) out.inputs.push_back(inputIndex(plan, name));
  return out;
}

}  // namespace

RowsRequest readRows(std::shared_ptr<const Plan> plan, Napi::Value value, Napi::Value optionsValue, JobRequest& job) {
  const Reader request(value, "request"), options(optionsValue, "options");
  RowsRequest out;
  out.tables = readInputs(*plan, request.value("tables"), request.path("tables"), job.keep, kTableCopyLimit);
  if (request.has("ranked")) out.ranked = readRanked(*plan, Reader(request.value("ranked"), request.path("ranked")), job.keep);
  out.rows = readInputs(*plan, request.value("rows"), request.path("rows"), job.keep);
  out.marks.resize(out.rows.size());
  if (request.has("marks"))
    for (const auto& [name, marks] : entries(request.value("marks"), request.path("marks")))
      out.marks[inputIndex(*plan, name)] = readMarks(marks, request.path("marks") + "." + name, job.keep);
  out.count = request.integer("count", 1, int64_t{1} << 31);
  out.chunk = request.integer("chunk", 1, int64_t{1} << 31);
  out.guard = options.boolean("guard", true);
  out.budget = readBudget(options);
  out.plan = std::move(plan);
  out.check();
  readJob(options, job);
  return out;
}

Napi::Object makeRowsResult(Napi::Env env, RowsJob& job) {
  std::vector<HostTensor> tensors = job.takeOutputs();
  Napi::Array outputs = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) outputs.Set(i, makeTensor(env, std::move(tensors[i])));
  Napi::Object out = Napi::Object::New(env);
  out.Set("outputs", outputs);
  out.Set("milliseconds", job.milliseconds());
  out.Set("peakBytes", static_cast<double>(job.peakBytes()));
  return out;
}

namespace {

/// Float64Array per explained input.
std::vector<std::vector<double>> readSigma(const Plan& plan, const Reader& request) {
  std::vector<std::vector<double>> out(plan.graph().inputs.size());
  if (!request.has("sigma")) return out;
  for (const auto& [name, ignored] : entries(request.value("sigma"), request.path("sigma")))
    out[inputIndex(plan, name)] = Reader(request.value("sigma"), request.path("sigma")).doubles(name.c_str());
  return out;
}

}  // namespace

EnsembleRequest readEnsemble(std::shared_ptr<const Plan> plan, Napi::Value value, Napi::Value optionsValue, JobRequest& job) {
  const Reader request(value, "request"), options(optionsValue, "options");
  EnsembleRequest out;
  out.inputs = readInputs(*plan, request.value("inputs"), request.path("inputs"), job.keep);
  out.extras.resize(out.inputs.size());
  out.baselines.resize(out.inputs.size());
  if (request.has("extras")) out.extras = readInputs(*plan, request.value("extras"), request.path("extras"), job.keep);
  if (request.has("baselines")) out.baselines = readInputs(*plan, request.value("baselines"), request.path("baselines"), job.keep);
  out.pairedWith.assign(out.inputs.size(), -1);
  if (request.has("paired"))
    for (const auto& [name, of] : entries(request.value("paired"), request.path("paired"))) {
      if (!of.IsString()) failType(request.path("paired"), "names of inputs by name", of);
      out.pairedWith[inputIndex(*plan, name)] = static_cast<int64_t>(inputIndex(*plan, of.As<Napi::String>().Utf8Value()));
    }
  out.points = request.doubles("points");
  out.weights = request.doubles("weights");
  if (request.has("sampleBaselines"))
    for (double row : request.doubles("sampleBaselines")) out.sampleBaselines.push_back(row >= 0 && row < 1e9 ? static_cast<int64_t>(row) : -1);
  if (request.has("samplePoints")) out.samplePoints = request.doubles("samplePoints");
  if (request.has("positions")) {
    const Reader positions(request.value("positions"), request.path("positions"));
    out.positionInput = static_cast<int64_t>(inputIndex(*plan, positions.text("name")));
    out.positions = positions.doubles("values");
    out.inputPosition = positions.doubles("atInput");
    if (positions.has("atBaseline")) out.baselinePosition = positions.doubles("atBaseline");
  }
  out.shared = request.boolean("shared", false);
  if (request.has("noise")) out.noiseInput = static_cast<int64_t>(inputIndex(*plan, request.text("noise")));
  if (request.has("outputs")) out.outputs = request.texts("outputs");
  out.keepsOutput = request.boolean("keepsOutput", false);
  out.quantity = static_cast<EnsembleRequest::Quantity>(
      request.choice("quantity", {"gradient", "absolute", "inputTimesGradient", "integrated", "importantDirection"}));
  out.samples = request.integer("samples", 1, int64_t{1} << 31);
  out.sigma = readSigma(*plan, request);
  out.statistic = static_cast<EnsembleRequest::Statistic>(
      request.choice("statistic", {"mean", "meanSquare", "variance", "biasedVariance"}));
  out.seed = request.unsignedBig("seed");
  if (request.has("itemKeys")) {
    const Napi::Value keys = request.value("itemKeys");
    if (!keys.IsTypedArray() || keys.As<Napi::TypedArray>().TypedArrayType() != napi_bigint64_array)
      failType(request.path("itemKeys"), "a BigInt64Array", keys);
    const auto list = keys.As<Napi::BigInt64Array>();
    out.itemKeys.assign(list.Data(), list.Data() + list.ElementLength());
  }
  out.chunk = request.integer("chunk", 1, int64_t{1} << 31);
  out.guard = options.boolean("guard", true);
  out.budget = readBudget(options);
  out.plan = std::move(plan);
  out.check();
  readJob(options, job);
  return out;
}

namespace {
Napi::Float64Array toArray(Napi::Env env, const std::vector<double>& values) {
  auto out = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), out.Data());
  return out;
}
}  // namespace

WalkRequest readWalk(std::shared_ptr<const Plan> plan, Napi::Value value, Napi::Value options, JobRequest& job) {
  WalkRequest out;
  out.base = readEnsemble(std::move(plan), value, options, job);
  const Reader walk(Reader(value, "request").value("walk"), "request.walk");
  out.kind = static_cast<WalkRequest::Kind>(walk.choice("kind", {"guided", "pieces"}));
  if (out.kind == WalkRequest::Kind::Guided) {
    out.steps = walk.integer("steps", 1, int64_t{1} << 31);
    out.fraction = walk.number("fraction", 0.25, 0, 1);
    out.maximumDistance = walk.number("maximumDistance", 0.02, 0, 1);
    out.trapezoid = walk.choice("rule", {"trapezoid", "left"}) == 0;
  } else {
    out.segments = walk.integer("segments", 1, int64_t{1} << 31);
    out.maximumPieces = walk.integer("maximumPieces", 1, int64_t{1} << 40);
  }
  out.check();
  return out;
}

Napi::Object makeEnsembleResult(Napi::Env env, EnsembleResult result) {
  Napi::Object attributions = Napi::Object::New(env);
  for (auto& [name, tensor] : result.attributions) attributions.Set(name, makeTensor(env, std::move(tensor)));
  Napi::Object out = Napi::Object::New(env);
  out.Set("attributions", attributions);
  out.Set("objective", toArray(env, result.objective));
  if (!result.baselineObjective.empty()) out.Set("baselineObjective", toArray(env, result.baselineObjective));
  out.Set("sums", toArray(env, result.sums));
  if (result.output) out.Set("output", makeTensor(env, std::move(*result.output)));
  out.Set("forwardPasses", static_cast<double>(result.forwardPasses));
  out.Set("backwardPasses", static_cast<double>(result.backwardPasses));
  out.Set("milliseconds", result.milliseconds);
  out.Set("peakBytes", static_cast<double>(result.peakBytes));
  return out;
}

}  // namespace ascribe::addon
