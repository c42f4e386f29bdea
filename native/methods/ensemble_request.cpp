#include <algorithm>
#include <cmath>

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
  if (value.type.shape.rank() == 0 || value.type.shape[0] != request.chunk)
    throw Error("INPUT_SHAPE", "the plan takes input " + value.name + " in shape " + value.type.shape.text() +
                                   "; its first dimension must be the chunk, " + std::to_string(request.chunk));
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
    const int64_t rows = baseline->shape()[0] == 1 ? 1 : request.items();
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
  const Plan& plan = *request.plan;
  const auto type = [&](size_t i) -> const ValueType& { return plan.graph().type(plan.graph().outputs[i]); };
  size_t next = 0;
  const size_t wanted = 1 + static_cast<size_t>(std::count_if(request.inputs.begin(), request.inputs.end(), [](const auto& i) { return i.has_value(); }));
  if (plan.outputs().size() != wanted)
    throw Error("OPTION_RANGE", "the plan has " + std::to_string(plan.outputs().size()) + " outputs, an ensemble needs a gradient for each explained input and the objective");
  for (size_t i = 0; i < request.inputs.size(); ++i)
    if (request.inputs[i]) expectShape("gradient output " + std::to_string(next), type(next).shape, prepend(1, inputOf(plan, i).type.shape)), ++next;
  expectShape("the objective output", type(next).shape, Shape{request.chunk});
  for (size_t i = 0; i < wanted; ++i)
    if (type(i).dtype != DType::F32 && type(i).dtype != DType::F64) throw Error("INPUT_DTYPE", "gradients and objective must be f32 or f64");
}

}  // namespace

int64_t EnsembleRequest::items() const {
  for (const auto& input : inputs)
    if (input) return input->shape().rank() == 0 ? 0 : input->shape()[0];
  return 0;
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
  const auto finite = [](double v) { return std::isfinite(v); };
  if (points.empty() || points.size() != weights.size() || !std::all_of(points.begin(), points.end(), finite) || !std::all_of(weights.begin(), weights.end(), finite))
    throw Error("OPTION_RANGE", "points and weights must be finite and as many as each other, at least one");
  if (!hasBaselines() && (points.size() != 1 || points[0] != 1))
    throw Error("INPUT_MISSING", "a path needs baselines", "Without baselines the only point is [1].");
  if (!hasBaselines() && quantity == Quantity::Integrated) throw Error("INPUT_MISSING", "integrated gradients need baselines");
  if (!itemKeys.empty() && static_cast<int64_t>(itemKeys.size()) != items())
    throw Error("INPUT_SHAPE", "itemKeys has " + std::to_string(itemKeys.size()) + " entries for " + std::to_string(items()) + " items");
  if (statistic == Statistic::Variance && samples < 2) throw Error("OPTION_RANGE", "an unbiased variance needs at least 2 samples");
}

}  // namespace ascribe
