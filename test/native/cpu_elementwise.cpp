#include <cmath>
#include <functional>

#include "cpu_support.h"
#include "harness.h"
#include "isa_scope.h"
#include "kernels/cpu/math_kernels.h"

namespace ascribe::test {
namespace {

HostTensor withSpecials(const Shape& shape, uint64_t seed, double low, double high) {
  HostTensor t = floats(shape, seed, low, high);
  const float inf = std::numeric_limits<float>::infinity();
  const float special[] = {0.0f, 1e-3f, -1e-3f, 20.0f, -20.0f, 3.0f, -3.0f, 1e30f, -1e30f, 0.5f, 1.5f, 2.5f, -0.5f, std::nanf(""), inf};
  for (size_t i = 0; i < std::size(special) && static_cast<int64_t>(i) < shape.count(); ++i) static_cast<float*>(t.mutableData())[i * 3] = special[i];
  return t;
}

TEST(unary) {
  for (const char* op : {"neg", "abs", "sign", "exp", "sqrt", "reciprocal", "floor", "ceil", "round", "tanh", "sigmoid", "relu", "softplus", "silu", "erf",
                         "hardSwish", "leakyRelu", "elu", "celu", "selu", "thresholdedRelu", "hardSigmoid", "gelu", "log", "mish", "softsign", "sin", "cos", "atan"}) {
    const bool grows = std::string_view(op) == "exp";
    for (const int64_t n : {1, 7, 45, 131})
      EXPECT_LIKE_REFERENCE({.op = op, .inputs = {n < 50 ? floats({n}, 3, -4, 4) : floats({n}, 4, grows ? -80 : -9, grows ? 80 : 9)}, .tolerance = 1e-6});
  }
  for (const char* op : {"relu", "sigmoid", "tanh", "sign", "round", "clip", "exp", "log", "softplus", "leakyRelu"}) {
    Attributes a;
    if (std::string_view(op) == "clip") a = {{"min", -0.75}, {"max", 6.0}};
    EXPECT_LIKE_REFERENCE({.op = op, .inputs = {withSpecials({3, 50}, 5, -4, 4)}, .attributes = a, .tolerance = 1e-6});
  }
  EXPECT_LIKE_REFERENCE({.op = "gelu", .inputs = {floats({999}, 6, -6, 6)}, .attributes = {{"approximate", std::string("tanh")}}, .tolerance = 1e-6});
  EXPECT_LIKE_REFERENCE({.op = "relu", .inputs = {floats({3, 40001}, 7)}, .tolerance = 0});
}

TEST(broadcasting) {
  struct Pair {
    Shape a, b;
  };
  for (const Pair& p : {Pair{{5, 33}, {5, 33}}, Pair{{5, 33}, {}}, Pair{{}, {5, 33}}, Pair{{5, 33}, {33}}, Pair{{5, 33}, {5, 1}}, Pair{{2, 7, 3, 5}, {7, 1, 1}},
                        Pair{{2, 1, 3, 1}, {1, 7, 1, 5}}, Pair{{1, 3, 1}, {4, 1, 6}}, Pair{{1}, {1}}, Pair{{3, 0, 2}, {1, 1, 2}}, Pair{{200, 300}, {300}}, Pair{{3, 70000}, {3, 1}}})
    for (const char* op : {"add", "sub", "mul", "div", "min", "max", "prelu"})
      EXPECT_LIKE_REFERENCE({.op = op, .inputs = {floats(p.a, 1), floats(p.b, 2, 0.5, 2)}, .tolerance = 1e-7});
  const HostTensor nan = floatsOf({4}, {std::nanf(""), 1, std::nanf(""), 2}), other = floatsOf({4}, {1, std::nanf(""), std::nanf(""), 3});
  for (const char* op : {"min", "max"}) EXPECT_LIKE_REFERENCE({.op = op, .inputs = {nan, other}});
  for (const float exponent : {2.0f, 3.0f, 0.5f, -1.0f, 1.7f})
    EXPECT_LIKE_REFERENCE({.op = "pow", .inputs = {floats({4, 9}, 1, 0.1, 3), floatsOf({}, {exponent})}});
  EXPECT_LIKE_REFERENCE({.op = "pow", .inputs = {floats({4, 9}, 1, 0.1, 3), floats({9}, 2, -2, 2)}});
}

TEST(comparisonsAndSelection) {
  const HostTensor a = floatsOf({2, 3}, {1, 2, 3, 4, std::nanf(""), 6}), b = floatsOf({3}, {1, 5, 3});
  for (const char* op : {"equal", "less", "lessOrEqual", "greater", "greaterOrEqual"}) {
    EXPECT_LIKE_REFERENCE({.op = op, .inputs = {a, b}});
    EXPECT_LIKE_REFERENCE({.op = op, .inputs = {HostTensor::ofIntegers({1, -2, 3}), HostTensor::ofIntegers({1, 2, -3})}});
  }
  HostTensor condition(DType::Bool, {2, 1, 3});
  for (int i = 0; i < 6; ++i) static_cast<uint8_t*>(condition.mutableData())[i] = i % 2;
  EXPECT_LIKE_REFERENCE({.op = "where", .inputs = {condition, floats({4, 3}, 1), floats({}, 2)}, .tolerance = 0});
  EXPECT_LIKE_REFERENCE({.op = "where", .inputs = {condition, HostTensor::ofIntegers({1, 2, 3}), HostTensor::ofIntegers({7})}});
}

TEST(gates) {
  for (const char* op : {"reluGrad", "sigmoidGrad", "tanhGrad", "leakyReluGrad", "eluGrad", "clipGrad", "geluGrad", "siluGrad", "hardSwishGrad", "hardSigmoidGrad"})
    for (const int64_t k : {1, 3}) {
      Attributes a;
      if (std::string_view(op) == "clipGrad") a = {{"min", -0.5}, {"max", 1.5}};
      HostTensor saved = floats({2, 77}, 2, -4, 4);
      static_cast<float*>(saved.mutableData())[3] = 0;  // the kink of most
      EXPECT_LIKE_REFERENCE({.op = op, .inputs = {floats({k, 2, 77}, 1), saved}, .attributes = a, .tolerance = 1e-6});
    }
  EXPECT_LIKE_REFERENCE({.op = "geluGrad", .inputs = {floats({1, 99}, 1), floats({99}, 2, -5, 5)}, .attributes = {{"approximate", std::string("tanh")}}, .tolerance = 1e-6});
}

/// The largest relative error against the C library in double precision.
double worstError(cpu::Unary op, const std::function<double(double)>& truth, double low, double high, float a = 0) {
  constexpr int64_t kCount = 1 << 14;
  double worst = 0;
  for (int round = 0; round < 8; ++round) {
    const HostTensor x = floats({kCount}, static_cast<uint64_t>(round) + 11, low, high);
    std::vector<float> y(kCount);
    cpu::kernels().math->unary(op, x.as<float>(), y.data(), kCount, a, 0);
    for (int64_t i = 0; i < kCount; ++i) {
      const double expected = truth(static_cast<double>(x.as<float>()[i]));
      const double error = std::fabs(static_cast<double>(y[static_cast<size_t>(i)]) - expected) / std::max(std::fabs(expected), 1.2e-38);
      if (!(error <= worst)) worst = error;
    }
  }
  return worst;
}
TEST(accuracy) {
  for (const cpu::Isa isa : {cpu::Isa::Baseline, cpu::Isa::Neon, cpu::Isa::Avx2, cpu::Isa::Avx512}) {
    if (!cpu::isaAvailable(isa)) continue;
    const IsaScope capped(isa);
    using cpu::Unary;
    const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    EXPECT_NEAR(worstError(Unary::Exp, [](double x) { return std::exp(x); }, -87, 88.7), 0, 1.2e-7);
    EXPECT_NEAR(worstError(Unary::Log, [](double x) { return std::log(x); }, 1e-30, 3), 0, 1.2e-7);
    EXPECT_NEAR(worstError(Unary::Log, [](double x) { return std::log(x); }, 1, 1e30), 0, 1.2e-7);
    EXPECT_NEAR(worstError(Unary::Tanh, [](double x) { return std::tanh(x); }, -10, 10), 0, 2e-7);
    EXPECT_NEAR(worstError(Unary::Tanh, [](double x) { return std::tanh(x); }, -0.7, 0.7), 0, 2e-7);
    EXPECT_NEAR(worstError(Unary::Sigmoid, sigmoid, -86, 20), 0, 2e-7);
    EXPECT_NEAR(worstError(Unary::Erf, [](double x) { return std::erf(x); }, -5, 5), 0, 2e-7);
    EXPECT_NEAR(worstError(Unary::Softplus, [](double x) { return std::log1p(std::exp(x)); }, -80, 80), 0, 2.5e-7);
    EXPECT_NEAR(worstError(Unary::Silu, [&](double x) { return x * sigmoid(x); }, -80, 20), 0, 2.5e-7);
    EXPECT_NEAR(worstError(Unary::Elu, [](double x) { return x < 0 ? std::expm1(x) : x; }, -20, 5, 1), 0, 2e-7);
    // The tail below -5 is where erf-based forms lose every digit.
    EXPECT_NEAR(worstError(Unary::Gelu, [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }, -12, 10), 0, 4e-7);
  }
}

/// GELU and its derivative, densely and where a float ends: results below the normal range, the infinities, NaN and -0.
TEST(geluAccuracy) {
  const auto cdf = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); };
  const auto slope = [](double x) { return x * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0)); };
  constexpr int64_t kCount = 300001;
  std::vector<float> x(kCount), y(kCount), gradient(kCount);
  const std::vector<float> ones(kCount, 1.0f);
  for (int64_t i = 0; i < kCount; ++i) x[static_cast<size_t>(i)] = static_cast<float>(i - kCount / 2) * 1e-4f;  // -15 to 15
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> ends = {-0.0f, 0.0f, 1e-40f, -1e-40f, 3e38f, -3e38f, inf, std::nanf("")};
  for (const cpu::Isa isa : {cpu::Isa::Baseline, cpu::Isa::Neon, cpu::Isa::Avx2, cpu::Isa::Avx512}) {
    if (!cpu::isaAvailable(isa)) continue;
    const IsaScope capped(isa);
    const cpu::MathKernels& math = *cpu::kernels().math;
    math.unary(cpu::Unary::Gelu, x.data(), y.data(), kCount, 0, 0);
    math.binary(cpu::Binary::GeluGrad, cpu::Steps::Both, ones.data(), x.data(), gradient.data(), kCount, 0, 0);
    double worst = 0, worstGradient = 0, worstTiny = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const auto v = static_cast<double>(x[i]);
      const double error = std::fabs(static_cast<double>(y[i]) - v * cdf(v));
      // The derivative is a sum of which one part cancels the other; what a float can keep is relative to the parts.
      const double gradientError = std::fabs(static_cast<double>(gradient[i]) - (slope(v) + cdf(v)));
      if (v < -12) {
        worstTiny = std::max(worstTiny, error - 4e-7 * std::fabs(v * cdf(v)));
        worstTiny = std::max(worstTiny, gradientError - 4e-7 * std::fabs(slope(v)));
      } else {
        if (v != 0) worst = std::max(worst, error / std::fabs(v * cdf(v)));
        worstGradient = std::max(worstGradient, gradientError / (std::fabs(slope(v)) + cdf(v)));
      }
    }
    EXPECT_NEAR(worst, 0, 4e-7);
    EXPECT_NEAR(worstGradient, 0, 4e-7);
    EXPECT_NEAR(worstTiny, 0, 15 * 1.5e-45);  // a step of the smallest numbers, times |x|
    float value[8], slopes[8];
    math.unary(cpu::Unary::Gelu, ends.data(), value, 8, 0, 0);
    math.binary(cpu::Binary::GeluGrad, cpu::Steps::Both, ones.data(), ends.data(), slopes, 8, 0, 0);
    const float expected[] = {-0.0f, 0.0f, 5e-41f, -5e-41f, 3e38f, -0.0f, inf}, expectedSlopes[] = {0.5f, 0.5f, 0.5f, 0.5f, 1, 0};
    for (size_t i = 0; i < std::size(expected); ++i) EXPECT_TRUE(value[i] == expected[i] && std::signbit(value[i]) == std::signbit(expected[i]));
    for (size_t i = 0; i < std::size(expectedSlopes); ++i) EXPECT_EQ(slopes[i], expectedSlopes[i]);
    EXPECT_TRUE(std::isnan(value[7]) && std::isnan(slopes[7]));
  }
}

}  // namespace
}  // namespace ascribe::test
