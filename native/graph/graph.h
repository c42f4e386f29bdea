#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/attributes.h"
#include "graph/dtype.h"
#include "graph/host_tensor.h"
#include "graph/shape.h"

namespace ascribe {

using ValueId = int32_t;
using NodeId = int32_t;
constexpr ValueId kNone = -1;  // an optional operand that is absent

struct OpSchema;

/// How a value lies in memory, N standing for every axis before the channels. Everything outside the layout pass and
/// the kernels that ask for it is Plain.
enum class Layout : uint8_t {
  Plain,         // row-major
  ChannelsLast,  // N, spatial…, C
  Blocked8,      // N, ceil(C/8), spatial…, 8: padded channels are zero
  Blocked16,     // N, ceil(C/16), spatial…, 16: padded channels are zero
};

enum class ValueKind : uint8_t { Input, Constant, Parameter, State, Result };

/// One dimension of a declared (not yet specialised) shape: a number, or a symbol fixed when a plan is compiled.
struct DeclaredDim {
  int64_t size = -1;  // -1 while symbolic
  std::string symbol;
};

struct ValueType {
  DType dtype = DType::F32;
  Shape shape;
  Layout layout = Layout::Plain;
  /// Where C stands in `shape`: 1, or 2 behind a cotangent axis. The axes before it are the batch. Means nothing where
  /// the layout is Plain.
  int channelAxis = 1;
};

struct Value {
  std::string name;
  ValueKind kind = ValueKind::Result;
  /// Valid for results once the graph is specialised, for the other kinds always (but for symbolic dimensions).
  ValueType type;
  std::vector<DeclaredDim> declared;  // inputs and states
  int32_t storage = -1;               // index into Graph::constants, parameters or states
  NodeId producer = -1;
  std::vector<std::string> aliases;  // source names that passes moved onto this value
  bool pinned = false;               // a target, tap or wanted value: no lowering pass may remove or cross it
  bool runLength = false;            // its shape or content follows a run length
  int32_t capacity = -1;             // index into Graph::constants: its content at full run lengths, for shape rules alone
};

struct Node {
  const OpSchema* op = nullptr;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Attributes attributes;
  std::string name;
};

/// Where a parameter's bytes are and how they are stored; `dtype` in the value is what kernels compute with.
struct Parameter {
  std::string name;
  ValueId value = kNone;
  HostTensor source;     // in its storage dtype, over the mapped file or an owned buffer
  uint64_t version = 0;  // raised by every write; passes that fold it record the version they saw
};

struct State {
  std::string name;
  ValueId value = kNone;
};

/// Static single assignment; nodes stand in an order in which every operand is defined before its use.
struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<HostTensor> constants;
  std::vector<Parameter> parameters;
  std::vector<State> states;
  /// Bodies of customDerivative, `if` and `loop` nodes, named by their attributes.
  std::unordered_map<std::string, std::shared_ptr<const Graph>> subgraphs;

  const Value& value(ValueId id) const { return values[static_cast<size_t>(id)]; }
  Value& value(ValueId id) { return values[static_cast<size_t>(id)]; }
  const ValueType& type(ValueId id) const { return value(id).type; }
  const Shape& shape(ValueId id) const { return value(id).type.shape; }
  const HostTensor* constant(ValueId id) const;
  /// What a shape rule may read: the constant, or the content at the current run lengths.
  const HostTensor* known(ValueId id) const;
  const Node* producer(ValueId id) const;
  /// By name or alias; kNone if absent.
  ValueId find(std::string_view name) const;

  ValueId addInput(std::string name, DType dtype, std::vector<DeclaredDim> dims);
  ValueId addInput(std::string name, DType dtype, const Shape& shape);
  ValueId addConstant(HostTensor tensor, std::string name = {});
  ValueId addParameter(std::string name, HostTensor source);
  ValueId addState(std::string name, DType dtype, const Shape& shape);
  /// Appends a node with `outputs` fresh result values (types unset); returns the first of them.
  ValueId addNode(const OpSchema& op, std::vector<ValueId> inputs, Attributes attributes, int outputs = 1,
                  std::string name = {});
};

/// How often each value is read, graph outputs and pins counted.
std::vector<int> countUses(const Graph& graph);
/// Makes every result say which node makes it, after nodes have been moved or added.
void numberProducers(Graph& graph);
/// Drops the nodes marked in `gone`, one mark a node; all others keep their order.
void dropNodes(Graph& graph, std::span<const char> gone);
/// Drops nodes that neither outputs, pins nor state updates need, then values nobody mentions.
void removeDeadNodes(Graph& graph);
/// One line a node: the golden form of plan dumps.
std::string dump(const Graph& graph);

}  // namespace ascribe
