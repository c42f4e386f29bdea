#include <cstring>

#include "cpu_support.h"
#include "harness.h"
#include "plan_support.h"

/// Biases, residuals and activations in the product before them, on the processor: the same bits as one after the other.
namespace ascribe::test {
namespace {

/// activation(x w + bias + x'), over x [rows..., 24] and x' of the result's shape.
Graph blockOf(const Shape& rows, const char* activation, bool isResidual, bool isSquare) {
  Graph graph;
  Builder b(graph);
  Shape in = rows;
  in.push(24);
  const ValueId x = graph.addInput("x", DType::F32, in);
  // A right factor of its own for each leading index, or one for all.
  const ValueId w = b.constant(floats(isSquare ? Shape{rows[0], 24, 24} : Shape{24, 24}, 5));
  ValueId y = b.add(b.constant(floats({24}, 6)), b.node("matMul", {x, w}));
  if (isResidual) y = b.add(x, y);
  if (activation) y = b.node(activation, {y});
  graph.outputs = {y};
  return graph;
}
std::string opsOf(const Plan& plan) {
  std::string out;
  for (const Node& node : plan.graph().nodes) out += (out.empty() ? "" : " ") + node.op->name;
  return out;
}
std::shared_ptr<const Plan> planOf(Graph graph, std::vector<std::string> without = {}) {
  CompileOptions options;
  options.withoutPasses = std::move(without);
  return compile(std::move(graph), std::make_shared<Parameters>(), options);
}

TEST(products_take_what_is_added_to_them_with_the_same_bits) {
  for (const Shape& rows : {Shape{2}, Shape{31}, Shape{3, 70}, Shape{3, 2}, Shape{5, 1}})
    for (const char* activation : {static_cast<const char*>(nullptr), "gelu", "silu", "relu"})
      for (const bool isResidual : {false, true})
        for (const bool isSquare : {false, true}) {
          if (isSquare && rows.rank() == 1) continue;
          const Graph graph = blockOf(rows, activation, isResidual, isSquare);
          const auto fused = planOf(graph), apart = planOf(graph, {"fuse-product"});
          EXPECT_EQ(opsOf(*fused), std::string("fusedMatMul"));
          EXPECT_EQ(opsOf(*apart), std::string("matMul add") + (isResidual ? " add" : "") + (activation ? std::string(" ") + activation : ""));
          const HostTensor x = floats(graph.shape(graph.inputs[0]), 7), expected = outputsOf(apart, {x})[0];
          for (const int threads : {1, 2, 3}) {
            const HostTensor got = outputsOf(fused, {x}, threads)[0];
            EXPECT_EQ(std::memcmp(got.data(), expected.data(), expected.bytes()), 0);
          }
        }
}

TEST(a_value_that_a_gradient_reads_is_not_swallowed) {
  Graph graph = blockOf(Shape{2, 9}, "gelu", false, false);
  Builder b(graph);
  graph.outputs.push_back(b.node("vjp", {graph.outputs[0], b.constant(floats({1, 2, 9, 24}, 8)), graph.inputs[0]}, {{"outputs", int64_t{1}}}));
  EXPECT_EQ(opsOf(*planOf(graph)), std::string("fusedMatMul gelu geluGrad matMul"));
}

}  // namespace
}  // namespace ascribe::test
