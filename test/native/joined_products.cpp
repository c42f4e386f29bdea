#include "cpu_support.h"
#include "device_support.h"
#include "graph/convert.h"
#include "harness.h"
#include "isa_scope.h"
#include "plan_support.h"

/// Products of the same rows as one node, on the processor: the same bits as one after the other.
namespace ascribe::test {
namespace {

const cpu::Isa kIsas[] = {cpu::Isa::Baseline, cpu::Isa::Neon, cpu::Isa::Avx2, cpu::Isa::Avx512, cpu::Isa::Avx512Bf16};

struct Form {
  const char* note;
  Shape data;
  std::vector<int64_t> columns;
  bool transposed;
};
/// 2 MB of rows are what is worth joining.
const Form kForms[] = {{"queries, keys and values", Shape{1, 1900, 280}, {290, 33, 32}, true},
                       {"deep", Shape{420, 1301}, {17, 300}, false},
                       {"few rows", Shape{2, 3, 88000}, {5, 3}, true},
                       {"one column", Shape{3, 2300, 77}, {1, 40, 1, 2}, false}};

ValueId product(Builder& b, ValueId x, int64_t columns, bool transposed, uint64_t seed) {
  const int64_t depth = b.shape(x).at(-1);
  return b.node("matMul", {x, b.constant(floats(transposed ? Shape{columns, depth} : Shape{depth, columns}, seed, -0.3, 0.3))}, {{"transposeB", int64_t{transposed}}});
}
std::shared_ptr<const Plan> planOf(const Graph& graph, bool rounds = false, std::vector<std::string> without = {}) {
  CompileOptions options;
  options.withoutPasses = std::move(without);
  if (rounds) options.specialise.products = DType::BF16;
  return compile(graph, std::make_shared<Parameters>(), options);
}
int64_t joinedIn(const Plan& plan) { return nodesOf(plan, "joinedMatMul"); }

TEST(joined_products_have_the_bits_of_each) {
  for (const cpu::Isa isa : kIsas) {
    if (!cpu::isaAvailable(isa)) continue;
    const IsaScope capped(isa);
    const bool rounds = isa == cpu::Isa::Avx512Bf16;
    for (const Form& form : kForms) {
      Graph graph;
      Builder b(graph);
      const ValueId x = graph.addInput("x", DType::F32, form.data);
      for (const int64_t columns : form.columns) graph.outputs.push_back(product(b, x, columns, form.transposed, 5 + graph.outputs.size()));
      const auto joined = planOf(graph, rounds), apart = planOf(graph, rounds, {"join-products"});
      EXPECT_EQ(joinedIn(*joined), 1);
      EXPECT_EQ(nodesOf(*joined, "matMul"), 0);
      EXPECT_EQ(joinedIn(*apart), 0);
      const std::vector<HostTensor> data{floats(form.data, 3)}, expected = outputsOf(apart, data);
      for (const int threads : {1, 2, 3}) {
        const std::vector<HostTensor> got = outputsOf(joined, data, threads);
        for (size_t i = 0; i < expected.size(); ++i)
          if (!sameBits(got[i], expected[i])) fail(__FILE__, __LINE__, form.note);
      }
    }
  }
}

TEST(joined_products_are_near_the_reference_in_double_sums) {
  for (const int64_t transposed : {0, 1}) {
    const auto weights = [&](int64_t columns, uint64_t seed) { return floats(transposed ? Shape{columns, 24} : Shape{24, columns}, seed, -0.4, 0.4); };
    EXPECT_LIKE_REFERENCE({"joinedMatMul", {floats({2, 5, 24}, 1), weights(56, 2), weights(3, 3)}, {{"transposeB", transposed}}, 2, 2e-6, {1, 2}});
    EXPECT_LIKE_REFERENCE({"joinedMatMul", {floats({300, 24}, 1), convert(weights(7, 2), DType::BF16), convert(weights(40, 3), DType::F16), weights(11, 4)}, {{"transposeB", transposed}}, 3, 2e-6, {3}});
  }
}

/// Others may read the results in any way: they stay values, also those that are pinned.
TEST(joined_products_are_values_for_everybody) {
  Graph graph;
  Builder b(graph);
  const Shape data{1900, 280};
  const ValueId x = graph.addInput("x", DType::F32, data), y = product(b, x, 40, true, 5), z = product(b, x, 40, true, 6);
  graph.value(z).name = "z";
  graph.outputs = {b.node("silu", {y}), b.mul(y, z), y};
  CompileOptions options;
  options.pinned = {"z"};
  const auto joined = compile(graph, std::make_shared<Parameters>(), options);
  EXPECT_EQ(joinedIn(*joined), 1);
  const auto apart = planOf(graph, false, {"join-products"});
  const std::vector<HostTensor> got = outputsOf(joined, {floats(data, 3)}), expected = outputsOf(apart, {floats(data, 3)});
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(sameBits(got[i], expected[i]));
}

/// As every layer of a decoder makes keys and values of what the encoder gave: those of one layer are held at a time.
TEST(products_of_the_same_rows_far_from_each_other_stay_apart) {
  Graph graph;
  Builder b(graph);
  constexpr int64_t kLayers = 8;
  const ValueId x = graph.addInput("x", DType::F32, Shape{1900, 280});
  ValueId y = graph.addInput("y", DType::F32, Shape{1900, 280});
  for (uint64_t layer = 0; layer < kLayers; ++layer) {
    const ValueId key = product(b, x, 280, true, 5 + 2 * layer), value = product(b, x, 280, true, 6 + 2 * layer);
    y = b.mul(b.mul(y, key), value);
    for (int n = 0; n < 10; ++n) y = b.node("softmax", {y}, {{"axis", int64_t{-1}}});
  }
  graph.outputs = {y};
  const auto joined = planOf(graph), apart = planOf(graph, false, {"join-products"});
  EXPECT_EQ(joinedIn(*joined), kLayers);
  EXPECT_TRUE(joined->arenaBytes() <= apart->arenaBytes() + size_t{1900} * 280 * 4);
  EXPECT_TRUE(sameBits(outputsOf(joined, {floats({1900, 280}, 3), floats({1900, 280}, 4)})[0], outputsOf(apart, {floats({1900, 280}, 3), floats({1900, 280}, 4)})[0]));
}

/// A vector is no rows, however long; and what may have to be computed again is one product at a time.
TEST(products_of_a_vector_and_those_of_activations_computed_again_stay_apart) {
  const auto two = [](Shape data, bool hasGradient, std::optional<size_t> recompute) {
    Graph graph;
    Builder b(graph);
    const ValueId x = graph.addInput("x", DType::F32, data);
    const int64_t depth = data[data.rank() - 1];
    for (const uint64_t seed : {5, 6}) graph.outputs.push_back(b.node("matMul", {x, b.constant(floats({depth, 2}, seed))}));
    if (hasGradient) {
      const ValueId y = b.node("tanh", {graph.outputs[0]});
      const ValueId seeds = b.constant(floats({1, data[0], 2}, 9));
      graph.outputs.push_back(b.node("vjp", {y, seeds, x}, {{"outputs", int64_t{1}}}));
    }
    CompileOptions options;
    options.recompute = recompute;
    return joinedIn(*compile(graph, std::make_shared<Parameters>(), options));
  };
  EXPECT_EQ(two({8000, 70}, false, std::nullopt), 1);
  EXPECT_EQ(two({8000 * 70}, false, std::nullopt), 0);
  EXPECT_EQ(two({8000, 70}, true, std::nullopt), 1);
  EXPECT_EQ(two({8000, 70}, true, size_t{0}), 0);
}

TEST(products_that_do_not_read_the_same_rows_in_the_same_way_stay_apart) {
  constexpr int64_t kSize = 740;
  for (const std::string other : {"", "weights transposed", "data transposed", "other data", "weights given", "a vector", "an activation"}) {
    Graph graph;
    Builder b(graph);
    const ValueId x = graph.addInput("x", DType::F32, Shape{kSize, kSize}), w = graph.addInput("w", DType::F32, Shape{kSize, kSize});
    const auto matrix = [&](uint64_t seed) { return b.constant(floats({kSize, kSize}, seed, -0.1, 0.1)); };
    const ValueId first = b.node("matMul", {x, matrix(5)});
    const ValueId second = other == "weights given" ? b.node("matMul", {x, w})
                           : other == "a vector"    ? b.node("matMul", {x, b.constant(floats({kSize}, 6))})
                                                    : b.node("matMul", {other == "other data" ? w : x, matrix(6)},
                                                             {{"transposeA", int64_t{other == "data transposed"}}, {"transposeB", int64_t{other == "weights transposed"}}});
    // What fuse-product has taken is no product by itself.
    graph.outputs = {first, other == "an activation" ? b.node("silu", {second}) : second};
    EXPECT_EQ(joinedIn(*planOf(graph)), other.empty() ? 1 : 0);
  }
}

TEST(products_of_few_rows_on_the_reference_and_with_weights_that_change_stay_apart) {
  for (const bool isLarge : {false, true})
    for (const bool isReference : {false, true})
      for (const bool isFrozen : {false, true}) {
        Graph graph;
        Builder b(graph);
        const auto parameters = std::make_shared<Parameters>();
        const ValueId x = graph.addInput("x", DType::F32, Shape{isLarge ? 8000 : 7000, 70});
        for (const char* name : {"a", "c"}) {
          parameters->add(name, floats({70, 30}, 2));
          graph.outputs.push_back(b.node("matMul", {x, graph.addParameter(name, parameters->get(name).source)}));
        }
        CompileOptions options;
        options.frozenParameters = isFrozen;
        if (isReference) options.backends = {"reference"};
        EXPECT_EQ(joinedIn(*compile(graph, parameters, options)), isLarge && !isReference && isFrozen ? 1 : 0);
      }
}

}  // namespace
}  // namespace ascribe::test
