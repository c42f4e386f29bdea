#include <cmath>

#include "graph/op.h"
#include "graph/passes/all.h"

namespace ascribe::passes {

namespace {

/// y = x * factor + shift per channel, in double: what batch normalisation with fixed statistics is.
struct Affine {
  std::vector<double> factor, shift;
};

Affine affineOf(const Graph& graph, const Node& norm) {
  const HostTensor &scale = *graph.constant(norm.inputs[1]), &bias = *graph.constant(norm.inputs[2]);
  const HostTensor &mean = *graph.constant(norm.inputs[3]), &variance = *graph.constant(norm.inputs[4]);
  Affine out;
  for (int64_t c = 0; c < scale.shape().count(); ++c) {
    const double factor = scale.real(c) / std::sqrt(variance.real(c) + norm.attributes.real("epsilon"));
    out.factor.push_back(factor);
    out.shift.push_back(bias.real(c) - mean.real(c) * factor);
  }
  return out;
}

template <class T, class F>
HostTensor mapped(const HostTensor& source, F value) {
  HostTensor out(source.dtype(), source.shape());
  T* data = static_cast<T*>(out.mutableData());
  for (int64_t i = 0; i < source.shape().count(); ++i) data[i] = static_cast<T>(value(i));
  return out;
}
template <class F>
HostTensor mapped(const HostTensor& source, F value) {
  return source.dtype() == DType::F32 ? mapped<float>(source, value) : mapped<double>(source, value);
}

bool foldable(const Graph& graph, const Node& norm, const std::vector<int>& uses) {
  const Node* conv = graph.producer(norm.inputs[0]);
  if (!conv || conv->op->name != "conv" || uses[static_cast<size_t>(norm.inputs[0])] != 1) return false;
  if (graph.value(norm.inputs[0]).pinned) return false;
  for (size_t i = 1; i < 5; ++i)
    if (!graph.constant(norm.inputs[i])) return false;
  const DType dtype = graph.type(norm.outputs[0]).dtype;
  if (dtype != DType::F32 && dtype != DType::F64) return false;
  const bool hasBias = conv->inputs.size() > 2 && conv->inputs[2] != kNone;
  return graph.constant(conv->inputs[1]) && (!hasBias || graph.constant(conv->inputs[2]));
}

}  // namespace

/// conv -> batchNorm becomes one conv with scaled weights: exact up to rounding, forwards and backwards.
bool foldBatchNorm(Graph& graph, const PassContext&) {
  const std::vector<int> uses = countUses(graph);
  bool changed = false;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].op->name != "batchNorm" || !foldable(graph, graph.nodes[n], uses)) continue;
    const Node norm = graph.nodes[n];
    const NodeId convId = graph.value(norm.inputs[0]).producer;
    const Affine affine = affineOf(graph, norm);
    Node conv = graph.nodes[static_cast<size_t>(convId)];
    const HostTensor weights = *graph.constant(conv.inputs[1]);
    const int64_t perChannel = weights.shape().count(1, weights.shape().rank());
    const bool hasBias = conv.inputs.size() > 2 && conv.inputs[2] != kNone;
    const HostTensor bias = hasBias ? *graph.constant(conv.inputs[2]) : HostTensor(weights.dtype(), Shape{weights.shape()[0]});
    conv.inputs.resize(3);
    conv.inputs[1] = graph.addConstant(mapped(weights, [&](int64_t i) {
      return weights.real(i) * affine.factor[static_cast<size_t>(i / perChannel)];
    }));
    conv.inputs[2] = graph.addConstant(mapped(bias, [&](int64_t c) {
      return bias.real(c) * affine.factor[static_cast<size_t>(c)] + affine.shift[static_cast<size_t>(c)];
    }));
    // The folded convolution takes the place of the norm; the old one is dead.
    conv.outputs = norm.outputs;
    if (!norm.name.empty()) conv.name += conv.name.empty() ? norm.name : "+" + norm.name;
    graph.nodes[n] = std::move(conv);
    changed = true;
  }
  return changed;
}

}  // namespace ascribe::passes
