#include <cstring>
#include <functional>

#include "cpu_support.h"
#include "device_support.h"
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

struct Case {
  const char* note;
  Shape data;
  std::function<ValueId(Builder&, ValueId)> make;
  std::string fused;
};

void expectBitsOfSteps(const Case& each, const std::vector<std::string>& pinned = {}) {
  Graph graph;
  Builder b(graph);
  const ValueId y = each.make(b, graph.addInput("x", DType::F32, each.data));
  graph.outputs.insert(graph.outputs.begin(), y);
  std::shared_ptr<const Plan> plans[2];
  for (const bool isFused : {false, true}) {
    CompileOptions options;
    options.pinned = pinned;
    if (!isFused) options.withoutPasses.emplace_back("fuse-product");
    plans[isFused] = compile(graph, std::make_shared<Parameters>(), options);
  }
  if (opsOf(*plans[1]) != each.fused) fail(__FILE__, __LINE__, (std::string(each.note) + ": " + opsOf(*plans[1])).c_str());
  EXPECT_TRUE(opsOf(*plans[0]).find("fused") == std::string::npos);
  const HostTensor x = floats(each.data, 7), expected = outputsOf(plans[0], {x})[0];
  for (const int threads : {1, 3})
    if (!sameBits(outputsOf(plans[1], {x}, threads)[0], expected)) fail(__FILE__, __LINE__, each.note);
}

ValueId timesMatrix(Builder& b, ValueId x, const Shape& weights, const Attributes& attributes = {}) { return b.node("matMul", {x, b.constant(floats(weights, 5))}, attributes); }

/// A row of results is finished in runs of 512 columns, each with its own part of the bias.
TEST(wide_products_take_the_part_of_a_bias_that_is_theirs) {
  for (const int64_t rows : {1, 37})
    expectBitsOfSteps({"wide", {rows, 24}, [&](Builder& b, ValueId x) {
                         return b.node("gelu", {b.add(b.constant(floats({rows, 1301}, 8)), b.add(timesMatrix(b, x, {24, 1301}), b.constant(floats({1301}, 6))))}, {{"approximate", std::string("tanh")}});
                       }, "fusedMatMul"});
}

/// The numbers of a single column lie behind each other, and the one value of the bias is for all of them.
TEST(products_of_one_column_have_one_bias) {
  for (const Shape& weights : {Shape{24, 1}, Shape{3, 24, 1}})
    for (const bool isResidual : {false, true})
      expectBitsOfSteps({"one column", {3, 50, 24}, [&](Builder& b, ValueId x) {
                           const ValueId y = b.add(timesMatrix(b, x, weights), b.constant(floats({1}, 6)));
                           return isResidual ? b.add(y, b.constant(floats({3, 50, 1}, 8))) : y;
                         }, "fusedMatMul"});
}

/// Sums have the order of the nodes: a product adds its bias first.
TEST(a_product_takes_what_it_can_add_in_the_same_order) {
  const auto bias = [](Builder& b, int64_t seed) { return b.constant(floats({24}, static_cast<uint64_t>(seed))); };
  const auto residual = [](Builder& b, int64_t seed) { return b.constant(floats({7, 24}, static_cast<uint64_t>(seed))); };
  const auto product = [](Builder& b, ValueId x) { return timesMatrix(b, x, {24, 24}); };
  const Shape rows{7, 24};
  expectBitsOfSteps({"residual, then bias", rows, [&](Builder& b, ValueId x) { return b.add(b.add(product(b, x), residual(b, 1)), bias(b, 2)); }, "fusedMatMul add"});
  expectBitsOfSteps({"two residuals", rows, [&](Builder& b, ValueId x) { return b.add(b.add(product(b, x), residual(b, 1)), residual(b, 2)); }, "fusedMatMul add"});
  expectBitsOfSteps({"two biases", rows, [&](Builder& b, ValueId x) { return b.add(b.add(product(b, x), bias(b, 1)), bias(b, 2)); }, "fusedMatMul add"});
  expectBitsOfSteps({"a residual that is another product", rows, [&](Builder& b, ValueId x) {
                       const ValueId first = product(b, x);
                       return b.node("silu", {b.add(b.add(first, bias(b, 3)), b.node("matMul", {x, b.constant(floats({24, 24}, 9))}))});
                     }, "matMul fusedMatMul"});
}

/// One number for each row is no bias, nor is what has fewer axes than the result or more.
TEST(a_product_leaves_what_is_broadcast_otherwise) {
  const auto other = [](const Shape& shape) { return [shape](Builder& b, ValueId x) { return b.add(timesMatrix(b, x, {24, 24}), b.constant(floats(shape, 1))); }; };
  for (const Shape& shape : {Shape{7, 1}, Shape{1, 24}, Shape{1}, Shape{2, 7, 24}}) expectBitsOfSteps({"broadcast", {7, 24}, other(shape), "matMul add"});
  expectBitsOfSteps({"times a vector", {7, 24}, [](Builder& b, ValueId x) { return b.add(timesMatrix(b, x, {24}), b.constant(floats({7}, 1))); }, "matMul add"});
  expectBitsOfSteps({"transposed", {24, 7}, [](Builder& b, ValueId x) { return b.add(timesMatrix(b, x, {24, 24}, {{"transposeA", int64_t{1}}}), b.constant(floats({24}, 1))); }, "matMul add"});
  expectBitsOfSteps({"of a vector", {24}, [](Builder& b, ValueId x) { return b.add(timesMatrix(b, x, {24, 7}), b.constant(floats({7}, 1))); }, "matMul add"});
  expectBitsOfSteps({"twice itself", {7, 24}, [](Builder& b, ValueId x) {
                       const ValueId y = timesMatrix(b, x, {24, 24});
                       return b.add(y, y);
                     }, "matMul add"});
}

TEST(a_product_that_others_see_stays) {
  for (const bool isPinned : {false, true}) {
    const auto make = [&](Builder& b, ValueId x) {
      const ValueId product = timesMatrix(b, x, {24, 24});
      if (isPinned) b.graph().value(product).name = "product";
      else b.graph().outputs.push_back(product);
      return b.add(product, b.constant(floats({24}, 1)));
    };
    expectBitsOfSteps({isPinned ? "pinned" : "an output", {7, 24}, make, "matMul add"}, isPinned ? std::vector<std::string>{"product"} : std::vector<std::string>{});
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
