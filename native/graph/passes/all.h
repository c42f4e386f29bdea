#pragma once
#include "graph/passes/pass.h"

/// Every pass; one file each.
namespace ascribe::passes {

bool foldBatchNorm(Graph& graph, const PassContext& context);
bool raiseNorm(Graph& graph, const PassContext& context);
bool raiseActivation(Graph& graph, const PassContext& context);
bool raiseAttention(Graph& graph, const PassContext& context);
bool fuseConvolution(Graph& graph, const PassContext& context);
bool fuseProduct(Graph& graph, const PassContext& context);
bool resizeAsProducts(Graph& graph, const PassContext& context);
bool fuseScaleGradient(Graph& graph, const PassContext& context);
bool shareLinearLayers(Graph& graph, const PassContext& context);
bool narrowRows(Graph& graph, const PassContext& context);
bool narrowRowsOfDerivatives(Graph& graph, const PassContext& context);
bool readExpansions(Graph& graph, const PassContext& context);
bool joinSliceGradients(Graph& graph, const PassContext& context);
bool gatePooled(Graph& graph, const PassContext& context);
bool bf16Products(Graph& graph, const PassContext& context);
bool int8Products(Graph& graph, const PassContext& context);
bool markSimilarRows(Graph& graph, const PassContext& context);
bool assignLayouts(Graph& graph, const PassContext& context);
bool fuseRotary(Graph& graph, const PassContext& context);
bool fuseGatedLayer(Graph& graph, const PassContext& context);
bool joinProducts(Graph& graph, const PassContext& context);
bool fuseSeparable(Graph& graph, const PassContext& context);
bool saveGatesAsBits(Graph& graph, const PassContext& context);
bool fuseGates(Graph& graph, const PassContext& context);
bool savePlacesAsBytes(Graph& graph, const PassContext& context);
bool recompute(Graph& graph, const PassContext& context);

}  // namespace ascribe::passes
