#pragma once
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "kernels/kernel.h"
#include "op_cases/op_case.h"

/// What the drivers share.
namespace ascribe::test {

/// Cases by op, in the order of the list.
const std::map<std::string, std::vector<const OpCase*>>& casesByOp();
/// Ops that the list cannot drive: vjp and customDerivative are expanded before kernels are chosen, and a reorder's
/// operands never lie plain (test/native/layouts.cpp and onednn_kernels.cpp hold it).
bool isDrivenElsewhere(std::string_view op);

/// Backends other than the reference with any kernel for the op, in the order in which plans prefer them.
std::vector<std::string_view> fastBackends(std::string_view op);
/// The backend's kernel for a case's node, with `known` operands given at this time; null where it does not take it.
std::unique_ptr<Kernel> kernelOf(std::string_view backend, const CaseGraph& graph, const std::vector<HostTensor>& operands, const std::vector<bool>& known);
/// Every operand but the first, where kernels pack what they know.
std::vector<bool> knownOperands(const OpCase& test);

/// max |a - b| / max |b|, NaN equal to NaN and infinities to their like; infinity where they differ in kind.
double largestDifference(const HostTensor& actual, const HostTensor& expected);
/// ||a - b|| / ||b|| over all elements of all tensors; NaN and infinities as above.
double relativeNorm(const std::vector<HostTensor>& actual, const std::vector<HostTensor>& expected);

}  // namespace ascribe::test
