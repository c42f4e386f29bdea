#include <algorithm>
#include <vector>

#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"
#include "kernels/kernel.h"

namespace ascribe::passes {

namespace {

class Saving {
 public:
  Saving(Graph& graph, const PassContext& context) : graph_(graph), context_(context), readers_(graph.values.size()), kept_(graph.values.size(), 0) {
    for (size_t i = 0; i < graph.values.size(); ++i) kept_[i] = graph.values[i].pinned || graph.values[i].runLength;
    for (const ValueId id : graph.outputs) kept_[static_cast<size_t>(id)] = 1;
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      for (size_t i = 0; i < graph.nodes[n].inputs.size(); ++i) {
        const ValueId id = graph.nodes[n].inputs[i];
        if (id == kNone) continue;
        if (graph.nodes[n].op->name == "maxPoolGrad" && i == 1) readers_[static_cast<size_t>(id)].push_back(n);
        else kept_[static_cast<size_t>(id)] |= !(graph.nodes[n].op->shapeOnly >> std::min<size_t>(i, 31) & 1);
      }
  }

  bool run() {
    bool changed = false;
    for (Node& node : graph_.nodes)
      if (node.op->name == "maxPool" && node.outputs.size() == 2) changed = save(node) || changed;
    return changed;
  }

 private:
  /// The attributes of both sides as the other has them.
  static bool sameWindow(const Node& pool, const Node& gradient) {
    const auto same = [&](const char* name) { return pool.attributes.integers(name) == gradient.attributes.integers(name); };
    return same("kernel") && same("strides") && same("dilations") && same("pads");
  }
  bool takes(const Node& node, ValueId places, const ValueType& bytes) const {
    std::vector<ValueType> inputs, outputs;
    std::vector<const HostTensor*> constants;
    for (const ValueId id : node.inputs) {
      inputs.push_back(id == places ? bytes : graph_.type(id));
      constants.push_back(graph_.constant(id));
    }
    for (const ValueId id : node.outputs) outputs.push_back(id == places ? bytes : graph_.type(id));
    return takesLayout({node, inputs, outputs, constants}, context_.backends);
  }

  bool save(Node& pool) {
    const ValueId places = pool.outputs[1];
    const std::vector<size_t>& readers = readers_[static_cast<size_t>(places)];
    if (kept_[static_cast<size_t>(places)] || readers.empty()) return false;
    ValueType bytes = graph_.type(places);
    bytes.dtype = DType::U8;
    const auto as = [](const Node& node, std::string_view name) {
      Node out = node;
      out.op = &op(name);
      return out;
    };
    if (!takes(as(pool, "maxPoolTaps"), places, bytes)) return false;
    for (const size_t n : readers)
      if (!sameWindow(pool, graph_.nodes[n]) || !takes(as(graph_.nodes[n], "maxPoolTapsGrad"), places, bytes)) return false;
    graph_.value(places).type = bytes;
    pool.op = &op("maxPoolTaps");
    for (const size_t n : readers) graph_.nodes[n].op = &op("maxPoolTapsGrad");
    return true;
  }

  Graph& graph_;
  const PassContext& context_;
  std::vector<std::vector<size_t>> readers_;  // gradients that read a value as places
  std::vector<char> kept_;                    // read by others, or kept as it is
};

}  // namespace

/// Where only gradients of the same window read a max pool's places, the number of the tap says as much as the place in the
/// plane, in one byte for four; where there are kernels for it.
bool savePlacesAsBytes(Graph& graph, const PassContext& context) {
  if (!isForProcessor(context)) return false;
  return Saving(graph, context).run();
}

}  // namespace ascribe::passes
