#pragma once
#include <functional>
#include <map>
#include <vector>

#include "autodiff/vjp.h"
#include "graph/builder.h"

/// Graphs in double precision, run node by node with the reference kernels.
namespace ascribe::test {

HostTensor tensor(const Shape& shape, const std::vector<double>& values);
HostTensor filled(const Shape& shape, double value);
/// Repeatable values in [low, high], different for every seed.
HostTensor scattered(const Shape& shape, uint64_t seed, double low = -1, double high = 1);
std::vector<double> numbers(const HostTensor& tensor);

using Values = std::map<ValueId, HostTensor>;
/// All values of the graph, given its inputs. Parameters are read from the graph.
Values interpret(const Graph& graph, Values inputs);

void expectClose(const HostTensor& actual, const HostTensor& expected, double tolerance, const char* what, const char* file, int line);

/// A function of several float64 inputs, built by `body`; `outputs` are its results.
struct Function {
  Graph graph;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
};
using Body = std::function<std::vector<ValueId>(Builder&, const std::vector<ValueId>&)>;
Function function(const std::vector<HostTensor>& inputs, const Body& body);
std::vector<HostTensor> call(const Function& f, const std::vector<HostTensor>& inputs);

/// The function x -> gradients of <seeds, f(x)> for every input, by the reverse walk: as a function of the same
/// inputs and then of one seed an output ([K, ...output]).
Function gradientOf(const Function& f, int64_t cotangents = 1);
/// Relative difference between the reverse walk and central differences of <seeds, f>, the largest over all inputs.
double againstDifferences(const Function& f, const std::vector<HostTensor>& inputs, const std::vector<bool>& smooth = {});

}  // namespace ascribe::test

#define EXPECT_CLOSE(actual, expected, tolerance) \
  ::ascribe::test::expectClose((actual), (expected), (tolerance), #actual, __FILE__, __LINE__)
