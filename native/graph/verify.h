#pragma once
#include <string_view>

#include "graph/graph.h"

namespace ascribe {

/// Checks one node against its schema (operand and output counts, attribute names and types, integers given for
/// reals are widened) and fills defaults in. Throws MODEL_INVALID naming the node.
void verifyNode(const Graph& graph, Node& node);
/// Checks every node, that operands are defined before use, ids are in range, names are unique, outputs exist.
/// All problems of one graph are reported in one error.
void verify(Graph& graph);

/// Backward halves and what lowering makes: appended by the compiler with attributes that it has resolved, which their
/// rules and kernels rely on. Nobody else has a use for them, so a description that holds one is refused.
bool belongsToCompiler(std::string_view op);

}  // namespace ascribe
