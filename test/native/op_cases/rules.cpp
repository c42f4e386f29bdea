#include "op_cases/rules.h"

#include <algorithm>
#include <cmath>

#include "autodiff/vjp.h"
#include "harness.h"
#include "op_cases/derivatives.h"

namespace ascribe::test {
namespace {

constexpr double kOff = 1e-9;

/// The same elements in another order: within the domain of every operation.
HostTensor turnedRound(const HostTensor& x) {
  HostTensor out(x.dtype(), x.shape());
  const int64_t count = x.shape().count();
  for (int64_t i = 0; i < count; ++i) static_cast<double*>(out.mutableData())[i] = x.real(count - 1 - i);
  return out;
}

double inner(const HostTensor& a, const HostTensor& b, double& scale) {
  double sum = 0;
  for (int64_t i = 0; i < b.shape().count(); ++i) {
    sum += a.real(i) * b.real(i);
    scale += std::fabs(a.real(i) * b.real(i));
  }
  return sum;
}

struct Shared {
  Function f;  // inputs, then baselines -> what is shared out for each input, outputs, outputs for the baselines
  std::vector<HostTensor> seeds;
  bool fellBack = false;
};

Shared shared(const Differentiated& d, const std::string& ruleSet) {
  Shared out;
  std::vector<HostTensor> inputs = d.inputs;
  for (const HostTensor& x : d.inputs) inputs.push_back(x);
  out.f = function(inputs, [&](Builder& b, const std::vector<ValueId>& in) {
    const auto middle = in.begin() + static_cast<ptrdiff_t>(d.inputs.size());
    out.seeds.clear();
    VjpRequest request;
    request.ruleSet = ruleSet;
    request.wanted.assign(in.begin(), middle);
    const std::vector<ValueId> baselines(middle, in.end());
    std::vector<ValueId> results;
    for (ValueId id : d.body(b, request.wanted))
      if (isFloating(b.dtype(id))) results.push_back(id);
    std::vector<ValueId> before;
    for (ValueId id : d.body(b, baselines))
      if (isFloating(b.dtype(id))) before.push_back(id);
    for (size_t i = 0; i < results.size(); ++i) {
      request.outputs.push_back(results[i]);
      out.seeds.push_back(scattered(prepend(1, b.shape(results[i])), 50 + i, 0.3, 1.7));
      const ValueId seed = b.constant(out.seeds.back());
      // What is zero has no relevance: it may follow from nothing.
      request.seeds.push_back(ruleSet == "lrp" ? b.mul(seed, results[i]) : seed);
    }
    if (ruleSet == "deepLift") request.baselines = baselines;
    // Nothing is lost to biases or to what keeps denominators from zero.
    request.ruleOptions.set("first", std::string("same")).set("convolution", std::string("epsilon")).set("dense", std::string("epsilon"));
    request.ruleOptions.set("bias", std::string("ignore")).set("epsilon", 1e-12);
    request.ruleOptions.set("softmax", std::string("exact")).set("nonlinearity", std::string("rescale")).set("variant", std::string("attnLrp"));
    request.ruleOptions.set("maxPool", std::string("crossMaximum"));
    if (results.empty()) return request.wanted;
    const VjpResult found = vjp(b.graph(), request);
    out.fellBack = !found.fallbacks.empty();
    std::vector<ValueId> all = found.gradients;
    for (size_t i = 0; i < all.size(); ++i)
      if (all[i] == kNone) {
        Shape none = prepend(1, b.shape(request.wanted[i]));
        all[i] = b.node("expand", {b.scalar(DType::F64, 0), b.integers({none.begin(), none.end()})});
      }
    all.insert(all.end(), results.begin(), results.end());
    all.insert(all.end(), before.begin(), before.end());
    return all;
  });
  return out;
}

}  // namespace

void checkRules(const OpCase& test, const std::string& ruleSet) {
  const Differentiated d = differentiated(test);
  if (d.inputs.empty()) return;
  // Pixels that no kernel reaches hold the bias alone, whose relevance is nobody's.
  if (ruleSet == "lrp" && test.op == "convTranspose" && test.operands.size() > 2) return;
  const Shared s = shared(d, ruleSet);
  if (s.fellBack || s.seeds.empty()) return;
  std::vector<HostTensor> given = d.inputs;
  for (const HostTensor& x : d.inputs) given.push_back(turnedRound(x));
  const std::vector<HostTensor> results = call(s.f, given);
  double parts = 0, whole = 0, scale = 0;
  for (size_t i = 0; i < d.inputs.size(); ++i) {
    if (ruleSet == "deepLift") {
      parts += inner(results[i], given[i], scale) - inner(results[i], given[d.inputs.size() + i], scale);
    } else {
      for (int64_t k = 0; k < results[i].shape().count(); ++k) parts += results[i].real(k), scale += std::fabs(results[i].real(k));
    }
  }
  for (size_t i = 0; i < s.seeds.size(); ++i) {
    const HostTensor &seed = s.seeds[i], &y = results[d.inputs.size() + i], &before = results[d.inputs.size() + s.seeds.size() + i];
    if (ruleSet == "deepLift") whole += inner(seed, y, scale) - inner(seed, before, scale);
    else whole += inner(seed, y, scale);
  }
  if (!(std::fabs(parts - whole) <= kOff * scale) && parts != whole)
    fail(__FILE__, __LINE__, test.name() + ": " + ruleSet + " shares out " + show(parts) + " of " + show(whole));
}

}  // namespace ascribe::test
