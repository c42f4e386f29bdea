#pragma once
#include <memory>
#include <string>

#include "graph/builder.h"
#include "methods/gradient_ensemble.h"
#include "methods/run_job.h"
#include "runtime/engine.h"

/// Plans of a small convolution net, and jobs driven to their end on an engine with one lane.
namespace ascribe::test {

/// x [n, 2, 6, 6] -> convolution, ReLU, convolution, pooling over space, product, tanh: logits [n, 3], whose column 1 is
/// the objective [n]. Weights are parameters "w0", "w1", "w2". With `gradient` the outputs are d objective / d x
/// [1, n, 2, 6, 6] and the objective, else logits alone.
std::shared_ptr<const Plan> netPlan(const std::string& device, int64_t batch, bool gradient, CompileOptions options = {},
                                    std::shared_ptr<Parameters> parameters = nullptr);
std::shared_ptr<Parameters> netParameters();

HostTensor uniform(const Shape& shape, uint64_t seed, double low = -1, double high = 1);
bool sameBits(const HostTensor& a, const HostTensor& b);

/// Throws the job's error.
void drive(const std::shared_ptr<Job>& job, int threads = 1);
std::vector<HostTensor> run(RunRequest request, int threads = 1);

}  // namespace ascribe::test
