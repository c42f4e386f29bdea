#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "graph/builder.h"
#include "runtime/plan.h"

/// What tests of passes ask of compiled plans, and the convolutions of the nets that they compile.
namespace ascribe::test {

int64_t nodesOf(const Plan& plan, std::string_view op);
/// Steps that run a kernel of this name.
int64_t stepsOf(const Plan& plan, std::string_view kernel);
std::vector<HostTensor> outputsOf(std::shared_ptr<const Plan> plan, const std::vector<HostTensor>& inputs, int threads = 1);

struct Convolution {
  int64_t outputs, kernel, group = 1, stride = 1;
  int64_t pad = kernel / 2;
  bool hasBias = true;
};
/// Weights, and the bias behind them, are of the next numbers of `seed`.
ValueId convolution(Builder& b, ValueId x, const Convolution& form, uint64_t& seed);
/// `none`, `clip` to [0, 0.5], or an op's name.
ValueId activated(Builder& b, ValueId x, std::string_view activation);

}  // namespace ascribe::test
