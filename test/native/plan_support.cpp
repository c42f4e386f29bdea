#include "plan_support.h"

#include <algorithm>

#include "cpu_support.h"
#include "device_support.h"
#include "graph/op.h"

namespace ascribe::test {

int64_t nodesOf(const Plan& plan, std::string_view op) {
  return std::ranges::count_if(plan.graph().nodes, [&](const Node& node) { return node.op->name == op; });
}

int64_t stepsOf(const Plan& plan, std::string_view kernel) {
  return std::ranges::count_if(plan.steps(), [&](const PlanStep& step) { return step.kernel->name() == kernel; });
}

std::vector<HostTensor> outputsOf(std::shared_ptr<const Plan> plan, const std::vector<HostTensor>& inputs, int threads) {
  RunRequest request;
  request.plan = std::move(plan);
  request.inputs.assign(inputs.begin(), inputs.end());
  return run(std::move(request), threads);
}

ValueId convolution(Builder& b, ValueId x, const Convolution& form, uint64_t& seed) {
  const int64_t inputs = b.shape(x)[1] / form.group;
  std::vector<ValueId> operands{x, b.constant(floats({form.outputs, inputs, form.kernel, form.kernel}, ++seed, -0.3, 0.3))};
  if (form.hasBias) operands.push_back(b.constant(floats({form.outputs}, ++seed, -0.2, 0.2)));
  return b.node("conv", operands, {{"pads", std::vector<int64_t>(4, form.pad)}, {"strides", std::vector<int64_t>(2, form.stride)}, {"group", form.group}});
}

ValueId activated(Builder& b, ValueId x, std::string_view activation) {
  if (activation == "none") return x;
  if (activation == "clip") return b.node("clip", {x}, {{"min", 0.0}, {"max", 0.5}});
  return b.node(activation, {x});
}

}  // namespace ascribe::test
