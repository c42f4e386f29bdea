#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "graph/specialise.h"

namespace ascribe {

struct Recomputation;

struct PassContext {
  const SpecialiseOptions& specialise;
  /// Weights are constants of the graph; otherwise parameters may change after the plan is made.
  bool frozen = true;
  /// Kernel backends of the plan, in order of preference: a fused op is only worth making where a kernel takes it.
  std::span<const std::string_view> backends;
  /// What convolutions are fastest in; Plain where no backend of the plan has blocked kernels.
  Layout channelLayout = Layout::Plain;
  /// Where activations of a gradient are to be computed again; null where they are kept.
  Recomputation* recomputation = nullptr;
};

/// A rewriting of a specialised graph that keeps every pinned value and what the outputs mean.
struct Pass {
  const char* name;
  /// True if something changed. The pipeline infers, folds and removes dead nodes afterwards.
  bool (*run)(Graph& graph, const PassContext& context);
};

/// Before differentiation: recognise composites in decomposed exports, fold batch normalisation.
std::span<const Pass> raisingPasses();
/// After differentiation: fuse, lay out.
std::span<const Pass> loweringPasses();

/// `from` is read nowhere any more: its readers, outputs and names move to `to`.
void replaceValue(Graph& graph, ValueId from, ValueId to);

}  // namespace ascribe
