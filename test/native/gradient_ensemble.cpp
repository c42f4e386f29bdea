#include "methods/gradient_ensemble.h"

#include <cmath>

#include "device_support.h"
#include "harness.h"
#include "runtime/random.h"

using namespace ascribe;
using namespace ascribe::test;
using Quantity = EnsembleRequest::Quantity;
using Statistic = EnsembleRequest::Statistic;

namespace {

const Shape kItem{2, 6, 6};
constexpr int64_t kElements = 72;

EnsembleRequest request(const char* device, int64_t items, int64_t chunk) {
  EnsembleRequest out;
  out.plan = netPlan(device, chunk, true);
  out.chunk = chunk;
  out.inputs = {uniform(prepend(items, kItem), 7)};
  out.extras.resize(1);
  out.baselines.resize(1);
  out.sigma.resize(1);
  out.points = {1};
  out.weights = {1};
  return out;
}

EnsembleResult result(EnsembleRequest request, int threads = 1) {
  request.check();
  const auto job = std::make_shared<GradientEnsemble>(std::move(request));
  drive(job, threads);
  return job->takeResult();
}

/// Gradient and objective at one point, by a plain run of the plan.
struct AtPoint {
  std::vector<double> gradient;
  double objective;
};
AtPoint at(const std::vector<double>& point) {
  HostTensor x(DType::F32, Shape{1, 2, 6, 6});
  for (size_t i = 0; i < point.size(); ++i) static_cast<float*>(x.mutableData())[i] = static_cast<float>(point[i]);
  RunRequest wanted;
  wanted.plan = netPlan("cpu", 1, true);
  wanted.inputs = {x};
  const auto out = run(wanted);
  AtPoint answer{std::vector<double>(kElements), out[1].real(0)};
  for (int64_t i = 0; i < kElements; ++i) answer.gradient[static_cast<size_t>(i)] = out[0].real(i);
  return answer;
}
std::vector<double> item(const HostTensor& batch, int64_t index) {
  std::vector<double> out(kElements);
  for (int64_t i = 0; i < kElements; ++i) out[static_cast<size_t>(i)] = batch.real(index * kElements + i);
  return out;
}

void expectItem(const HostTensor& attribution, int64_t index, const std::vector<double>& expected, double tolerance = 2e-6) {
  double scale = 0;
  for (double value : expected) scale = std::max(scale, std::fabs(value));
  REQUIRE(scale > 1e-4);
  for (int64_t i = 0; i < kElements; ++i) EXPECT_NEAR(attribution.real(index * kElements + i), expected[static_cast<size_t>(i)], tolerance * scale);
}

void expectSame(const EnsembleResult& a, const EnsembleResult& b) {
  REQUIRE(a.attributions.size() == b.attributions.size());
  for (size_t i = 0; i < a.attributions.size(); ++i) EXPECT_TRUE(sameBits(a.attributions[i].second, b.attributions[i].second));
  EXPECT_TRUE(a.objective == b.objective);
  EXPECT_TRUE(a.baselineObjective == b.baselineObjective);
  EXPECT_TRUE(a.sums == b.sums);
  EXPECT_EQ(a.forwardPasses, b.forwardPasses);
}

/// Midpoint rule with `steps` points.
void setPath(EnsembleRequest& wanted, int64_t steps) {
  wanted.points.clear();
  wanted.weights.clear();
  for (int64_t k = 0; k < steps; ++k) {
    wanted.points.push_back((static_cast<double>(k) + 0.5) / static_cast<double>(steps));
    wanted.weights.push_back(1 / static_cast<double>(steps));
  }
}

}  // namespace

TEST(the_gradient_and_its_absolute_value_are_those_of_the_plan) {
  for (const char* device : {"cpu", "fake"}) {
    EnsembleRequest wanted = request(device, 3, 2);
    const HostTensor x = *wanted.inputs[0];
    const EnsembleResult plain = result(wanted);
    wanted.quantity = Quantity::Absolute;
    const EnsembleResult absolute = result(wanted);
    wanted.quantity = Quantity::InputTimesGradient;
    const EnsembleResult times = result(wanted);
    EXPECT_EQ(plain.forwardPasses, int64_t{3});
    for (int64_t n = 0; n < 3; ++n) {
      AtPoint expected = at(item(x, n));
      EXPECT_NEAR(plain.objective[static_cast<size_t>(n)], expected.objective, 1e-6);
      expectItem(plain.attributions[0].second, n, expected.gradient);
      std::vector<double> product(kElements), size(kElements);
      double sum = 0;
      for (size_t i = 0; i < kElements; ++i) {
        size[i] = std::fabs(expected.gradient[i]);
        product[i] = expected.gradient[i] * item(x, n)[i];
        sum += product[i];
      }
      expectItem(absolute.attributions[0].second, n, size);
      expectItem(times.attributions[0].second, n, product);
      EXPECT_NEAR(times.sums[static_cast<size_t>(n)], sum, 1e-5);
    }
  }
}

TEST(a_single_pass_is_weighted_and_squared_like_many) {
  const auto single = [](double weight, Statistic statistic) {
    EnsembleRequest wanted = request("cpu", 2, 2);
    wanted.weights = {weight};
    wanted.statistic = statistic;
    return result(std::move(wanted)).attributions[0].second;
  };
  const HostTensor plain = single(1, Statistic::Mean), half = single(0.5, Statistic::Mean), squares = single(1, Statistic::MeanSquare), spread = single(1, Statistic::BiasedVariance);
  double most = 0;
  for (int64_t i = 0; i < plain.shape().count(); ++i) {
    most = std::max(most, std::fabs(plain.real(i)));
    EXPECT_EQ(half.real(i), 0.5 * plain.real(i));
    EXPECT_EQ(squares.real(i), static_cast<double>(static_cast<float>(plain.real(i) * plain.real(i))));
    EXPECT_EQ(spread.real(i), 0.0);
  }
  EXPECT_TRUE(most > 1e-3);
}

TEST(integrated_gradients_add_up_the_path) {
  for (const char* device : {"cpu", "fake"}) {
    EnsembleRequest wanted = request(device, 2, 3);
    wanted.baselines = {uniform(Shape{1, 2, 6, 6}, 30, -0.2, 0.2)};
    wanted.quantity = Quantity::Integrated;
    setPath(wanted, 7);
    const EnsembleResult got = result(wanted);
    const std::vector<double> origin = item(*wanted.baselines[0], 0);
    for (int64_t n = 0; n < 2; ++n) {
      const std::vector<double> x = item(*wanted.inputs[0], n);
      std::vector<double> expected(kElements, 0.0);
      for (size_t k = 0; k < 7; ++k) {
        std::vector<double> point(kElements);
        for (size_t i = 0; i < kElements; ++i) point[i] = origin[i] + wanted.points[k] * (x[i] - origin[i]);
        const AtPoint there = at(point);
        for (size_t i = 0; i < kElements; ++i) expected[i] += wanted.weights[k] * there.gradient[i] * (x[i] - origin[i]);
      }
      expectItem(got.attributions[0].second, n, expected);
      EXPECT_NEAR(got.objective[static_cast<size_t>(n)], at(x).objective, 1e-6);
      EXPECT_NEAR(got.baselineObjective[static_cast<size_t>(n)], at(origin).objective, 1e-6);
    }
    EXPECT_EQ(got.forwardPasses, int64_t{2 * 7 + 2 + 1});

    // Completeness: finer paths come closer to f(x) - f(x').
    setPath(wanted, 200);
    const EnsembleResult fine = result(wanted);
    for (size_t n = 0; n < 2; ++n) EXPECT_NEAR(fine.sums[n], fine.objective[n] - fine.baselineObjective[n], 2e-3);
  }
}

TEST(noise_is_averaged_by_every_statistic) {
  constexpr int64_t samples = 5;
  EnsembleRequest wanted = request("cpu", 2, 4);
  wanted.samples = samples;
  wanted.seed = 42;
  wanted.sigma = {{0.3, 0.5}};
  std::vector<EnsembleResult> got;
  for (const Statistic statistic : {Statistic::Mean, Statistic::MeanSquare, Statistic::Variance, Statistic::BiasedVariance}) {
    wanted.statistic = statistic;
    got.push_back(result(wanted));
  }
  for (int64_t n = 0; n < 2; ++n) {
    std::vector<double> mean(kElements, 0.0), square(kElements, 0.0);
    for (uint32_t s = 0; s < samples; ++s) {
      const RandomStream stream(42, static_cast<uint64_t>(n), s);
      std::vector<double> point = item(*wanted.inputs[0], n);
      for (size_t i = 0; i < kElements; ++i) point[i] += wanted.sigma[0][static_cast<size_t>(n)] * stream.normal(i);
      const AtPoint there = at(point);
      for (size_t i = 0; i < kElements; ++i) {
        mean[i] += there.gradient[i] / samples;
        square[i] += there.gradient[i] * there.gradient[i] / samples;
      }
    }
    std::vector<double> biased(kElements), unbiased(kElements);
    for (size_t i = 0; i < kElements; ++i) {
      biased[i] = square[i] - mean[i] * mean[i];
      unbiased[i] = biased[i] * samples / (samples - 1);
    }
    expectItem(got[0].attributions[0].second, n, mean, 1e-5);
    expectItem(got[1].attributions[0].second, n, square, 1e-5);
    expectItem(got[2].attributions[0].second, n, unbiased, 1e-5);
    expectItem(got[3].attributions[0].second, n, biased, 1e-5);
  }
}

TEST(every_quantity_is_bit_equal_on_the_fake_device) {
  for (const int threads : {1, 2}) {
    for (const Quantity quantity : {Quantity::Gradient, Quantity::Absolute, Quantity::InputTimesGradient, Quantity::Integrated}) {
      const auto on = [&](const char* device) {
        EnsembleRequest wanted = request(device, 3, 4);
        wanted.quantity = quantity;
        wanted.samples = 3;
        wanted.sigma = {{0.1, 0, 0.2}};
        wanted.statistic = Statistic::Variance;
        if (quantity == Quantity::Integrated) {
          wanted.baselines = {uniform(Shape{3, 2, 6, 6}, 31)};
          setPath(wanted, 5);
        }
        return result(wanted, threads);
      };
      expectSame(on("cpu"), on("fake"));
    }
  }
}

TEST(noise_does_not_depend_on_batching) {
  EnsembleRequest both = request("cpu", 2, 3);
  both.samples = 4;
  both.sigma = {{0.3, 0.3}};
  both.itemKeys = {11, 5};
  const EnsembleResult together = result(both);
  EnsembleRequest alone = request("cpu", 1, 2);
  HostTensor second(DType::F32, Shape{1, 2, 6, 6});
  std::memcpy(second.mutableData(), both.inputs[0]->as<float>() + kElements, kElements * sizeof(float));
  alone.inputs = {second};
  alone.samples = 4;
  alone.sigma = {{0.3}};
  alone.itemKeys = {5};
  expectItem(together.attributions[0].second, 1, item(result(alone).attributions[0].second, 0), 1e-5);
}

TEST(an_ensembles_memory_is_bounded_and_does_not_grow_with_steps_or_samples) {
  for (const char* device : {"cpu", "fake"}) {
    const auto peakOf = [&](int64_t steps, int64_t samples, size_t limit) {
      EnsembleRequest wanted = request(device, 2, 4);
      wanted.baselines = {uniform(Shape{1, 2, 6, 6}, 31)};
      wanted.quantity = Quantity::Integrated;
      setPath(wanted, steps);
      wanted.samples = samples;
      if (samples > 1) wanted.sigma = {{0.1, 0.1}};
      wanted.budget = std::make_shared<MemoryBudget>(limit);
      const size_t peak = result(wanted).peakBytes;
      EXPECT_EQ(wanted.budget->current(), size_t{0});
      return peak;
    };
    const size_t peak = peakOf(8, 1, MemoryBudget::unlimited);
    EXPECT_EQ(peakOf(300, 1, MemoryBudget::unlimited), peak);
    EXPECT_EQ(peakOf(8, 20, MemoryBudget::unlimited), peakOf(8, 4, MemoryBudget::unlimited));
    EXPECT_EQ(peakOf(8, 1, peak), peak);
    EXPECT_THROWS_CODE(peakOf(8, 1, peak - 1), "OUT_OF_MEMORY_BUDGET");
  }
}

TEST(nan_that_came_in_is_no_nodes_fault_and_what_a_node_made_names_it) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, prepend(1, kItem));
  Builder b(graph);
  const ValueId objective = b.node("mean", {b.node("mul", {x, x})}, {{"axes", std::vector<int64_t>{1, 2, 3}}, {"keepDims", int64_t{0}}});
  HostTensor one(DType::F32, Shape{1, 1});
  *static_cast<float*>(one.mutableData()) = 1;
  graph.outputs = {b.node("vjp", {objective, b.constant(one), x}, {{"outputs", int64_t{1}}}), objective};
  EnsembleRequest wanted = request("cpu", 3, 1);
  wanted.plan = compile(graph, std::make_shared<Parameters>(), {});
  const std::vector<double> sound = result(wanted).objective;
  const auto withFirst = [&](float value) {
    HostTensor changed = uniform(prepend(3, kItem), 7);
    *static_cast<float*>(changed.mutableData()) = value;
    wanted.inputs = {changed};
    return result(wanted).objective;
  };
  const std::vector<double> found = withFirst(std::nanf(""));
  EXPECT_TRUE(std::isnan(found[0]));
  EXPECT_TRUE(found[1] == sound[1] && found[2] == sound[2]);
  EXPECT_THROWS_CODE(withFirst(3e38f), "NOT_FINITE");
}
