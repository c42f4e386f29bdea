#include <algorithm>
#include <cmath>
#include <cstring>

#include "methods/gradient_ensemble.h"

namespace ascribe {

namespace {

Shape withLeading(int64_t leading, const Shape& shape) {
  Shape out = shape;
  out[0] = leading;
  return out;
}

const Value& inputOf(const Plan& plan, size_t index) { return plan.graph().value(plan.graph().inputs[index]); }

void expectShape(const std::string& what, const Shape& given, const Shape& expected) {
  if (!(given == expected)) throw Error("INPUT_SHAPE", what + " has shape " + given.text() + ", expected " + expected.text());
}

/// The plan's input carries the chunk in front; `tensor` carries `rows`.
void checkBatched(const EnsembleRequest& request, size_t index, const HostTensor& tensor, int64_t rows, const char* role) {
  const Value& value = inputOf(*request.plan, index);
  const std::string what = std::string(role) + " " + value.name;
  const int64_t expected = request.shared && !request.extras[index] ? 1 : request.chunk;
  if (value.type.shape.rank() == 0 || value.type.shape[0] != expected)
    throw Error("INPUT_SHAPE", "the plan takes input " + value.name + " in shape " + value.type.shape.text() +
                                   "; its first dimension must be " + (expected == request.chunk ? "the chunk, " : "") + std::to_string(expected));
  if (tensor.dtype() != value.type.dtype && !(isFloating(tensor.dtype()) && isFloating(value.type.dtype)))
    throw Error("INPUT_DTYPE", what + " is " + std::string(nameOf(tensor.dtype())) + ", the model wants " + std::string(nameOf(value.type.dtype)));
  expectShape(what, tensor.shape(), withLeading(rows, value.type.shape));
}

void checkExplained(const EnsembleRequest& request, size_t index) {
  const Value& value = inputOf(*request.plan, index);
  const HostTensor& tensor = *request.inputs[index];
  for (DType dtype : {tensor.dtype(), value.type.dtype})
    if (dtype != DType::F32 && dtype != DType::F64)
      throw Error("INPUT_DTYPE", "input " + value.name + " is " + std::string(nameOf(dtype)) + " and cannot be explained",
                  "Integer inputs (token numbers) have no gradient: explain the embeddings.");
  checkBatched(request, index, tensor, request.items(), "input");
  if (const auto& baseline = request.baselines[index]) {
    if (baseline->shape().rank() == 0) throw Error("INPUT_SHAPE", "the baseline of " + value.name + " has no batch axis");
    const int64_t given = baseline->shape()[0];
    const int64_t rows = given == 1 || !request.sampleBaselines.empty() ? given : request.items();
    checkBatched(request, index, *baseline, rows, "the baseline of");
    if (baseline->dtype() != DType::F32 && baseline->dtype() != DType::F64)
      throw Error("INPUT_DTYPE", "the baseline of " + value.name + " must be f32 or f64");
  } else if (request.hasBaselines()) {
    throw Error("INPUT_MISSING", "input " + value.name + " has no baseline, others have");
  }
  const std::vector<double>& sigma = request.sigma[index];
  if (!sigma.empty() && static_cast<int64_t>(sigma.size()) != request.items())
    throw Error("INPUT_SHAPE", "sigma of " + value.name + " has " + std::to_string(sigma.size()) + " entries for " + std::to_string(request.items()) + " items");
  for (double s : sigma)
    if (!(std::isfinite(s) && s >= 0)) throw Error("OPTION_RANGE", "sigma of " + value.name + " must be finite and not negative");
}

void checkOutputs(const EnsembleRequest& request) {
  using Quantity = EnsembleRequest::Quantity;
  const Plan& plan = *request.plan;
  const auto type = [&](size_t i) -> const ValueType& { return plan.graph().type(plan.graph().outputs[i]); };
  const auto explained = static_cast<size_t>(std::count_if(request.inputs.begin(), request.inputs.end(), [](const auto& i) { return i.has_value(); }));
  const size_t summed = request.outputs.empty() ? explained : request.outputs.size();
  if (plan.outputs().size() != summed + 1 + request.keepsOutput)
    throw Error("OPTION_RANGE", "the plan has " + std::to_string(plan.outputs().size()) +
                                    " outputs, an ensemble needs those it sums (a gradient for each explained input), the objective" +
                                    (request.keepsOutput ? " and what is kept" : ""));
  if (request.keepsOutput) {
    const ValueType& kept = type(summed + 1);
    if (kept.shape.rank() == 0 || kept.shape[0] != request.chunk)
      throw Error("INPUT_SHAPE", "the output that is kept has shape " + kept.shape.text() + ", expected [chunk, ...]");
    if (kept.dtype != DType::F32 && kept.dtype != DType::F64) throw Error("INPUT_DTYPE", "the output that is kept must be f32 or f64");
  }
  const bool isOfInputs = request.outputs.empty() || request.quantity == Quantity::InputTimesGradient || request.quantity == Quantity::Integrated;
  if (isOfInputs && summed != explained)
    throw Error("OPTION_RANGE", "the quantity is a product with the inputs, and there is not one output for each");
  size_t next = 0;
  for (size_t i = 0; i < request.inputs.size() && isOfInputs; ++i)
    if (request.inputs[i]) expectShape("gradient output " + std::to_string(next), type(next).shape, prepend(1, inputOf(plan, i).type.shape)), ++next;
  for (size_t i = 0; i < summed; ++i)
    if (type(i).shape.rank() < 2 || type(i).shape[0] != 1 || type(i).shape[1] != (request.shared ? 1 : request.chunk))
      throw Error("INPUT_SHAPE", "output " + std::to_string(i) + " has shape " + type(i).shape.text() + ", expected " + (request.shared ? "[1, 1, ...]" : "[1, chunk, ...]"));
  expectShape("the objective output", type(summed).shape, Shape{request.chunk});
  for (size_t i = 0; i <= summed; ++i)
    if (type(i).dtype != DType::F32 && type(i).dtype != DType::F64) throw Error("INPUT_DTYPE", "gradients and objective must be f32 or f64");
}

bool isFinite(double value) { return std::isfinite(value); }
bool areFinite(const std::vector<double>& values) { return std::all_of(values.begin(), values.end(), isFinite); }

/// What differs from sample to sample: where its path begins, and where on it it stands.
void checkSamples(const EnsembleRequest& request) {
  const auto samples = static_cast<size_t>(request.samples);
  if (!request.sampleBaselines.empty()) {
    if (request.sampleBaselines.size() != samples) throw Error("INPUT_SHAPE", "sampleBaselines has " + std::to_string(request.sampleBaselines.size()) + " entries for " + std::to_string(samples) + " samples");
    if (!request.hasBaselines()) throw Error("INPUT_MISSING", "samples that choose a baseline need baselines");
    int64_t rows = -1;
    for (const auto& baseline : request.baselines) {
      if (!baseline) continue;
      if (rows >= 0 && baseline->shape()[0] != rows) throw Error("INPUT_SHAPE", "inputs have different numbers of baselines to choose from");
      rows = baseline->shape()[0];
    }
    for (int64_t row : request.sampleBaselines)
      if (row < 0 || row >= rows) throw Error("OPTION_RANGE", "there is no baseline " + std::to_string(row) + " of " + std::to_string(rows));
  }
  if (request.samplePoints.empty()) return;
  if (request.samplePoints.size() != samples || !areFinite(request.samplePoints) || request.points.size() != 1)
    throw Error("OPTION_RANGE", "samplePoints must be finite, one for each sample, in place of a single point");
}

/// A pass that makes its noise: what it gives of each sample is its own, the mean is left to the job.
void checkNoisy(const EnsembleRequest& request) {
  const auto input = static_cast<size_t>(request.noiseInput);
  const bool isPlain = request.quantity == EnsembleRequest::Quantity::Gradient && request.points.size() == 1 && request.baselinePosition.empty();
  if (!isPlain || !request.sampleBaselines.empty() || !request.samplePoints.empty() || request.statistic != EnsembleRequest::Statistic::Mean || request.positionInput < 0 || request.hasBaselines())
    throw Error("OPTION_RANGE", "a shared plan with noise gives the mean of samples around one item");
  const ValueType& type = inputOf(*request.plan, input).type;
  const auto explained = std::count_if(request.inputs.begin(), request.inputs.end(), [](const auto& each) { return each.has_value(); });
  if (request.inputs[input] || request.extras[input] || type.dtype != DType::I64) throw Error("INPUT_DTYPE", "the input of noise must be of its own, and i64");
  expectShape("the input of noise", type.shape, Shape{request.chunk, 2 + explained});
}

/// A pass that sums has one path, and every quantity that it can give is linear in its gradients.
void checkShared(const EnsembleRequest& request) {
  if (request.noiseInput >= 0) return checkNoisy(request);
  using Quantity = EnsembleRequest::Quantity;
  const bool isLinear = request.quantity == Quantity::Gradient || request.quantity == Quantity::Integrated;
  const bool isPlain = request.samples == 1 && !request.hasNoise() && request.sampleBaselines.empty() && request.samplePoints.empty();
  if (!isLinear || !isPlain || request.statistic != EnsembleRequest::Statistic::Mean || request.positionInput < 0 || !request.hasBaselines())
    throw Error("OPTION_RANGE", "a shared path is one straight path from baselines, of gradients or what is integrated of them");
  for (size_t i = 0; i < request.inputs.size(); ++i)
    if (request.inputs[i] && std::find(request.pairedWith.begin(), request.pairedWith.end(), static_cast<int64_t>(i)) == request.pairedWith.end())
      throw Error("INPUT_MISSING", "a shared path of input " + inputOf(*request.plan, i).name + " needs its baseline in the plan");
}

/// Inputs that the job itself makes: baselines of others, and the place on a path that the plan makes.
void checkMade(const EnsembleRequest& request) {
  const Plan& plan = *request.plan;
  for (size_t i = 0; i < request.pairedWith.size(); ++i) {
    const int64_t of = request.pairedWith[i];
    if (of < 0) continue;
    if (request.inputs[i] || request.extras[i] || !request.inputs[static_cast<size_t>(of)] || !request.hasBaselines())
      throw Error("OPTION_RANGE", "input " + inputOf(plan, i).name + " is to be the baseline of something that has none");
    const ValueType &type = inputOf(plan, i).type, &wanted = inputOf(plan, static_cast<size_t>(of)).type;
    expectShape("input " + inputOf(plan, i).name, type.shape, wanted.shape);
    if (type.dtype != DType::F32 && type.dtype != DType::F64) throw Error("INPUT_DTYPE", "input " + inputOf(plan, i).name + " must be f32 or f64 to hold a baseline");
  }
  if (request.positionInput < 0) {
    if (!request.positions.empty() || !request.baselinePosition.empty() || !request.inputPosition.empty()) throw Error("INPUT_MISSING", "positions have no input");
    return;
  }
  const auto input = static_cast<size_t>(request.positionInput);
  const ValueType& type = inputOf(plan, input).type;
  if (request.inputs[input] || request.extras[input] || (type.dtype != DType::F32 && type.dtype != DType::F64))
    throw Error("INPUT_DTYPE", "the input of positions must be of its own, and f32 or f64");
  const size_t width = request.inputPosition.size();
  expectShape("the input of positions", type.shape, Shape{request.chunk, static_cast<int64_t>(width)});
  if (width == 0 || request.positions.size() != width * request.points.size() || (!request.baselinePosition.empty() && request.baselinePosition.size() != width))
    throw Error("INPUT_SHAPE", "positions must hold as many numbers for each point as the input takes");
  if (!areFinite(request.positions) || !areFinite(request.inputPosition) || !areFinite(request.baselinePosition))
    throw Error("OPTION_RANGE", "positions must be finite");
}

}  // namespace

int64_t EnsembleRequest::items() const {
  for (const auto& input : inputs)
    if (input) return input->shape().rank() == 0 ? 0 : input->shape()[0];
  return 0;
}

size_t EnsembleRequest::objectiveOutput() const { return plan->outputs().size() - 1 - keepsOutput; }

void EnsembleResult::reserveOutput(const EnsembleRequest& request, int64_t items) {
  if (!request.keepsOutput) return;
  const ValueType& type = request.plan->graph().type(request.plan->graph().outputs.back());
  output = HostTensor(type.dtype, withLeading(items, type.shape), request.budget);
}

void EnsembleResult::keepOutput(const EnsembleRequest& request, const Execution& execution, int64_t item, int64_t row) {
  if (!request.keepsOutput) return;
  const TensorRef rows = execution.output(request.objectiveOutput() + 1);
  const size_t bytes = static_cast<size_t>(output->shape().count(1, output->shape().rank())) * sizeOf(output->dtype());
  std::memcpy(static_cast<std::byte*>(output->mutableData()) + static_cast<size_t>(item) * bytes, static_cast<const std::byte*>(rows.data) + static_cast<size_t>(row) * bytes, bytes);
}

bool EnsembleRequest::hasBaselines() const {
  return std::any_of(baselines.begin(), baselines.end(), [](const auto& b) { return b.has_value(); });
}

bool EnsembleRequest::hasNoise() const {
  return std::any_of(sigma.begin(), sigma.end(), [](const auto& s) { return std::any_of(s.begin(), s.end(), [](double v) { return v > 0; }); });
}

void EnsembleRequest::check() const {
  if (items() < 1) throw Error("INPUT_MISSING", "an ensemble needs at least one explained input with at least one item");
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]) checkExplained(*this, i);
    if (!inputs[i] && (baselines[i] || !sigma[i].empty()))
      throw Error("INPUT_MISSING", "input " + inputOf(*plan, i).name + " has a baseline or noise but is not explained");
    if (inputs[i] && extras[i]) throw Error("OPTION_RANGE", "input " + inputOf(*plan, i).name + " is both explained and extra");
    if (extras[i]) checkBatched(*this, i, *extras[i], items(), "extra input");
  }
  checkOutputs(*this);
  if (points.empty() || points.size() != weights.size() || !areFinite(points) || !areFinite(weights))
    throw Error("OPTION_RANGE", "points and weights must be finite and as many as each other, at least one");
  checkSamples(*this);
  checkMade(*this);
  if (noiseInput >= 0 && !shared) throw Error("OPTION_RANGE", "only a shared plan makes its noise itself");
  if (shared) checkShared(*this);
  if (!hasBaselines() && positionInput < 0 && (points.size() != 1 || points[0] != 1))
    throw Error("INPUT_MISSING", "a path needs baselines", "Without baselines the only point is [1].");
  if (!hasBaselines() && quantity == Quantity::Integrated) throw Error("INPUT_MISSING", "integrated gradients need baselines");
  if (quantity == Quantity::ImportantDirection && points.size() < 2) throw Error("OPTION_RANGE", "steps along a path need at least 2 points");
  if (!itemKeys.empty() && static_cast<int64_t>(itemKeys.size()) != items())
    throw Error("INPUT_SHAPE", "itemKeys has " + std::to_string(itemKeys.size()) + " entries for " + std::to_string(items()) + " items");
  if (statistic == Statistic::Variance && samples < 2) throw Error("OPTION_RANGE", "an unbiased variance needs at least 2 samples");
}

}  // namespace ascribe
