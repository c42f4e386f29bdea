#include "autodiff_support.h"
#include "harness.h"

/// The worked examples of the gradient family, to the last digit.
using namespace ascribe;
using namespace ascribe::test;

namespace {

ValueId dense(Builder& b, ValueId x, const HostTensor& weights, const HostTensor& bias) {
  return b.add(b.node("matMul", {x, b.constant(weights)}, {{"transposeB", int64_t{1}}}), b.constant(bias));
}

struct Explained {
  double value;
  HostTensor gradient, inputTimesGradient;
};
Explained explain(const Body& body, const HostTensor& x) {
  Function f = function({x}, body);
  Function g = gradientOf(f);
  Builder b(g.graph);
  g.outputs.push_back(b.mul(g.outputs[0], g.inputs[0]));
  const HostTensor y = call(f, {x})[0];
  const std::vector<HostTensor> found = call(g, {x, filled(prepend(1, y.shape()), 1)});
  return {y.real(0), found[0], found[1]};
}

}  // namespace

TEST(example_a) {
  const Explained e = explain(
      [](Builder& b, const std::vector<ValueId>& x) {
        const ValueId z = dense(b, x[0], tensor({4, 3}, {1, -2, .5, -1, 1, 1, .5, .5, -1, 1, 1, 1}), tensor({4}, {.1, -.2, .3, -.5}));
        return std::vector<ValueId>{dense(b, b.node("relu", {z}), tensor({1, 4}, {1, -1.5, 2, .5}), tensor({1}, {.25}))};
      },
      tensor({1, 3}, {1, .5, -.5}));
  EXPECT_NEAR(e.value, 3.6, 1e-14);
  EXPECT_CLOSE(e.gradient, tensor({1, 1, 3}, {1.5, 1.5, -1.5}), 1e-14);
  EXPECT_CLOSE(e.inputTimesGradient, tensor({1, 1, 3}, {1.5, .75, .75}), 1e-14);
}

TEST(example_b) {
  const Explained e = explain(
      [](Builder& b, const std::vector<ValueId>& x) {
        const ValueId h1 = b.node("relu", {dense(b, x[0], tensor({3, 2}, {1, -1, 2, 1, -1, .5}), tensor({3}, {.5, -1, 0}))});
        const ValueId h2 = b.node("relu", {dense(b, h1, tensor({2, 3}, {1, -1, .5, -.5, 1, 1}), tensor({2}, {.2, -.5}))});
        return std::vector<ValueId>{dense(b, h2, tensor({1, 2}, {1, -2}), tensor({1}, {0}))};
      },
      tensor({1, 2}, {1, 2}));
  EXPECT_NEAR(e.value, -5, 1e-14);
  // z1[2] is exactly 0: relu'(0) = 0 decides this gradient.
  EXPECT_CLOSE(e.gradient, tensor({1, 1, 2}, {-4, -2}), 1e-14);
  EXPECT_CLOSE(e.inputTimesGradient, tensor({1, 1, 2}, {-4, -4}), 1e-14);
}

TEST(relu_written_as_a_maximum_has_the_same_gradient_at_zero) {
  for (const bool swapped : {false, true}) {
    const Function f = function({tensor({3}, {-1, 0, 2})}, [&](Builder& b, const std::vector<ValueId>& x) {
      const ValueId zero = b.constant(tensor({}, {0}));
      return std::vector<ValueId>{swapped ? b.node("max", {zero, x[0]}) : b.node("max", {x[0], zero})};
    });
    EXPECT_CLOSE(call(gradientOf(f), {tensor({3}, {-1, 0, 2}), filled({1, 3}, 1)})[0], tensor({1, 3}, {0, 0, 1}), 0);
  }
}

TEST(a_tie_of_two_varying_operands_goes_whole_to_the_first) {
  const HostTensor x = tensor({2}, {1, 3}), y = tensor({2}, {1, 2});
  for (const char* op : {"max", "min"}) {
    const Function f = function({x, y}, [&](Builder& b, const std::vector<ValueId>& in) { return std::vector<ValueId>{b.node(op, {in[0], in[1]})}; });
    const auto found = call(gradientOf(f), {x, y, filled({1, 2}, 1)});
    EXPECT_NEAR(found[0].real(0), 1, 0);
    EXPECT_NEAR(found[1].real(0), 0, 0);
  }
}
