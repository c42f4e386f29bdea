#pragma once
#include <vector>

#include "graph/graph.h"
#include "kernels/kernel.h"

/// One kernel on buffers whose surroundings are watched.
namespace ascribe::test {

struct GuardedRun {
  std::vector<HostTensor> outputs;
  bool intact = true;  // nothing was written outside results and scratch
};

/// Runs the kernel on aligned copies of the operands. Results and scratch start as NaN patterns, so that what is not
/// written shows. Operands of which only the shape is read, and `known` ones of which the kernel owns a copy, come
/// without data.
GuardedRun guardedRun(const Kernel& kernel, const Graph& graph, const Node& node, const std::vector<HostTensor>& inputs, const std::vector<bool>& known);

}  // namespace ascribe::test
