#pragma once
#include <vector>

#include "runtime/plan.h"

namespace ascribe {

/// Where every value of a lowered graph lives.
struct MemoryPlan {
  std::vector<OperandRef> places;  // per value
  size_t arenaBytes = 0;
};

/// Views share their operand's bytes, elementwise nodes write over an operand that dies with them, and the rest is
/// packed by size into the lowest gap that is free for its whole life.
MemoryPlan planMemory(const Graph& graph, const std::vector<char>& steady = {});
/// Bytes of a value in its layout.
size_t bytesOf(const ValueType& type);

}  // namespace ascribe
