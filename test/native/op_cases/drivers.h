#pragma once
#include <string>

/// What is done with the op cases.
namespace ascribe::test {

/// Adds one test an op and driver: "op_backends/conv", "op_derivatives/conv", "op_gradients/conv".
void registerOpCaseTests();
/// Times the large cases on every backend that takes them and prints a table.
void measureOpCases(const std::string& filter);
/// JSON: one object an op, from schemas, kernels, rules and cases.
std::string opTable();

}  // namespace ascribe::test
