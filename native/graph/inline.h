#pragma once
#include <span>
#include <vector>

#include "graph/graph.h"

namespace ascribe {

/// Attributes that name a subgraph: whoever copies nodes to where subgraphs are called otherwise follows them.
constexpr const char* kSubgraphAttributes[] = {"thenBranch", "elseBranch", "body", "forward", "backward"};

/// Appends the nodes of `body` with these operands for its inputs, and returns its outputs. The body takes the
/// operands' shapes and their precision; its parameters are those of the same name in `graph`.
std::vector<ValueId> inlineGraph(Graph& graph, const Graph& body, std::span<const ValueId> operands);

}  // namespace ascribe
