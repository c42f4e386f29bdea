#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace ascribe {

enum class OpClass : uint8_t {
  Bilinear,   // closed under differentiation: each one's derivatives are the others
  Primitive,  // its derivative is a graph of ops
  Composite,  // fused kernels both ways; decomposes when it is differentiated again
};

enum class AttributeKind : uint8_t { Integer, Real, Text, Integers, Reals };

struct AttributeSpec {
  std::string name;
  AttributeKind kind;
  /// Absent: required.
  std::optional<Attribute> fallback;
};

/// What a shape rule sees and says. Types of outputs are set with `output`; whatever does not fit is `fail`.
class InferContext {
 public:
  InferContext(const Graph& graph, Node& node, std::span<ValueType> outputs)
      : graph_(graph), node_(node), outputs_(outputs) {}

  const Node& node() const { return node_; }
  const Attributes& attributes() const { return node_.attributes; }
  /// A rule may resolve an attribute that depends on shapes (autoPad into pads): kernels then see the result.
  void resolve(std::string_view name, Attribute value) { node_.attributes.set(name, std::move(value)); }
  int inputCount() const { return static_cast<int>(node_.inputs.size()); }
  int outputCount() const { return static_cast<int>(outputs_.size()); }
  bool has(int index) const { return index < inputCount() && node_.inputs[static_cast<size_t>(index)] != kNone; }
  const ValueType& type(int index) const { return graph_.type(node_.inputs[static_cast<size_t>(index)]); }
  ValueKind kind(int index) const { return graph_.value(node_.inputs[static_cast<size_t>(index)]).kind; }
  const Shape& shape(int index) const { return type(index).shape; }
  DType dtype(int index) const { return type(index).dtype; }
  /// The operand's value if it is known at this point; otherwise fails with a message that says why it must be.
  const HostTensor& known(int index, const char* what) const;
  const HostTensor* maybeKnown(int index) const;
  /// The layout stays: no rule knows it.
  void output(int index, DType dtype, const Shape& shape) {
    outputs_[static_cast<size_t>(index)].dtype = dtype;
    outputs_[static_cast<size_t>(index)].shape = shape;
  }
  void output(DType dtype, const Shape& shape) { output(0, dtype, shape); }
  [[noreturn]] void fail(const std::string& message) const;
  void require(bool condition, const char* message) const { if (!condition) fail(message); }

 private:
  const Graph& graph_;
  Node& node_;
  std::span<ValueType> outputs_;
};

/// An operand that only says what the node does (axes, a diagonal): once known it is an attribute.
struct OperandAttribute {
  size_t operand;
  std::string attribute;
};

struct OpSchema {
  std::string name;
  OpClass opClass = OpClass::Primitive;
  int minInputs = 1;
  int maxInputs = 1;  // -1: any number
  int minOutputs = 1;
  int maxOutputs = 1;
  std::vector<AttributeSpec> attributes;
  void (*infer)(InferContext&) = nullptr;
  /// The output is operand 0 seen with another shape: no kernel, no copy.
  bool view = false;
  /// Operands of which only the shape is read: they never keep a buffer alive.
  uint32_t shapeOnly = 0;
  /// Operands whose value the shape rule reads (a reshape's shape, a slice's starts).
  uint32_t hostOperands = 0;
  /// Trailing operands that become attributes when a node is typed: nothing behind that sees them.
  std::vector<OperandAttribute> operandAttributes{};
  /// Output i depends on operand elements i alone, at equal (broadcast) index: fusion and layout may assume it.
  bool elementwise = false;
  /// Reads or writes something outside its operands (random stream, state): never folded nor merged.
  bool impure = false;
};

/// Null if absent.
const OpSchema* findOp(std::string_view name);
/// Throws INTERNAL if absent: for names written in our own code.
const OpSchema& op(std::string_view name);
std::vector<const OpSchema*> allOps();

/// `static const RegisterOp registered{{.name = …}}` at namespace scope of a file in native/ops.
struct RegisterOp {
  explicit RegisterOp(OpSchema schema);
};

}  // namespace ascribe
