#include <bit>
#include <cmath>

#include "cpu_support.h"
#include "device_support.h"
#include "harness.h"
#include "methods/shared_path.h"
#include "op_cases/cuda.h"
#include "runtime/random.h"

/// Noisy samples that a plan draws itself are those that an ensemble draws on the host, and so are their sums.
namespace ascribe::test {
namespace {

using Quantity = EnsembleRequest::Quantity;
constexpr int64_t kChunk = 3;
const Shape kA{1, 2, 5}, kB{1, 3};

Shape rowsOf(int64_t rows, Shape shape) {
  shape[0] = rows;
  return shape;
}

ValueId summed(Builder& b, ValueId x) {
  std::vector<int64_t> axes;
  for (int axis = 1; axis < b.shape(x).rank(); ++axis) axes.push_back(axis);
  return b.sum(x, axes, false);
}
/// One number of each row, to which both values count and bend.
ValueId objectiveOf(Builder& b, ValueId a, ValueId c) {
  const ValueId first = summed(b, b.node("tanh", {b.mul(a, b.constant(floats(kA, 11)))}));
  const ValueId second = summed(b, b.node("sigmoid", {b.mul(c, b.constant(floats(kB, 12)))}));
  return b.mul(first, second);
}
/// What is made of a gradient before it is summed, where the plan sums.
ValueId scoreOf(Builder& b, Quantity quantity, bool isSquare, ValueId gradient, ValueId seen) {
  ValueId score = quantity == Quantity::Absolute ? b.node("abs", {gradient}) : quantity == Quantity::InputTimesGradient ? b.mul(gradient, seen) : gradient;
  return isSquare ? b.mul(score, score) : score;
}

EnsembleRequest around(std::shared_ptr<const Plan> plan, Quantity quantity, bool isSquare) {
  EnsembleRequest out;
  const size_t inputs = plan->graph().inputs.size();
  out.plan = std::move(plan);
  out.chunk = kChunk;
  out.inputs.resize(inputs);
  out.extras.resize(inputs);
  out.baselines.resize(inputs);
  out.sigma.resize(inputs);
  out.inputs[0] = floats(rowsOf(2, kA), 3);
  out.inputs[1] = floats(rowsOf(2, kB), 4);
  out.sigma[0] = {0.3, 0.2};
  out.sigma[1] = {0.1, 0.4};
  out.points = out.weights = {1};
  out.samples = 5;
  out.seed = 17;
  out.itemKeys = {7, (int64_t{1} << 40) + 3};
  out.quantity = quantity;
  if (isSquare) out.statistic = EnsembleRequest::Statistic::MeanSquare;
  return out;
}

EnsembleResult onHost(Quantity quantity, bool isSquare) {
  Graph graph;
  Builder b(graph);
  const ValueId a = graph.addInput("a", DType::F32, rowsOf(kChunk, kA)), c = graph.addInput("b", DType::F32, rowsOf(kChunk, kB));
  const ValueId objective = objectiveOf(b, a, c);
  const auto gradients = b.nodes("vjp", {objective, b.constant(floatsOf({1, kChunk}, std::vector<float>(kChunk, 1))), a, c}, 2, {{"outputs", int64_t{1}}});
  graph.outputs = {gradients[0], gradients[1], objective};
  EnsembleRequest request = around(compile(graph, std::make_shared<Parameters>(), {}), quantity, isSquare);
  request.check();
  const auto job = std::make_shared<GradientEnsemble>(std::move(request));
  drive(job);
  return job->takeResult();
}

EnsembleRequest inPlan(const std::string& device, Quantity quantity, bool isSquare) {
  Graph graph;
  Builder b(graph);
  const ValueId a = graph.addInput("a", DType::F32, kA), c = graph.addInput("b", DType::F32, kB);
  const ValueId position = graph.addInput("position", DType::F32, Shape{kChunk, 1}), noise = graph.addInput("noise", DType::I64, Shape{kChunk, 4});
  const ValueId first = b.node("addNoise", {a, noise}, {{"column", int64_t{2}}}), second = b.node("addNoise", {c, noise}, {{"column", int64_t{3}}, {"first", kA.count()}});
  const ValueId objective = objectiveOf(b, first, second);
  const auto gradients = b.nodes("vjp", {objective, b.node("transpose", {position}, {{"permutation", std::vector<int64_t>{1, 0}}}), first, second}, 2, {{"outputs", int64_t{1}}});
  graph.outputs = {b.node("sumTo", {scoreOf(b, quantity, isSquare, gradients[0], first), a}, {{"leading", int64_t{1}}}),
                   b.node("sumTo", {scoreOf(b, quantity, isSquare, gradients[1], second), c}, {{"leading", int64_t{1}}}), objective};
  CompileOptions options;
  options.device = device;
  options.steady = {"a", "b"};
  EnsembleRequest out = around(compile(graph, std::make_shared<Parameters>(), options), Quantity::Gradient, false);
  out.shared = true;
  out.positionInput = 2;
  out.positions = {1};
  out.inputPosition = {0};
  out.noiseInput = 3;
  return out;
}

EnsembleResult resultOf(EnsembleRequest request) {
  request.check();
  const auto job = std::make_shared<SharedPath>(std::move(request));
  drive(job);
  return job->takeResult();
}

TEST(samples_that_a_plan_draws_are_those_of_the_host) {
  std::vector<std::string> devices{"cpu", "fake"};
  if (hasCuda()) devices.emplace_back("cuda");
  for (const Quantity quantity : {Quantity::Gradient, Quantity::Absolute, Quantity::InputTimesGradient})
    for (const bool isSquare : {false, true}) {
      const EnsembleResult expected = onHost(quantity, isSquare);
      for (const std::string& device : devices) {
        const EnsembleResult got = resultOf(inPlan(device, quantity, isSquare)), again = resultOf(inPlan(device, quantity, isSquare));
        EXPECT_EQ(got.forwardPasses, expected.forwardPasses);
        for (size_t item = 0; item < 2; ++item) {
          EXPECT_NEAR(got.objective[item], expected.objective[item], 1e-6);
          EXPECT_NEAR(got.sums[item], expected.sums[item], 1e-5);
        }
        EXPECT_TRUE(got.baselineObjective.empty());
        REQUIRE(got.attributions.size() == 2);
        for (size_t i = 0; i < 2; ++i) {
          const HostTensor &mine = got.attributions[i].second, &theirs = expected.attributions[i].second;
          REQUIRE(mine.shape() == theirs.shape());
          for (int64_t e = 0; e < theirs.shape().count(); ++e) EXPECT_NEAR(mine.real(e), theirs.real(e), 1e-6);
          EXPECT_TRUE(sameBits(mine, again.attributions[i].second));
        }
      }
    }
}

TEST(noise_has_the_same_bits_on_the_device_as_on_the_host) {
  if (!hasCuda()) throw Skipped("there is no CUDA device, nor the emulation of one");
  constexpr int64_t kElements = 60001;
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{1, kElements}), noise = graph.addInput("noise", DType::I64, Shape{2, 3});
  graph.outputs = {b.node("addNoise", {x, noise}, {{"first", int64_t{5}}})};
  CompileOptions options;
  options.device = "cuda";
  RunRequest request;
  request.plan = compile(graph, std::make_shared<Parameters>(), options);
  EXPECT_TRUE(request.plan->steps()[0].kernel->name() == "cuda-addNoise");
  const HostTensor given = floats({1, kElements}, 8);
  HostTensor rows(DType::I64, Shape{2, 3});
  auto* to = static_cast<int64_t*>(rows.mutableData());
  for (int64_t n = 0; n < 2; ++n) {
    const RandomStream::Name name = RandomStream(99, static_cast<uint64_t>(n) << 35, static_cast<uint32_t>(n + 4)).name();
    to[3 * n] = static_cast<int64_t>(uint64_t{name.key1} << 32 | name.key0);
    to[3 * n + 1] = static_cast<int64_t>(uint64_t{name.item} << 32 | name.sample);
    to[3 * n + 2] = std::bit_cast<int64_t>(0.15);
  }
  request.inputs = {given, rows};
  const HostTensor out = run(std::move(request))[0];
  int64_t different = 0;
  for (int64_t n = 0; n < 2; ++n) {
    const RandomStream stream(99, static_cast<uint64_t>(n) << 35, static_cast<uint32_t>(n + 4));
    for (int64_t i = 0; i < kElements; ++i) {
      const auto expected = static_cast<float>(given.real(i) + 0.15 * stream.normal(static_cast<uint64_t>(i + 5)));
      different += out.real(n * kElements + i) != static_cast<double>(expected);
    }
  }
  // Its logarithm, sine and cosine may differ from the C library's in the last bit of a double, which decides the rounding to
  // single precision of one element in some 10^8.
  EXPECT_EQ(different, int64_t{0});
}

}  // namespace
}  // namespace ascribe::test
