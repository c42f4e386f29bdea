#include "graph/op.h"
#include "graph/passes/all.h"
#include "graph/passes/pattern.h"

namespace ascribe::passes {

namespace {

/// The one node that reads a value, and as which operand, if nothing else does and nobody pinned it.
struct Reader {
  size_t node = 0, operand = 0;
  int times = 0;
};

std::string activationOf(const Node& node) {
  const std::string& name = node.op->name;
  if (name == "relu" || name == "silu") return name;
  if (name == "gelu") return node.attributes.text("approximate") == "tanh" ? "geluTanh" : "gelu";
  return {};
}

class Fusion {
 public:
  explicit Fusion(Graph& graph) : graph_(graph), uses_(countUses(graph)), readers_(graph.values.size()), gone_(graph.nodes.size(), 0) {
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      for (size_t i = 0; i < graph.nodes[n].inputs.size(); ++i)
        if (const ValueId id = graph.nodes[n].inputs[i]; id != kNone) {
          Reader& reader = readers_[static_cast<size_t>(id)];
          reader = {n, i, reader.times + 1};
        }
  }

  bool run() {
    bool changed = false;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) changed = fuse(n) || changed;
    if (!changed) return false;
    dropNodes(graph_, gone_);
    return true;
  }

 private:
  const Reader* soleReader(ValueId id) const {
    const Reader& reader = readers_[static_cast<size_t>(id)];
    return uses_[static_cast<size_t>(id)] == 1 && reader.times == 1 && !gone_[reader.node] ? &reader : nullptr;
  }
  /// What the product's reader adds to it, where that is all it does.
  ValueId added(const Reader& reader) const {
    const Node& node = graph_.nodes[reader.node];
    return node.op->name == "add" ? node.inputs[reader.operand ^ 1] : kNone;
  }
  bool fuse(size_t n) {
    const Node& product = graph_.nodes[n];
    if (gone_[n] || product.op->name != "matMul" || product.attributes.integer("transposeA")) return false;
    const Shape& shape = graph_.shape(product.outputs[0]);
    if (graph_.type(product.outputs[0]).dtype != DType::F32 || graph_.shape(product.inputs[0]).rank() < 2 || graph_.shape(product.inputs[1]).rank() < 2) return false;
    Node fused = product;
    fused.op = &op("fusedMatMul");
    fused.inputs.resize(4, kNone);
    fused.attributes.set("activation", std::string("none"));
    size_t last = n;
    const auto swallow = [&](size_t reader) {
      gone_[last] = 1;
      last = reader;
      fused.outputs = graph_.nodes[reader].outputs;
    };
    for (int times = 0; times < 2; ++times) {
      const Reader* reader = soleReader(fused.outputs[0]);
      const ValueId other = reader ? added(*reader) : kNone;
      if (other == kNone) break;
      const bool isBias = graph_.shape(other) == Shape{shape.at(-1)};
      // A kernel adds the bias first, and in another order sums would have other bits.
      if (fused.inputs[3] != kNone || (isBias && fused.inputs[2] != kNone) || (!isBias && !(graph_.shape(other) == shape))) break;
      // The sum stands where both are known, and so does what it becomes.
      fused.inputs[isBias ? 2 : 3] = other;
      swallow(reader->node);
    }
    if (const Reader* reader = soleReader(fused.outputs[0]))
      if (const std::string activation = activationOf(graph_.nodes[reader->node]); !activation.empty()) {
        fused.attributes.set("activation", activation);
        swallow(reader->node);
      }
    if (last == n) return false;
    graph_.nodes[last] = std::move(fused);
    gone_[last] = 0;
    return true;
  }

  Graph& graph_;
  std::vector<int> uses_;
  std::vector<Reader> readers_;
  std::vector<char> gone_;
};

}  // namespace

/// matMul, then the additions of a bias and of a residual, then an activation, become one node where nothing else reads what
/// lies between and a device has a kernel for it.
bool fuseProduct(Graph& graph, const PassContext& context) {
  if (!hasFastKernel("fusedMatMul", context)) return false;
  return Fusion(graph).run();
}

}  // namespace ascribe::passes
