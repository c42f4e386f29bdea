#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graph/builder.h"

namespace ascribe {

/// How the gradient of a parameter is wanted.
enum class ParameterGradient : uint8_t {
  Summed,      // [K, ...w]
  PerExample,  // [K, N, ...w], N the leading axis of the activation it meets
  Factors,     // the operands of the product instead of the product: (input, output gradient)
};

class VjpContext;
using VjpRule = void (*)(VjpContext&);

/// What rules beyond the derivative know of the walk that they are part of.
struct RuleFacts {
  /// The rule set's own numbers and choices, as the vjp node has them.
  Attributes options;
  /// For rule sets that compare with a baseline: what values that follow from the wanted ones are for it.
  std::unordered_map<ValueId, ValueId> twins;
  /// Multipliers of what a value gained by positive and by negative contributions, where they are not one.
  std::unordered_map<ValueId, std::pair<ValueId, ValueId>> revealed;
  /// Nodes of the graph that read a value, as the graph was before the walk.
  std::unordered_map<ValueId, std::vector<NodeId>> readers;
  /// Values that follow from a wanted one through a matrix product or convolution.
  std::vector<char> behindWeights;
};

/// What the backward rule of one node sees. Every cotangent carries a leading axis K: the cotangent of a value of
/// shape [...s] is [K, ...s]. Numpy broadcasting aligns trailing axes, so a saved operand meets it as it is.
/// Axes named in a rule must therefore be counted from the end, or from the front with one added.
///
/// A rule appends nodes while it reads the graph, and appending moves nodes and values: take shapes by value.
class VjpContext {
 public:
  /// Gradients per operand of `outputs`, recomputed from the operands alone, given these cotangents.
  using Recompute = std::function<std::vector<ValueId>(std::span<const ValueId> outputs)>;

  VjpContext(Builder& builder, NodeId node, std::vector<ValueId> cotangents, std::vector<bool> wanted,
             std::vector<ParameterGradient> modes, Recompute recompute, RuleFacts& facts);

  Builder& b;

  const Node& node() const { return node_; }
  const Attributes& attributes() const { return node_.attributes; }
  ValueId input(size_t i) const { return i < node_.inputs.size() ? node_.inputs[i] : kNone; }
  ValueId output(size_t i = 0) const { return node_.outputs[i]; }
  bool has(size_t i) const { return input(i) != kNone; }
  Shape shape(size_t i) const { return b.shape(input(i)); }
  Shape outputShape(size_t i = 0) const { return b.shape(output(i)); }
  /// Output `i` of the forward node, appended to it where it has fewer (a max pool's indices).
  ValueId ensureOutput(size_t i);
  /// kNone where nothing downstream depends on this output.
  ValueId cotangent(size_t i = 0) const { return cotangents_[i]; }
  bool wants(size_t i) const { return i < wanted_.size() && wanted_[i]; }
  /// How the gradient of operand i is wanted: anything but Summed only where a parameter meets an activation.
  ParameterGradient mode(size_t i) const { return modes_[i]; }

  /// The gradient of operand i: [K, ...operand]. An operand without one has a zero gradient.
  void gradient(size_t i, ValueId value);
  /// Gradient of a broadcast operand: sums `value` [K, ...output] to the operand's shape (per example, the batch
  /// axis kept). `seenAs` is the operand in the shape that broadcasts, where that is not its own.
  void gradientReduced(size_t i, ValueId value, ValueId seenAs = kNone);
  /// [K, N, ...operand], where mode(i) is PerExample.
  void gradientPerExample(size_t i, ValueId value);
  /// The operands of the product, where mode(i) is Factors.
  void factors(size_t i, ValueId input, ValueId outputGradient) { factors_.push_back({i, input, outputGradient}); }
  /// This node has no derivative after all; reported together with all others.
  void unsupported(std::string why) { problem_ = std::move(why); }
  /// Differentiates `outputs`, computed by nodes that this rule appended from the node's operands.
  void differentiate(std::span<const ValueId> outputs);

  RuleFacts& facts() { return facts_; }
  const RuleFacts& facts() const { return facts_; }
  /// The value for the baseline; itself where it does not follow from a wanted value.
  ValueId twin(ValueId id) const {
    const auto found = facts_.twins.find(id);
    return found == facts_.twins.end() ? id : found->second;
  }
  /// What a rule computed from input and baseline alike is the same for both.
  void sameForBoth(ValueId id) { facts_.twins.emplace(id, id); }
  /// This node got less than the rule promises; told beside the fallbacks.
  void fellBack() { fellBack_ = true; }
  bool hasFallenBack() const { return fellBack_; }
  /// Runs another rule on this node in place of the caller.
  void delegate(VjpRule rule);

  struct Factor {
    size_t operand;
    ValueId input, outputGradient;
  };
  const std::vector<ValueId>& gradients() const { return gradients_; }
  const std::vector<Factor>& factorsFound() const { return factors_; }
  const std::string& problem() const { return problem_; }

 private:
  NodeId nodeId_;
  Node node_;
  std::vector<ValueId> cotangents_;
  std::vector<bool> wanted_;
  std::vector<ParameterGradient> modes_;
  Recompute recompute_;
  RuleFacts& facts_;
  bool fellBack_ = false;
  std::vector<ValueId> gradients_;
  std::vector<bool> perExample_;
  std::vector<Factor> factors_;
  std::string problem_;
};

/// A table from op to backward builder. What a rule set leaves out falls back to "derivative".
struct RegisterVjp {
  RegisterVjp(std::string_view op, VjpRule rule, std::string_view ruleSet = "derivative");
};
/// Ops that carry no gradient by nature (comparisons, argMax, shape …): their operands count as not connected.
struct RegisterNoGradient {
  explicit RegisterNoGradient(std::string_view op);
};
/// Appends what a composite computes as bilinear and primitive ops, and returns its outputs. A composite without a
/// rule of its own (the backward half of a fused op, met when a derivative is differentiated again) is
/// differentiated through this.
using Decomposition = std::vector<ValueId> (*)(Builder&, const Node&);
struct RegisterDecomposition {
  RegisterDecomposition(std::string_view op, Decomposition decomposition);
};
/// Null where the op has none.
VjpRule findVjp(std::string_view op, std::string_view ruleSet = "derivative");
Decomposition findDecomposition(std::string_view op);
bool carriesNoGradient(std::string_view op);
bool ruleSetExists(std::string_view ruleSet);

struct VjpRequest {
  std::vector<ValueId> outputs;
  std::vector<ValueId> seeds;   // [K, ...output] each
  std::vector<ValueId> wanted;  // inputs, intermediate values or parameters
  std::string ruleSet = "derivative";
  /// One a wanted value, for rule sets that compare with a baseline; else empty.
  std::vector<ValueId> baselines{};
  /// Numbers and choices of the rule set.
  Attributes ruleOptions{};
  ParameterGradient parameters = ParameterGradient::Summed;
};

struct VjpResult {
  /// One per wanted value; kNone where no output depends on it. A value that outputs depend on only through
  /// operations of derivative zero gets zeros.
  std::vector<ValueId> gradients;
  /// For Factors: the pairs, input then output gradient, of each use of a parameter as it is in a matrix product or
  /// convolution. Its `gradients` entry then holds what its other uses contribute (tied weights), summed, and is kNone
  /// where there are none. Parameters without such a use (biases, scales) are summed.
  std::vector<std::vector<ValueId>> factors;
  /// Nodes where the rule set fell back to the true derivative.
  std::vector<std::string> fallbacks;
};

/// Appends the reverse walk to a specialised graph. Throws DERIVATIVE_UNSUPPORTED listing every op on the path
/// without a rule, by node name.
VjpResult vjp(Graph& graph, const VjpRequest& request);

/// Replaces every vjp node of the graph (inner ones first), inlines customDerivative forwards that are left,
/// and returns the fallbacks. A wanted value that no output depends on gets zeros, and its name is reported.
struct ExpandResult {
  std::vector<std::string> fallbacks;
  std::vector<std::string> unconnected;
};
ExpandResult expandDerivatives(Graph& graph);

}  // namespace ascribe
