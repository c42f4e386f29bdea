#include "device_support.h"

#include <cstring>
#include <future>
#include <optional>

#include "autodiff_support.h"
#include "graph/convert.h"
#include "harness.h"

namespace ascribe::test {

HostTensor uniform(const Shape& shape, uint64_t seed, double low, double high) { return convert(scattered(shape, seed, low, high), DType::F32); }

bool sameBits(const HostTensor& a, const HostTensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

std::shared_ptr<Parameters> netParameters() {
  auto out = std::make_shared<Parameters>();
  out->add("w0", uniform(Shape{4, 2, 3, 3}, 1));
  out->add("w1", uniform(Shape{5, 4, 3, 3}, 2));
  out->add("w2", uniform(Shape{5, 3}, 3));
  return out;
}

std::shared_ptr<const Plan> netPlan(const std::string& device, int64_t batch, bool gradient, CompileOptions options,
                                    std::shared_ptr<Parameters> parameters) {
  if (!parameters) parameters = netParameters();
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, Shape{batch, 2, 6, 6});
  std::vector<ValueId> weights;
  for (const char* name : {"w0", "w1", "w2"}) weights.push_back(graph.addParameter(name, parameters->get(name).source));
  Builder b(graph);
  const Attributes window{{"pads", std::vector<int64_t>{1, 1, 1, 1}}};
  const ValueId hidden = b.node("relu", {b.node("conv", {x, weights[0]}, window)});
  const ValueId maps = b.node("conv", {hidden, weights[1]}, window);
  const ValueId pooled = b.node("mean", {maps}, {{"axes", std::vector<int64_t>{2, 3}}, {"keepDims", int64_t{0}}});
  const ValueId logits = b.node("tanh", {b.node("matMul", {pooled, weights[2]})});
  graph.outputs = {logits};
  if (gradient) {
    const ValueId column = b.node("slice", {logits, b.integers({1}), b.integers({2}), b.integers({1}), b.integers({1})});
    const ValueId objective = b.reshape(column, Shape{batch});
    HostTensor ones(DType::F32, Shape{1, batch});
    for (int64_t i = 0; i < batch; ++i) static_cast<float*>(ones.mutableData())[i] = 1;
    const ValueId dx = b.node("vjp", {objective, b.constant(ones), x}, {{"outputs", int64_t{1}}});
    graph.outputs = {dx, objective};
  }
  options.device = device;
  return compile(graph, std::move(parameters), options);
}

void drive(const std::shared_ptr<Job>& job, int threads) {
  EngineConfiguration configuration;
  configuration.lanes = 1;
  configuration.threadsPerLane = threads;
  configuration.niceness = 0;
  Engine engine(configuration);
  engine.acquire(1);
  std::promise<std::optional<Error>> settled;
  SubmitOptions options;
  options.environment = 1;
  options.onSettled = [&](const Error* error) { settled.set_value(error ? std::optional(*error) : std::nullopt); };
  engine.submit(job, std::move(options));
  auto future = settled.get_future();
  if (future.wait_for(std::chrono::seconds(60)) != std::future_status::ready) throw std::runtime_error("the job hangs");
  engine.release(1);
  if (const auto error = future.get()) throw *error;
}

std::vector<HostTensor> run(RunRequest request, int threads) {
  const auto job = std::make_shared<RunJob>(std::move(request));
  drive(job, threads);
  return job->takeOutputs();
}

}  // namespace ascribe::test
