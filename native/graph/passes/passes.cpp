#include "graph/passes/pass.h"

#include <algorithm>

#include "graph/passes/all.h"

namespace ascribe {

std::span<const Pass> raisingPasses() {
  static const Pass passes[] = {
      {"fold-batch-norm", passes::foldBatchNorm},
      {"raise-norm", passes::raiseNorm},
      {"raise-activation", passes::raiseActivation},
      {"raise-attention", passes::raiseAttention},
      {"narrow-rows", passes::narrowRowsOfDerivatives},
  };
  return passes;
}

std::span<const Pass> loweringPasses() {
  static const Pass passes[] = {
      {"share-linear-layers", passes::shareLinearLayers},
      {"narrow-rows", passes::narrowRows},
      {"resize-as-products", passes::resizeAsProducts},
      {"fuse-convolution", passes::fuseConvolution},
      {"fuse-scale-gradient", passes::fuseScaleGradient},
      {"read-expansions", passes::readExpansions},
      {"join-slice-gradients", passes::joinSliceGradients},
      {"gate-pooled", passes::gatePooled},
      {"bf16-products", passes::bf16Products},
      {"int8-products", passes::int8Products},
      {"fuse-rotary", passes::fuseRotary},
      {"fuse-gated-layer", passes::fuseGatedLayer},
      // Behind the gated layers, since a product that has taken an activation is none of theirs.
      {"fuse-product", passes::fuseProduct},
      // Of what those two have left.
      {"join-products", passes::joinProducts},
      {"mark-similar-rows", passes::markSimilarRows},
      {"assign-layouts", passes::assignLayouts},
      {"fuse-separable", passes::fuseSeparable},
      {"save-gates-as-bits", passes::saveGatesAsBits},
      {"fuse-gates", passes::fuseGates},
      {"save-places-as-bytes", passes::savePlacesAsBytes},
      {"recompute", passes::recompute},
  };
  return passes;
}

void replaceValue(Graph& graph, ValueId from, ValueId to) {
  for (Node& node : graph.nodes)
    for (ValueId& id : node.inputs)
      if (id == from) id = to;
  for (ValueId& id : graph.outputs)
    if (id == from) id = to;
  Value &old = graph.value(from), &kept = graph.value(to);
  const auto keep = [&](std::string name) {
    if (name.empty() || name == kept.name) return;
    if (kept.name.empty()) kept.name = std::move(name);
    else kept.aliases.push_back(std::move(name));
  };
  keep(std::move(old.name));
  for (std::string& alias : old.aliases) keep(std::move(alias));
  old.name.clear();
  old.aliases.clear();
  kept.pinned = kept.pinned || old.pinned;
  old.pinned = false;
}

}  // namespace ascribe
