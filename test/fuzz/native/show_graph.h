#pragma once
#include <string>

#include "graph/graph.h"

namespace ascribe::fuzz {

/// A graph in words, on standard error: for people who read a finding.
void showGraph(const Graph& graph, const std::string& name);

}  // namespace ascribe::fuzz
