#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "runtime/job.h"

namespace ascribe {

/// A named value of a model.
struct Layer {
  std::string name, op;
  ValueType type;
};

/// Infers the shapes of all named values at given sizes.
class LayersJob : public Job {
 public:
  LayersJob(std::shared_ptr<const Graph> graph, std::map<std::string, int64_t> sizes)
      : graph_(std::move(graph)), sizes_(std::move(sizes)) {}
  Step advance(Slice& slice) override;
  const std::vector<Layer>& layers() const { return layers_; }

 private:
  std::shared_ptr<const Graph> graph_;
  std::map<std::string, int64_t> sizes_;
  std::vector<Layer> layers_;
};

}  // namespace ascribe
