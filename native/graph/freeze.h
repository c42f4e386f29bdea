#pragma once
#include "graph/graph.h"

namespace ascribe {

struct FreezeOptions {
  /// Weights whose gradient is wanted too: before the derivative is expanded these keep their identity.
  bool wantedToo = false;
  /// Large weights that only products and look-ups of rows read stay in their storage type.
  bool keepStorage = false;
};

/// Frozen parameters become constants in the type that the graph computes with. With `keepStorage`, large matrices in
/// another storage type that may stay so are left alone until the derivative is expanded (`wantedToo`); their readers
/// then become storedMatMul and storedGather, which widen what they read as they read it.
void freeze(Graph& graph, const FreezeOptions& options);

}  // namespace ascribe
