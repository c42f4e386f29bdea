#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/builder.h"

namespace ascribe {

/// How the gradient of a parameter is wanted.
enum class ParameterGradient : uint8_t {
  Summed,      // [K, ...w]
  PerExample,  // [K, N, ...w], N the leading axis of the activation it meets
  Factors,     // the operands of the product instead of the product: (input, output gradient)
};

/// What the backward rule of one node sees. Every cotangent carries a leading axis K: the cotangent of a value of
/// shape [...s] is [K, ...s]. Numpy broadcasting aligns trailing axes, so a saved operand meets it as it is.
/// Axes named in a rule must therefore be counted from the end, or from the front with one added.
class VjpContext {
 public:
  VjpContext(Builder& builder, NodeId node, std::vector<ValueId> cotangents, std::vector<bool> wanted, ParameterGradient mode)
      : b(builder), nodeId_(node), cotangents_(std::move(cotangents)), wanted_(std::move(wanted)), mode_(mode),
        gradients_(wanted_.size(), kNone) {}

  Builder& b;

  const Node& node() const { return b.graph().nodes[static_cast<size_t>(nodeId_)]; }
  const Attributes& attributes() const { return node().attributes; }
  ValueId input(size_t i) const { return i < node().inputs.size() ? node().inputs[i] : kNone; }
  ValueId output(size_t i = 0) const { return node().outputs[i]; }
  /// Output `i` of the forward node, appended to it where it has fewer (a max pool's indices).
  ValueId ensureOutput(size_t i);
  /// kNone where nothing downstream depends on this output.
  ValueId cotangent(size_t i = 0) const { return cotangents_[i]; }
  bool wants(size_t i) const { return i < wanted_.size() && wanted_[i]; }
  /// Whether operand i is a parameter whose gradient is wanted otherwise than summed.
  ParameterGradient mode(size_t i) const;
  void gradient(size_t i, ValueId value) { gradients_[i] = value; }
  /// Gradient of a broadcast operand: sums `value` to the operand's shape, cotangent axis (and, per example, the
  /// batch axis of a parameter) kept.
  void gradientReduced(size_t i, ValueId value);
  const std::vector<ValueId>& gradients() const { return gradients_; }

 private:
  NodeId nodeId_;
  std::vector<ValueId> cotangents_;
  std::vector<bool> wanted_;
  ParameterGradient mode_;
  std::vector<ValueId> gradients_;
};

using VjpRule = void (*)(VjpContext&);

/// A table from op to backward builder. What a rule set leaves out falls back to "derivative".
struct RegisterVjp {
  RegisterVjp(std::string_view op, VjpRule rule, std::string_view ruleSet = "derivative");
};
/// Ops that carry no gradient by nature (comparisons, argMax, shape …): their operands count as not connected.
struct RegisterNoGradient {
  explicit RegisterNoGradient(std::string_view op);
};

struct VjpRequest {
  std::vector<ValueId> outputs;
  std::vector<ValueId> seeds;   // [K, ...output] each
  std::vector<ValueId> wanted;  // inputs, intermediate values or parameters
  std::string ruleSet = "derivative";
  ParameterGradient parameters = ParameterGradient::Summed;
};

struct VjpResult {
  /// One per wanted value; kNone where no output depends on it. For Factors: the pairs, input then output gradient,
  /// of each use, and `gradients[i]` is kNone.
  std::vector<ValueId> gradients;
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
