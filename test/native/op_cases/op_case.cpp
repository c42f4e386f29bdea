#include "op_cases/op_case.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#include "graph/builder.h"
#include "graph/convert.h"
#include "graph/op.h"
#include "kernels/kernel.h"
#include "op_cases/families.h"

namespace ascribe::test {
namespace {

class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u) {}
  double uniform() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<double>(state_ >> 11) * 0x1p-53;
  }

 private:
  uint64_t state_;
};

template <class T>
void store(HostTensor& out, const std::vector<double>& values) {
  std::transform(values.begin(), values.end(), static_cast<T*>(out.mutableData()), [](double v) {
    // The largest integer is no double, and its neighbour is out of range.
    if (std::is_same_v<T, int64_t> && v >= 0x1p63) return std::numeric_limits<T>::max();
    return static_cast<T>(v);
  });
}

HostTensor tensorOf(DType dtype, const Shape& shape, const std::vector<double>& values) {
  HostTensor out(dtype, shape);
  switch (dtype) {
    case DType::F32: store<float>(out, values); break;
    case DType::I64: store<int64_t>(out, values); break;
    case DType::I32: store<int32_t>(out, values); break;
    case DType::I8: store<int8_t>(out, values); break;
    case DType::U8:
    case DType::Bool: store<uint8_t>(out, values); break;
    default: throw std::runtime_error("op cases hold no operands of this element type");
  }
  return out;
}

std::vector<double> drawn(const Operand& operand, uint64_t seed) {
  const auto count = static_cast<size_t>(operand.shape.count());
  std::vector<double> values(count);
  Draw draw(seed);
  for (double& value : values) {
    const double u = draw.uniform();
    value = operand.dtype == DType::F32 ? operand.low + (operand.high - operand.low) * u
                                        : std::floor(operand.low + (operand.high - operand.low + 1) * u);
  }
  if (!operand.spaced) return values;
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  // Not symmetric, so that no element and no difference of two is 0; off the halves too, where rounding ties.
  for (size_t rank = 0; rank < count; ++rank) values[order[rank]] = .13 * (static_cast<double>(rank) - std::floor(static_cast<double>(count) / 2)) - .041;
  return values;
}

uint64_t seedOf(const std::string& op, size_t operand) {
  uint64_t hash = 1469598103934665603u + operand * 7919;
  for (const char letter : op) hash = (hash ^ static_cast<uint8_t>(letter)) * 1099511628211u;
  return hash;
}

}  // namespace

Operand real(Shape shape, double low, double high) { return {.shape = shape, .low = low, .high = high}; }
Operand spaced(Shape shape) { return {.shape = shape, .spaced = true}; }
Operand given(DType dtype, Shape shape, std::vector<double> values) { return {.dtype = dtype, .shape = shape, .values = std::move(values)}; }
Operand whole(DType dtype, Shape shape, int64_t low, int64_t high) {
  return {.dtype = dtype, .shape = shape, .low = static_cast<double>(low), .high = static_cast<double>(high)};
}
Operand truth(Shape shape) { return whole(DType::Bool, shape, 0, 1); }
Operand integerList(const std::vector<int64_t>& values) {
  return given(DType::I64, {static_cast<int64_t>(values.size())}, {values.begin(), values.end()});
}
Operand none() { return {.absent = true}; }
Operand constant(Operand operand) {
  operand.constant = true;
  return operand;
}
Operand computed(std::string op, std::vector<size_t> of, Attributes how, size_t output) {
  return {.chooses = true, .from = std::move(op), .of = std::move(of), .how = std::move(how), .output = output};
}

OpCase timed(OpCase test) {
  test.timed = true;
  return valuesOnly(std::move(test));
}
OpCase valuesOnly(OpCase test) {
  test.derivatives = Derivatives::Unchecked;
  return test;
}

const std::vector<OpCase>& opCases() {
  static const std::vector<OpCase> all = [] {
    std::vector<OpCase> cases;
    for (const auto family : {unaryCases, binaryCases, gateCases, reductionCases, viewCases, movementCases, gatherCases, selectionCases, productCases, convolutionCases,
                              normalisationCases, softmaxCases, attentionTileCases, poolingCases, resizeCases, recurrentCases, statefulCases}) {
      std::vector<OpCase> more = family();
      std::move(more.begin(), more.end(), std::back_inserter(cases));
    }
    return cases;
  }();
  return all;
}

std::vector<HostTensor> operandsOf(const OpCase& test) {
  std::vector<HostTensor> out;
  for (size_t i = 0; i < test.operands.size(); ++i) {
    const Operand& operand = test.operands[i];
    if (operand.absent) {
      out.emplace_back();
    } else if (!operand.from.empty()) {
      Graph graph;
      std::vector<ValueId> ids;
      std::vector<HostTensor> inputs;
      for (const size_t source : operand.of) {
        inputs.push_back(out[source]);
        ids.push_back(graph.addInput("x" + std::to_string(source), inputs.back().dtype(), inputs.back().shape()));
      }
      Builder(graph).nodes(operand.from, ids, static_cast<int>(operand.output) + 1, operand.how);
      out.push_back(evaluateReference(graph, graph.nodes.back(), inputs)[operand.output]);
    } else {
      const bool isGiven = !operand.values.empty();
      if (isGiven && operand.values.size() != static_cast<size_t>(operand.shape.count()))
        throw std::runtime_error(test.name() + ": operand " + std::to_string(i) + " has another number of values than its shape");
      out.push_back(tensorOf(operand.dtype, operand.shape, isGiven ? operand.values : drawn(operand, seedOf(test.op, i))));
    }
  }
  return out;
}

CaseGraph graphOf(const OpCase& test, const std::vector<HostTensor>& operands, bool constants) {
  CaseGraph out;
  const OpSchema& schema = op(test.op);
  for (size_t i = 0; i < operands.size(); ++i) {
    if (test.operands[i].absent) out.operands.push_back(kNone);
    else if ((schema.hostOperands >> i & 1) || (constants && test.operands[i].constant)) out.operands.push_back(out.graph.addConstant(operands[i]));
    else out.operands.push_back(out.graph.addInput("x" + std::to_string(i), operands[i].dtype(), operands[i].shape()));
  }
  out.results = Builder(out.graph).nodes(test.op, out.operands, test.outputs, test.attributes);
  return out;
}

std::vector<HostTensor> widened(const std::vector<HostTensor>& tensors) {
  std::vector<HostTensor> out;
  for (const HostTensor& tensor : tensors) out.push_back(tensor.dtype() == DType::F32 && (tensor.data() || tensor.shape().count() == 0) ? convert(tensor, DType::F64) : tensor);
  return out;
}

}  // namespace ascribe::test
