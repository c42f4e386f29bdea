#include "autodiff_support.h"

#include <algorithm>
#include <cmath>

#include "graph/convert.h"
#include "graph/op.h"
#include "harness.h"
#include "kernels/kernel.h"

namespace ascribe::test {

HostTensor tensor(const Shape& shape, const std::vector<double>& values) {
  HostTensor out(DType::F64, shape);
  if (static_cast<size_t>(shape.count()) != values.size()) throw std::runtime_error("a test tensor has another number of values than its shape");
  std::copy(values.begin(), values.end(), static_cast<double*>(out.mutableData()));
  return out;
}
HostTensor filled(const Shape& shape, double value) {
  return tensor(shape, std::vector<double>(static_cast<size_t>(shape.count()), value));
}
HostTensor scattered(const Shape& shape, uint64_t seed, double low, double high) {
  std::vector<double> values(static_cast<size_t>(shape.count()));
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u;
  for (double& value : values) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    value = low + (high - low) * static_cast<double>(state >> 11) * 0x1p-53;
  }
  return tensor(shape, values);
}
std::vector<double> numbers(const HostTensor& tensor) {
  std::vector<double> out(static_cast<size_t>(tensor.shape().count()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = tensor.real(static_cast<int64_t>(i));
  return out;
}

Values interpret(const Graph& graph, Values values) {
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const ValueId id = static_cast<ValueId>(i);
    const Value& v = graph.value(id);
    if (v.kind == ValueKind::Constant) values[id] = graph.constants[static_cast<size_t>(v.storage)];
    if (v.kind == ValueKind::Parameter && !values.contains(id)) values[id] = graph.parameters[static_cast<size_t>(v.storage)].source;
  }
  for (const Node& node : graph.nodes) {
    std::vector<HostTensor> operands;
    for (ValueId id : node.inputs) {
      if (id != kNone && !values.contains(id)) throw std::runtime_error("a value is read before it is computed: " + graph.value(id).name);
      operands.push_back(id == kNone ? HostTensor() : values.at(id));
    }
    if (node.op->view) {
      auto source = std::make_shared<HostTensor>(operands[0]);
      values[node.outputs[0]] = HostTensor(source->dtype(), graph.shape(node.outputs[0]), source->data(), source);
      continue;
    }
    const std::vector<HostTensor> results = evaluateReference(graph, node, operands);
    for (size_t i = 0; i < results.size(); ++i) values[node.outputs[i]] = results[i];
  }
  return values;
}

void expectClose(const HostTensor& actual, const HostTensor& expected, double tolerance, const char* what, const char* file, int line) {
  if (!(actual.shape() == expected.shape())) return fail(file, line, std::string(what) + ": shape " + actual.shape().text() + ", expected " + expected.shape().text());
  double scale = 1;
  for (double value : numbers(expected)) scale = std::max(scale, std::fabs(value));
  for (int64_t i = 0; i < actual.shape().count(); ++i)
    if (!(std::fabs(actual.real(i) - expected.real(i)) <= tolerance * scale))
      return fail(file, line, std::string(what) + "[" + std::to_string(i) + "]: got " + show(actual.real(i)) + ", expected " + show(expected.real(i)));
}

Function function(const std::vector<HostTensor>& inputs, const Body& body) {
  Function f;
  for (size_t i = 0; i < inputs.size(); ++i) f.inputs.push_back(f.graph.addInput("x" + std::to_string(i), inputs[i].dtype(), inputs[i].shape()));
  Builder b(f.graph);
  f.outputs = body(b, f.inputs);
  return f;
}

std::vector<HostTensor> call(const Function& f, const std::vector<HostTensor>& inputs) {
  Values values;
  for (size_t i = 0; i < inputs.size(); ++i) values[f.inputs[i]] = inputs[i];
  values = interpret(f.graph, std::move(values));
  std::vector<HostTensor> out;
  for (ValueId id : f.outputs) out.push_back(values.at(id));
  return out;
}

Function gradientOf(const Function& f, int64_t cotangents) {
  Function g{f.graph, f.inputs, {}};
  VjpRequest request;
  for (ValueId id : f.inputs)
    if (isFloating(f.graph.type(id).dtype)) request.wanted.push_back(id);
  for (size_t i = 0; i < f.outputs.size(); ++i) {
    if (!isFloating(g.graph.type(f.outputs[i]).dtype)) continue;
    request.outputs.push_back(f.outputs[i]);
    request.seeds.push_back(g.graph.addInput("seed" + std::to_string(g.inputs.size()), DType::F64, prepend(cotangents, g.graph.shape(f.outputs[i]))));
    g.inputs.push_back(request.seeds.back());
  }
  g.outputs = vjp(g.graph, request).gradients;
  Builder b(g.graph);
  for (size_t i = 0; i < g.outputs.size(); ++i)
    if (g.outputs[i] == kNone) g.outputs[i] = b.constant(filled(prepend(cotangents, g.graph.shape(request.wanted[i])), 0));
  return g;
}

double againstDifferences(const Function& f, const std::vector<HostTensor>& inputs, const std::vector<bool>& smooth) {
  Function g = gradientOf(f);
  std::vector<HostTensor> all = inputs;
  for (size_t i = inputs.size(); i < g.inputs.size(); ++i) all.push_back(scattered(g.graph.shape(g.inputs[i]), 77 + i, 0.3, 1.7));
  const std::vector<HostTensor> gradients = call(g, all);
  const auto scalar = [&](const std::vector<HostTensor>& at) {
    const std::vector<HostTensor> out = call(f, at);
    double total = 0;
    size_t seed = inputs.size();
    for (const HostTensor& y : out) {
      if (!isFloating(y.dtype())) continue;
      for (int64_t i = 0; i < y.shape().count(); ++i) total += y.real(i) * all[seed].real(i);
      ++seed;
    }
    return total;
  };
  double worst = 0;
  size_t which = 0;
  for (size_t n = 0; n < inputs.size(); ++n) {
    if (!isFloating(inputs[n].dtype())) continue;
    const HostTensor& gradient = gradients.at(which++);
    if (n < smooth.size() && !smooth[n]) continue;
    double largest = 1;
    for (double value : numbers(gradient)) largest = std::max(largest, std::fabs(value));
    for (int64_t i = 0; i < inputs[n].shape().count(); ++i) {
      double best = INFINITY;
      for (double h : {1e-4, 1e-5, 1e-6}) {
        std::vector<HostTensor> up = inputs, down = inputs;
        std::vector<double> values = numbers(inputs[n]);
        values[static_cast<size_t>(i)] += h;
        up[n] = tensor(inputs[n].shape(), values);
        values[static_cast<size_t>(i)] -= 2 * h;
        down[n] = tensor(inputs[n].shape(), values);
        best = std::min(best, std::fabs((scalar(up) - scalar(down)) / (2 * h) - gradient.real(i)) / largest);
      }
      worst = best <= worst ? worst : best;  // written so that NaN stays
    }
  }
  return worst;
}

}  // namespace ascribe::test
