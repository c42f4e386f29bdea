#include "autodiff_support.h"
#include "harness.h"

/// Second and mixed derivatives of a small network: d/dθ and d/dx of <c, ∂f/∂x>.
using namespace ascribe;
using namespace ascribe::test;

TEST(reverse_over_reverse_of_an_mlp) {
  const std::vector<HostTensor> inputs{scattered({3, 4}, 1), scattered({4, 5}, 2), scattered({5}, 3), scattered({5, 2}, 4), scattered({2}, 5)};
  const Function f = function(inputs, [](Builder& b, const std::vector<ValueId>& in) {
    const ValueId h = b.node("softplus", {b.add(b.node("matMul", {in[0], in[1]}), in[2])});
    return std::vector<ValueId>{b.node("sigmoid", {b.add(b.node("matMul", {h, in[3]}), in[4])})};
  });
  EXPECT_TRUE(againstDifferences(f, inputs) < 1e-8);
  const Function g = gradientOf(f, 2);
  std::vector<HostTensor> all = inputs;
  all.push_back(scattered({2, 3, 2}, 6));
  EXPECT_TRUE(againstDifferences(g, all) < 1e-8);
}

TEST(a_third_derivative_exists_as_well) {
  const HostTensor x = scattered({4}, 1, .2, 1);
  const Function f = function({x}, [](Builder& b, const std::vector<ValueId>& in) { return std::vector<ValueId>{b.node("tanh", {b.mul(in[0], b.node("sin", {in[0]}))})}; });
  const Function g = gradientOf(f);
  const HostTensor s = filled({1, 4}, 1);
  const Function h = gradientOf(Function{g.graph, {g.inputs[0]}, g.outputs});
  Function closed = h;
  closed.inputs.insert(closed.inputs.begin() + 1, g.inputs[1]);
  EXPECT_TRUE(againstDifferences(closed, {x, s, scattered({1, 1, 4}, 3)}) < 1e-7);
}
