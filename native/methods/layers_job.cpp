#include "methods/layers_job.h"

#include "graph/op.h"
#include "graph/specialise.h"

namespace ascribe {

Job::Step LayersJob::advance(Slice& slice) {
  slice.checkCancelled();
  SpecialiseOptions options;
  options.sizes = sizes_;
  const Graph graph = specialise(*graph_, options);
  for (const Node& node : graph.nodes)
    for (ValueId id : node.outputs) {
      const Value& value = graph.value(id);
      // What folding made a constant is shape arithmetic, not a layer.
      if (value.kind == ValueKind::Result && !value.name.empty()) layers_.push_back({value.name, node.op->name, value.type});
    }
  return Step::Done;
}

}  // namespace ascribe
