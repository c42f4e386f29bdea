#include "op_cases/derivatives.h"

#include <algorithm>
#include <cmath>

#include "autodiff/vjp.h"
#include "autodiff_support.h"
#include "graph/convert.h"
#include "graph/op.h"
#include "harness.h"

namespace ascribe::test {
namespace {

constexpr double kAgainstDual = 1e-10;
constexpr double kAgainstDifferences = 2e-6;  // of differences in double, best of three steps

}  // namespace

Differentiated differentiated(const OpCase& test) {
  Differentiated out;
  const std::vector<HostTensor> operands = widened(operandsOf(test));
  std::vector<int> places;  // an index among the inputs, or -1
  for (size_t i = 0; i < operands.size(); ++i) {
    const Operand& operand = test.operands[i];
    const bool isInput = !operand.absent && !operand.constant && operands[i].dtype() == DType::F64 && !(op(test.op).hostOperands >> i & 1);
    places.push_back(isInput ? static_cast<int>(out.inputs.size()) : -1);
    if (!isInput) continue;
    out.inputs.push_back(operands[i]);
    out.smooth.push_back(!operand.chooses);
  }
  out.body = [=](Builder& b, const std::vector<ValueId>& in) {
    std::vector<ValueId> ids;
    for (size_t i = 0; i < operands.size(); ++i) {
      if (test.operands[i].absent) ids.push_back(kNone);
      else ids.push_back(places[i] < 0 ? b.constant(operands[i]) : in[static_cast<size_t>(places[i])]);
    }
    return b.nodes(test.op, ids, test.outputs, test.attributes);
  };
  return out;
}

namespace {

/// The same function on dual numbers.
Function onDuals(Function f) {
  for (Value& value : f.graph.values)
    if (value.type.dtype == DType::F64) value.type.dtype = DType::Dual;
  for (HostTensor& constant : f.graph.constants)
    if (constant.dtype() == DType::F64) constant = convert(constant, DType::Dual);
  return f;
}
HostTensor dualOf(const HostTensor& value, const HostTensor& direction) {
  HostTensor out(DType::Dual, value.shape());
  auto* numbers = static_cast<double*>(out.mutableData());
  for (int64_t i = 0; i < value.shape().count(); ++i) numbers[2 * i] = value.real(i), numbers[2 * i + 1] = direction.real(i);
  return out;
}
double tangent(const HostTensor& dual, int64_t i) { return dual.as<double>()[2 * i + 1]; }

/// The largest of |<seed, J v> - <Jᵀ seed, v>| over random v, along every input alone and along all, relative to the sums' terms.
double againstDuals(const Function& f, const std::vector<HostTensor>& inputs) {
  const Function g = gradientOf(f), dual = onDuals(f);
  std::vector<HostTensor> seeds;
  for (size_t i = inputs.size(); i < g.inputs.size(); ++i) seeds.push_back(scattered(g.graph.shape(g.inputs[i]), 177 + i, 0.3, 1.7));
  std::vector<HostTensor> all = inputs;
  all.insert(all.end(), seeds.begin(), seeds.end());
  const std::vector<HostTensor> gradients = call(g, all);
  double worst = 0;
  for (size_t along = 0; along <= inputs.size(); ++along) {
    std::vector<HostTensor> moved;
    double reverse = 0, forward = 0, scale = 0;
    size_t which = 0;
    for (size_t n = 0; n < inputs.size(); ++n) {
      if (!isFloating(inputs[n].dtype())) {
        moved.push_back(inputs[n]);
        continue;
      }
      const bool moves = along == n || along == inputs.size();
      const HostTensor direction = moves ? scattered(inputs[n].shape(), 31 * along + n) : filled(inputs[n].shape(), 0);
      moved.push_back(dualOf(inputs[n], direction));
      const HostTensor& gradient = gradients.at(which++);
      for (int64_t i = 0; i < direction.shape().count(); ++i) {
        reverse += gradient.real(i) * direction.real(i);
        scale += std::fabs(gradient.real(i) * direction.real(i));
      }
    }
    const std::vector<HostTensor> results = call(dual, moved);
    size_t seed = 0;
    for (const HostTensor& y : results) {
      if (!isFloating(y.dtype())) continue;
      for (int64_t i = 0; i < y.shape().count(); ++i) {
        forward += seeds[seed].real(i) * tangent(y, i);
        scale += std::fabs(seeds[seed].real(i) * tangent(y, i));
      }
      ++seed;
    }
    const double difference = forward == reverse ? 0 : std::fabs(forward - reverse) / scale;
    worst = difference <= worst ? worst : difference;  // written so that NaN stays
  }
  return worst;
}

void checkOnce(const Function& f, const std::vector<HostTensor>& inputs, const std::vector<bool>& smooth, const std::string& what) {
  const double dual = againstDuals(f, inputs);
  if (!(dual <= kAgainstDual)) fail(__FILE__, __LINE__, what + " differs from dual numbers by " + show(dual));
  const double difference = againstDifferences(f, inputs, smooth);
  if (!(difference <= kAgainstDifferences)) fail(__FILE__, __LINE__, what + " differs from central differences by " + show(difference));
}

}  // namespace

bool hasDerivative(const std::string& op) { return findVjp(op) || findDecomposition(op); }

void checkDerivatives(const OpCase& test) {
  const Differentiated d = differentiated(test);
  if (d.inputs.empty()) return;
  const Function f = function(d.inputs, d.body);
  if (test.derivatives == Derivatives::Refused) return EXPECT_THROWS_CODE(gradientOf(f), "DERIVATIVE_UNSUPPORTED");
  if (std::none_of(f.outputs.begin(), f.outputs.end(), [&](ValueId id) { return isFloating(f.graph.type(id).dtype); })) return;
  checkOnce(f, d.inputs, d.smooth, test.name() + ": the derivative");
  if (test.derivatives != Derivatives::Second) return;
  const Function g = gradientOf(f, 2);
  std::vector<HostTensor> inputs = d.inputs;
  std::vector<bool> smooth = d.smooth;
  for (size_t i = inputs.size(); i < g.inputs.size(); ++i) inputs.push_back(scattered(g.graph.shape(g.inputs[i]), 900 + i)), smooth.push_back(true);
  checkOnce(g, inputs, smooth, test.name() + ": the second derivative");
}

}  // namespace ascribe::test
