#include "graph_from_bytes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "graph/half.h"
#include "graph/op.h"
#include "graph/verify.h"
#include "op_cases/op_case.h"

namespace ascribe::fuzz {
namespace {

constexpr int64_t kIntegers[] = {0, 1, -1, 2, -2, 3, 4, 5, 7, -3, -5, 8, 16, 64, 255, 1 << 20, int64_t{1} << 31, -(int64_t{1} << 31),
                                 int64_t{1} << 40, -(int64_t{1} << 40), (int64_t{1} << 53) - 1, -(int64_t{1} << 53) + 1};
constexpr double kReals[] = {0, 1, -1, 0.5, -0.5, 2, 3, 0.1, -0.0, 1e-30, 1e-45, 1e38, -1e38, 1e300, 1e19, -1e19, 0.999999,
                             std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
const std::string kWords[] = {
    "a", "b", "", "constant", "reflect", "edge", "wrap", "nearest", "linear", "cubic", "tanh", "none", "f32", "i64", "bool", "f64", "i32", "i8", "u8", "f16", "bf16",
    "dual", "sameUpper", "sameLower", "valid", "explicit", "DCR", "CRD", "add", "mul", "max", "min", "halfPixel", "alignCorners", "pytorchHalfPixel",
    "asymmetric", "halfPixelSymmetric", "floor", "ceil", "roundPreferFloor", "roundPreferCeil", "lstm", "gru", "rnn", "relu", "sigmoid tanh tanh",
    "sigmoid tanh", "relu relu relu", "hardSigmoid", "softsign softplus", "leakyRelu", "summed", "perExample", "factors", "derivative", "guided",
    "deconvolution", "exact", "rowMean", "absorb", "distribute", "left", "right", "x"};
constexpr DType kDTypes[] = {DType::F32, DType::F32, DType::F32, DType::F32, DType::I64, DType::I64, DType::I32, DType::Bool,
                             DType::F64, DType::I8,  DType::U8,  DType::F16, DType::BF16};
constexpr int64_t kSizes[] = {1, 2, 3, 4, 5, 0, 8, 1, 2, 3, 6, 16, int64_t{1} << 40};
/// Subgraphs inside subgraphs; the addon allows 16.
constexpr int kMaximumDepth = 2;

const std::vector<const OpSchema*>& operations() {
  static const std::vector<const OpSchema*> list = [] {
    std::vector<const OpSchema*> out;
    for (const OpSchema* schema : allOps())
      if (!belongsToCompiler(schema->name)) out.push_back(schema);
    return out;
  }();
  return list;
}

struct Case {
  const test::OpCase* source;
  std::vector<HostTensor> operands;
};
const std::vector<Case>& cases() {
  static const std::vector<Case> list = [] {
    std::vector<Case> out;
    for (const test::OpCase& source : test::opCases())
      if (!source.timed && !belongsToCompiler(source.op)) out.push_back({&source, test::operandsOf(source)});
    return out;
  }();
  return list;
}

int64_t integerFrom(Bytes& bytes) { return bytes.below(3) ? static_cast<int64_t>(bytes.below(8)) - 2 : bytes.pick(kIntegers); }
double realFrom(Bytes& bytes) { return bytes.pick(kReals); }

Attribute attributeFrom(Bytes& bytes, AttributeKind kind) {
  // Another kind than the schema's: a whole number for a real is the usual case.
  if (bytes.rarely(32)) kind = static_cast<AttributeKind>(bytes.below(5));
  switch (kind) {
    case AttributeKind::Integer: return integerFrom(bytes);
    case AttributeKind::Real: return bytes.below(2) ? Attribute(realFrom(bytes)) : Attribute(integerFrom(bytes));
    case AttributeKind::Text: return bytes.pick(kWords);
    case AttributeKind::Integers: {
      std::vector<int64_t> out(bytes.below(7));
      for (int64_t& value : out) value = integerFrom(bytes);
      return out;
    }
    default: {
      std::vector<double> out(bytes.below(7));
      for (double& value : out) value = realFrom(bytes);
      return out;
    }
  }
}

Shape shapeFrom(Bytes& bytes, bool large) {
  Shape shape;
  for (size_t rank = bytes.below(bytes.rarely(16) ? 11 : 6); rank > 0; --rank) shape.push(std::min(bytes.pick(kSizes), large ? int64_t{1} << 40 : 16));
  return shape;
}

/// At most so many elements lie in memory; only a shape without any may claim a large extent.
Shape heldShapeFrom(Bytes& bytes) {
  const Shape shape = shapeFrom(bytes, true);
  if (std::count(shape.begin(), shape.end(), 0) == 0) {
    int64_t count = 1;
    for (int64_t dim : shape) count = std::min<int64_t>(count * std::min<int64_t>(dim, 4096), 4096);
    if (count > 2048) return Shape{2, 3};
  }
  return shape;
}

class Writer {
 public:
  Writer(Bytes& bytes, Described& described, int depth) : bytes_(bytes), described_(described), depth_(depth) {}

  Graph write() {
    if (depth_ < kMaximumDepth && bytes_.rarely(4))
      for (const char* name : {"a", "b"}) graph_.subgraphs[name] = std::make_shared<const Graph>(Writer(bytes_, described_, depth_ + 1).write());
    for (size_t count = 1 + bytes_.below(4); count > 0; --count) leaf();
    for (size_t count = bytes_.below(depth_ == 0 ? 9 : 4) + 1; count > 0; --count) {
      if (bytes_.rarely(4)) leaf();
      node();
    }
    for (size_t count = 1 + (bytes_.rarely(4) ? bytes_.below(4) : 0); count > 0; --count)
      graph_.outputs.push_back(bytes_.below(4) ? static_cast<ValueId>(graph_.values.size() - 1) : any());
    if (depth_ == 0 && bytes_.rarely(3)) differentiate();
    if (bytes_.rarely(32)) graph_.value(any()).name = "v0";
    return std::move(graph_);
  }

  /// A body of control flow: so many operands, so many results.
  std::shared_ptr<const Graph> writeBody(size_t inputs, size_t outputs) {
    for (size_t i = 0; i < inputs; ++i) graph_.addInput(fresh(), DType::F32, std::vector<DeclaredDim>{});
    if (inputs == 0 || bytes_.rarely(3)) leaf();
    for (size_t count = bytes_.below(4); count > 0; --count) node();
    for (size_t i = 0; i < outputs; ++i) graph_.outputs.push_back(bytes_.below(2) ? any() : recent());
    return std::make_shared<const Graph>(std::move(graph_));
  }

 private:
  std::string fresh() const { return std::string(static_cast<size_t>(depth_), 's') + "v" + std::to_string(graph_.values.size()); }
  ValueId any() { return static_cast<ValueId>(bytes_.below(graph_.values.size())); }

  void leaf() {
    const size_t kind = graph_.inputs.empty() ? 0 : bytes_.below(8);
    const DType dtype = bytes_.pick(kDTypes);
    if (kind < 3) return input(dtype);
    if (kind < 6) {
      // Shapes, axes and bounds are most constants that matter.
      const bool numbers = bytes_.below(2) == 0;
      const Shape shape = numbers ? Shape{static_cast<int64_t>(bytes_.below(6))} : heldShapeFrom(bytes_);
      graph_.addConstant(tensorFromBytes(bytes_, numbers ? DType::I64 : dtype, shape, true));
    } else if (kind == 6) {
      HostTensor source = tensorFromBytes(bytes_, dtype, heldShapeFrom(bytes_), true);
      const std::string name = "p" + std::to_string(described_.parameters->list().size());
      described_.parameters->add(name, source);
      const ValueId id = graph_.addParameter(name, {});
      // What the graph says a parameter is need not be what it is.
      graph_.value(id).type = {bytes_.rarely(8) ? bytes_.pick(kDTypes) : dtype, bytes_.rarely(16) ? shapeFrom(bytes_, false) : source.shape()};
    } else {
      graph_.addState(fresh(), dtype, heldShapeFrom(bytes_));
    }
  }

  void input(DType dtype) {
    std::vector<DeclaredDim> dims;
    for (int64_t size : heldShapeFrom(bytes_))
      if (bytes_.rarely(5)) dims.push_back({-1, bytes_.below(2) ? "T" : "N"});
      else dims.push_back({size, {}});
    graph_.addInput(fresh(), dtype, std::move(dims));
  }

  /// An operand of a case: as it is, changed a little, or something else of the graph.
  ValueId operandOf(const test::OpCase& source, size_t i, const HostTensor& tensor) {
    const test::Operand& operand = source.operands[i];
    switch (bytes_.below(16)) {
      case 13: return any();
      case 14: return recent();
      case 15: {
        Shape shape = tensor.shape();
        if (shape.rank() > 0 && bytes_.below(2)) shape[static_cast<int>(bytes_.below(static_cast<size_t>(shape.rank())))] = std::min<int64_t>(bytes_.pick(kSizes), 16);
        const DType dtype = bytes_.below(2) ? tensor.dtype() : bytes_.pick(kDTypes);
        return graph_.addConstant(tensorFromBytes(bytes_, dtype, shape, true));
      }
      default: break;
    }
    if (operand.absent) return kNone;
    const size_t kind = (op(source.op).hostOperands >> i & 1) || operand.constant ? 7 : bytes_.below(8);
    if (kind == 7) return graph_.addConstant(tensor);
    if (kind == 6) {
      const std::string name = "p" + std::to_string(described_.parameters->list().size());
      described_.parameters->add(name, tensor);
      const ValueId id = graph_.addParameter(name, {});
      graph_.value(id).type = {tensor.dtype(), tensor.shape()};
      return id;
    }
    std::vector<DeclaredDim> dims;
    const int64_t t = described_.options.specialise.sizes.at("T");
    for (int64_t size : tensor.shape())
      if (size == t && bytes_.rarely(2)) dims.push_back({-1, "T"});
      else dims.push_back({size, {}});
    return graph_.addInput(fresh(), tensor.dtype(), std::move(dims));
  }

  /// One of the op cases that the native tests compute: the window of a convolution is nothing to find by chance.
  void caseNode() {
    const std::vector<Case>& list = cases();
    const Case& chosen = list[(bytes_.next() * 256U + bytes_.next()) % list.size()];
    std::vector<ValueId> ids;
    for (size_t i = 0; i < chosen.operands.size(); ++i) ids.push_back(operandOf(*chosen.source, i, chosen.operands[i]));
    Attributes attributes;
    for (const AttributeSpec& spec : op(chosen.source->op).attributes) {
      const Attribute* given = chosen.source->attributes.find(spec.name);
      if (bytes_.rarely(16)) attributes.set(spec.name, attributeFrom(bytes_, spec.kind));
      else if (given != nullptr) attributes.set(spec.name, *given);
    }
    add(op(chosen.source->op), std::move(ids), std::move(attributes), chosen.source->outputs);
  }

  std::vector<ValueId> severalOf(size_t count) {
    std::vector<ValueId> out;
    for (size_t i = 0; i < count; ++i) out.push_back(bytes_.below(2) ? recent() : any());
    return out;
  }
  ValueId scalar(DType dtype, double value) { return graph_.addConstant(HostTensor::scalar(dtype, value)); }

  /// An if, a loop or a custom derivative whose bodies fit it.
  void controlNode() {
    const size_t operands = bytes_.below(3), results = 1 + bytes_.below(2);
    std::vector<ValueId> ids = severalOf(operands);
    // Some of one name at different depths.
    const std::string first = bytes_.below(2) ? "c" : "c" + std::to_string(graph_.nodes.size()), second = "d" + first;
    const auto body = [&](size_t in, size_t out) { return Writer(bytes_, described_, depth_ + 1).writeBody(in, out); };
    switch (bytes_.below(3)) {
      case 0: {
        graph_.subgraphs[first] = body(operands, results), graph_.subgraphs[second] = body(operands, results);
        ids.insert(ids.begin(), bytes_.rarely(4) ? any() : scalar(DType::Bool, static_cast<double>(bytes_.below(2))));
        return add(op("if"), std::move(ids), {{"thenBranch", first}, {"elseBranch", second}}, static_cast<int>(results));
      }
      case 1: {
        const size_t carried = bytes_.below(operands + 1), stacked = carried == 0 ? 1 : results - 1;
        auto trip = std::make_shared<Graph>(*body(2 + operands, 1 + carried + stacked));
        if (!bytes_.rarely(4)) trip->outputs[0] = trip->inputs[1];  // goes on
        graph_.subgraphs[first] = trip;
        ids.insert(ids.begin(), {bytes_.rarely(8) ? kNone : scalar(DType::I64, static_cast<double>(bytes_.rarely(16) ? bytes_.pick(kIntegers) : static_cast<int64_t>(bytes_.below(4)))),
                                 bytes_.below(2) ? kNone : scalar(DType::Bool, static_cast<double>(bytes_.below(8) > 0))});
        return add(op("loop"), std::move(ids), {{"body", first}, {"carried", static_cast<int64_t>(carried)}, {"captured", static_cast<int64_t>(operands - carried)}},
                   static_cast<int>(carried + stacked));
      }
      default: {
        graph_.subgraphs[first] = body(operands + 1, results), graph_.subgraphs[second] = body(operands + 1 + 2 * results, operands + 1);
        ids.push_back(recent());
        return add(op("customDerivative"), std::move(ids), {{"forward", first}, {"backward", second}}, static_cast<int>(results));
      }
    }
  }

  void node() {
    if (bytes_.rarely(3)) return caseNode();
    if (depth_ < kMaximumDepth && bytes_.rarely(8)) return controlNode();
    const OpSchema& schema = *bytes_.pick(operations());
    int operands = schema.minInputs, outputs = schema.minOutputs;
    if (schema.maxInputs != schema.minInputs) operands += static_cast<int>(bytes_.below(static_cast<size_t>(schema.maxInputs < 0 ? 5 : schema.maxInputs - schema.minInputs + 1)));
    if (schema.maxOutputs != schema.minOutputs) outputs += static_cast<int>(bytes_.below(static_cast<size_t>(schema.maxOutputs < 0 ? 4 : schema.maxOutputs - schema.minOutputs + 1)));
    if (bytes_.rarely(64)) operands = static_cast<int>(bytes_.below(8)), outputs = static_cast<int>(bytes_.below(4));
    std::vector<ValueId> ids;
    for (int i = 0; i < operands; ++i)
      if (bytes_.below(3)) ids.push_back(recent());
      else ids.push_back(i >= schema.minInputs && bytes_.below(2) ? kNone : any());
    Attributes attributes;
    for (const AttributeSpec& spec : schema.attributes)
      if (spec.fallback ? bytes_.rarely(3) : !bytes_.rarely(64)) attributes.set(spec.name, attributeFrom(bytes_, spec.kind));
    add(schema, std::move(ids), std::move(attributes), outputs);
  }
  void add(const OpSchema& schema, std::vector<ValueId> ids, Attributes attributes, int outputs) {
    graph_.addNode(schema, std::move(ids), std::move(attributes), outputs, "n" + std::to_string(graph_.nodes.size()));
    Node& made = graph_.nodes.back();
    for (ValueId id : made.outputs) graph_.value(id).name = fresh() + "." + std::to_string(id);
    // Written twice, or used before it is computed.
    if (bytes_.rarely(64) && !made.outputs.empty()) {
      const ValueId id = any();
      if (graph_.value(id).kind == ValueKind::Result) made.outputs.back() = id;
    }
  }
  /// One of the last values: chains of nodes rather than a row of them.
  ValueId recent() {
    const size_t back = bytes_.below(std::min<size_t>(4, graph_.values.size()));
    return static_cast<ValueId>(graph_.values.size() - 1 - back);
  }

  /// d (last output) / d (some values), seeded with ones.
  void differentiate() {
    const ValueId output = graph_.outputs.back();
    const DType dtype = bytes_.rarely(16) ? DType::F64 : DType::F32;
    const ValueId one = graph_.addConstant(HostTensor::scalar(dtype, 1));
    const ValueId cotangents = graph_.addNode(op("expand"), {one, graph_.addConstant(HostTensor::ofIntegers({static_cast<int64_t>(bytes_.below(3)) + 1}))}, {});
    const ValueId seed = graph_.addNode(op("expandLike"), {cotangents, output}, {{"leading", int64_t{1}}});
    std::vector<ValueId> operands{output, seed};
    const size_t wanted = 1 + bytes_.below(3);
    for (size_t i = 0; i < wanted; ++i) operands.push_back(bytes_.below(2) ? any() : graph_.inputs[bytes_.below(graph_.inputs.size())]);
    static const std::string kRules[] = {"derivative", "derivative", "derivative", "guided", "deconvolution", "deepLift", "deepLift", "lrp", "lrp", "attnLrp", "x"};
    static const std::string kParameters[] = {"summed", "summed", "perExample", "factors"};
    static const std::string kShares[] = {"same", "epsilon", "gamma", "alphaBeta", "box", "flat", "wSquare", "zPlus"};
    const std::string &parameters = bytes_.pick(kParameters), &rules = bytes_.pick(kRules);
    Attributes attributes{{"outputs", int64_t{1}}, {"rules", rules}, {"parameters", parameters}};
    const bool paired = rules == "deepLift" ? !bytes_.rarely(8) : bytes_.rarely(32);
    if (paired) {
      attributes.set("paired", int64_t{1});
      for (size_t i = 0; i < wanted; ++i) operands.push_back(bytes_.rarely(8) ? any() : operands[2 + i]);
    }
    if (rules == "lrp")
      for (const char* place : {"first", "convolution", "dense"}) attributes.set(place, bytes_.pick(kShares));
    for (const AttributeSpec& spec : op("vjp").attributes)
      if (!attributes.has(spec.name) && bytes_.rarely(16)) attributes.set(spec.name, attributeFrom(bytes_, spec.kind));
    const ValueId first = graph_.addNode(op("vjp"), std::move(operands), std::move(attributes), static_cast<int>(parameters == "factors" ? 2 * wanted : wanted), "vjp");
    for (size_t i = 0; i < (parameters == "factors" ? 2 * wanted : wanted); ++i) graph_.outputs.push_back(first + static_cast<ValueId>(i));
    // Once more: the derivatives of derivatives are other code.
    if (depth_ == 0 && !twice_ && bytes_.rarely(3)) {
      twice_ = true;
      differentiate();
    }
  }

  Bytes& bytes_;
  Described& described_;
  const int depth_;
  bool twice_ = false;
  Graph graph_;
};

void storeElement(void* data, DType dtype, int64_t index, Bytes& bytes, uint8_t pattern) {
  // Most tensors are a pattern, so that few bytes make many elements; some elements are chosen.
  const bool chosen = index < 8 && pattern % 4 == 0;
  const double real = chosen ? realFrom(bytes) : std::sin(static_cast<double>(index * 7 + pattern)) * 2;
  const int64_t whole = chosen ? (bytes.rarely(16) ? (bytes.below(2) ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max()) : integerFrom(bytes))
                               : (index * (pattern | 1)) % 5 - (pattern & 1);
  const auto put = [&](auto value) { std::memcpy(static_cast<char*>(data) + index * static_cast<int64_t>(sizeof value), &value, sizeof value); };
  switch (dtype) {
    case DType::F64: return put(real);
    case DType::F32: return put(std::abs(real) > 1e38 && std::isfinite(real) ? 3e38f : static_cast<float>(real));
    case DType::F16: return put(static_cast<uint16_t>(narrowF16(std::abs(real) > 1e38 && std::isfinite(real) ? 6e4f : static_cast<float>(real))));
    case DType::BF16: return put(static_cast<uint16_t>(narrowBf16(std::abs(real) > 1e38 && std::isfinite(real) ? 3e38f : static_cast<float>(real))));
    case DType::I64: return put(whole);
    case DType::I32: return put(static_cast<int32_t>(whole));
    // A mapped file's truth values are whatever bytes it holds.
    case DType::Bool: return put(static_cast<uint8_t>(chosen ? whole : whole & 1));
    default: return put(static_cast<uint8_t>(whole));
  }
}

}  // namespace

HostTensor tensorFromBytes(Bytes& bytes, DType dtype, const Shape& shape, bool anyAddress) {
  const uint8_t pattern = bytes.next();
  const auto count = shape.count();
  // The bytes end where the allocation ends, so that a sanitizer sees each step beyond.
  const size_t offset = anyAddress && bytes.rarely(4) ? 1 : 0;
  std::shared_ptr<char[]> owner(new char[static_cast<size_t>(count) * sizeOf(dtype) + offset]);
  for (int64_t i = 0; i < count; ++i) storeElement(owner.get() + offset, dtype, i, bytes, pattern);
  return HostTensor(dtype, shape, owner.get() + offset, owner);
}

Described graphFromBytes(Bytes& bytes) {
  Described out;
  const uint8_t flags = bytes.next();
  out.options.specialise.sizes = {{"N", static_cast<int64_t>(bytes.below(4))}, {"T", static_cast<int64_t>(bytes.below(5))}};
  if (flags & 1) out.options.specialise.runLengths = {"T"};
  if (flags & 1) out.runLengths = {{"T", static_cast<int64_t>(bytes.below(6))}};
  if ((flags & 6) == 6) out.options.specialise.precision = DType::F64;
  out.options.specialise.train = (flags & 24) == 24;
  out.options.frozenParameters = (flags & 32) == 0;
  if (flags & 64) out.options.backends = {"reference"};
  out.options.device = "cpu";
  out.graph = Writer(bytes, out, 0).write();
  if (flags & 128) {
    const Value& value = out.graph.values[bytes.below(out.graph.values.size())];
    if (!value.name.empty()) out.options.pinned = {value.name};
  }
  return out;
}

}  // namespace ascribe::fuzz
