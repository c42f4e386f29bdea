#pragma once
#include <napi.h>

#include "graph/graph.h"

namespace ascribe::addon {

/// GraphDescription as the core's graph, verified. Constants that lie in storages are referenced, others copied.
Graph readGraph(Napi::Value description);

}  // namespace ascribe::addon
