#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace ascribe {

/// What the pass `recompute` is asked for, and what it did. Memory is planned further down, so it asks back.
struct Recomputation {
  /// What activations may take; none: as little as can be.
  std::optional<size_t> budget;
  /// Bytes that a graph's values take when they share memory.
  std::function<size_t(const Graph&)> arenaBytes;
  /// By node: what repeated runs do not make again, and so keep.
  std::function<std::vector<char>(const Graph&)> steadyNodes;

  /// Values that are made a second time, and what stands for the first.
  std::vector<std::pair<ValueId, ValueId>> copies;  // copy, original
  /// Without the pass.
  size_t keptBytes = 0;
};

}  // namespace ascribe
