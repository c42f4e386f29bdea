#include <array>

#include "cpu_support.h"
#include "device_support.h"
#include "graph/convert.h"
#include "graph/op.h"
#include "harness.h"
#include "isa_scope.h"
#include "kernels/cpu/isa.h"
#include "plan_support.h"

/// activation(x gate) * (x value) out as one node: the bits of its products one after the other.
namespace ascribe::test {
namespace {

struct Form {
  const char* note;
  Shape data;
  int64_t middle, columns;
  const char* activation;
  bool transposed = true, linearFirst = false;
};

/// 2 MB in the middle are what is worth joining.
const Form kForms[] = {{"decoder", Shape{1, 400, 70}, 1500, 52, "silu"},
                       {"uneven", Shape{3, 131, 33}, 1403, 17, "geluTanh", false},
                       {"deep", Shape{200, 1100}, 2701, 290, "gelu", true, true},
                       {"few rows", Shape{2, 3, 40}, 87400, 19, "silu"},
                       {"one number", Shape{600, 1}, 1100, 1, "silu", false, true}};

Shape weightsOf(const Form& form, int64_t from, int64_t to) { return form.transposed ? Shape{to, from} : Shape{from, to}; }

ValueId layer(Builder& b, const Form& form, ValueId x, ValueId* middle = nullptr) {
  const int64_t features = form.data.at(-1);
  const auto product = [&](ValueId a, int64_t from, int64_t to, uint64_t seed) {
    return b.node("matMul", {a, b.constant(floats(weightsOf(form, from, to), seed, -0.3, 0.3))}, {{"transposeB", int64_t{form.transposed}}});
  };
  const std::string name = form.activation;
  const ValueId gate = product(x, features, form.middle, 5), linear = product(x, features, form.middle, 6);
  const ValueId activated = name == "silu" ? b.node(name, {gate}) : b.node("gelu", {gate}, {{"approximate", std::string(name == "gelu" ? "none" : "tanh")}});
  if (middle) *middle = gate;
  return product(form.linearFirst ? b.mul(linear, activated) : b.mul(activated, linear), form.middle, form.columns, 7);
}

std::shared_ptr<const Plan> plan(const Form& form, const CompileOptions& options) {
  Graph graph;
  Builder b(graph);
  graph.outputs = {layer(b, form, graph.addInput("x", DType::F32, form.data))};
  return compile(graph, std::make_shared<Parameters>(), options);
}

TEST(a_gated_layer_has_the_bits_of_its_products) {
  for (const cpu::Isa isa : {cpu::Isa::Baseline, cpu::Isa::Neon, cpu::Isa::Avx2, cpu::Isa::Avx512, cpu::Isa::Avx512Bf16}) {
    if (!cpu::isaAvailable(isa)) continue;
    const IsaScope capped(isa);
    CompileOptions options, without;
    without.withoutPasses.emplace_back("fuse-gated-layer");
    const bool rounds = isa == cpu::Isa::Avx512Bf16;
    if (rounds) options.specialise.products = without.specialise.products = DType::BF16;
    for (const Form& form : kForms) {
      const auto joined = plan(form, options), apart = plan(form, without);
      // Products over fewer than 16 terms do not round, so there the three are not alike.
      EXPECT_EQ(nodesOf(*joined, "gatedLayer"), rounds && form.data.at(-1) < 16 ? 0 : 1);
      EXPECT_EQ(nodesOf(*apart, "gatedLayer"), 0);
      const HostTensor expected = outputsOf(apart, {floats(form.data, 3)})[0];
      for (const int threads : {1, 2, 3})
        if (!sameBits(outputsOf(joined, {floats(form.data, 3)}, threads)[0], expected)) fail(__FILE__, __LINE__, form.note);
    }
  }
}

/// What is added to a layer, on either side, is added in it; twice, only once.
TEST(a_gated_layer_takes_what_is_added_to_it_with_the_same_bits) {
  for (const cpu::Isa isa : {cpu::Isa::Baseline, cpu::Isa::Neon, cpu::Isa::Avx2, cpu::Isa::Avx512, cpu::Isa::Avx512Bf16}) {
    if (!cpu::isaAvailable(isa)) continue;
    const IsaScope capped(isa);
    for (const Form& form : kForms) {
      if (form.data.at(-1) < 16) continue;
      Shape shape = form.data;
      shape[shape.rank() - 1] = form.columns;
      for (const bool isFirst : {false, true}) {
        Graph graph;
        Builder b(graph);
        const ValueId x = graph.addInput("x", DType::F32, form.data), before = graph.addInput("before", DType::F32, shape), more = graph.addInput("more", DType::F32, shape), y = layer(b, form, x);
        graph.outputs = {b.add(isFirst ? b.add(before, y) : b.add(y, before), more), before};
        const std::vector<HostTensor> data{floats(form.data, 3), floats(shape, 4), floats(shape, 8)};
        CompileOptions options, without;
        without.withoutPasses.emplace_back("fuse-gated-layer");
        without.withoutPasses.emplace_back("fuse-product");
        if (isa == cpu::Isa::Avx512Bf16) options.specialise.products = without.specialise.products = DType::BF16;
        const auto joined = compile(graph, std::make_shared<Parameters>(), options), apart = compile(graph, std::make_shared<Parameters>(), without);
        EXPECT_EQ(nodesOf(*joined, "gatedLayer"), 1);
        EXPECT_EQ(nodesOf(*joined, "add"), 1);
        EXPECT_EQ(nodesOf(*apart, "add"), 2);
        const HostTensor expected = outputsOf(apart, data)[0];
        for (const int threads : {1, 2, 3})
          if (!sameBits(outputsOf(joined, data, threads)[0], expected)) fail(__FILE__, __LINE__, form.note);
      }
    }
  }
}

TEST(a_gated_layer_leaves_what_is_broadcast_and_what_others_see) {
  const Form& form = kForms[0];
  for (const std::string other : {"a row", "more rows", "itself", "pinned", "an output"}) {
    Graph graph;
    Builder b(graph);
    const ValueId x = graph.addInput("x", DType::F32, form.data), y = layer(b, form, x);
    const Shape shape = other == "a row" ? Shape{form.columns} : other == "more rows" ? Shape{2, 400, form.columns} : Shape{1, 400, form.columns};
    graph.outputs = {b.add(y, other == "itself" ? y : b.constant(floats(shape, 4)))};
    if (other == "an output") graph.outputs.push_back(y);
    CompileOptions options;
    if (other == "pinned") {
      graph.value(y).name = "layer";
      options.pinned = {"layer"};
    }
    const auto plan = compile(graph, std::make_shared<Parameters>(), options);
    EXPECT_EQ(nodesOf(*plan, "gatedLayer"), 1);
    EXPECT_EQ(nodesOf(*plan, "add"), 1);
  }
}

TEST(a_gated_layer_is_near_the_reference_in_double_sums) {
  const Form form{"small", Shape{2, 5, 24}, 56, 11, "silu"};
  for (const char* activation : {"silu", "gelu", "geluTanh"})
    for (const int64_t transposed : {0, 1}) {
      const auto weights = [&](int64_t from, int64_t to, uint64_t seed) { return floats(transposed ? Shape{to, from} : Shape{from, to}, seed, -0.4, 0.4); };
      EXPECT_LIKE_REFERENCE({"gatedLayer", {floats(form.data, 1), weights(24, 56, 2), weights(24, 56, 3), weights(56, 11, 4)},
                             {{"activation", std::string(activation)}, {"transposeB", transposed}}, 1, 2e-6, {1, 2, 3}});
    }
  EXPECT_LIKE_REFERENCE({"gatedLayer", {floats({300, 24}, 1), floats({24, 56}, 2, -0.4, 0.4), floats({24, 56}, 3, -0.4, 0.4), floats({56, 11}, 4, -0.4, 0.4), floats({300, 11}, 5)},
                         {{"activation", std::string("silu")}}, 1, 2e-6, {1, 2, 3}});
  EXPECT_LIKE_REFERENCE({"gatedLayer", {floats({300, 24}, 1), convert(floats({56, 24}, 2), DType::BF16), convert(floats({56, 24}, 3), DType::F16), floats({11, 56}, 4)},
                         {{"activation", std::string("silu")}, {"transposeB", int64_t{1}}}, 1, 2e-6, {3}});
}

/// The reference is the three products themselves.
TEST(the_reference_of_a_gated_layer_is_its_products_one_by_one) {
  Graph graph;
  Builder b(graph);
  const Form form{"by hand", Shape{1, 2}, 1, 1, "silu", false};
  const ValueId x = graph.addInput("x", DType::F64, form.data);
  const auto constant = [&](const Shape& shape, const std::vector<float>& values) { return b.constant(convert(floatsOf(shape, values), DType::F64)); };
  graph.outputs = {b.node("gatedLayer", {x, constant({2, 1}, {1, 2}), constant({2, 1}, {3, -1}), constant({1, 1}, {10})}, {{"activation", std::string("silu")}, {"transposeB", int64_t{0}}})};
  const HostTensor data = convert(floatsOf(form.data, {0.5F, 0.25F}), DType::F64);
  // x gate = 1, x value = 1.25: 10 * 1.25 * 1 / (1 + 1/e)
  EXPECT_NEAR(evaluateReference(graph, graph.nodes.back(), std::array{data, *graph.constant(graph.nodes.back().inputs[1]), *graph.constant(graph.nodes.back().inputs[2]), *graph.constant(graph.nodes.back().inputs[3])})[0].real(0),
              9.138232232875, 1e-12);
}

TEST(a_middle_that_others_see_stays) {
  const Form form = kForms[0];
  for (const bool isPinned : {false, true}) {
    Graph graph;
    Builder b(graph);
    ValueId middle = kNone;
    const ValueId y = layer(b, form, graph.addInput("x", DType::F32, form.data), &middle);
    graph.outputs = {y};
    CompileOptions options;
    if (isPinned) {
      graph.value(middle).name = "middle";
      options.pinned = {"middle"};
    } else {
      graph.outputs.push_back(b.node("relu", {middle}));
    }
    EXPECT_EQ(nodesOf(*compile(graph, std::make_shared<Parameters>(), options), "gatedLayer"), 0);
  }
}

/// Square weights fit either way round, so only the attributes say which way a product reads them.
TEST(products_that_read_an_operand_the_other_way_round_stay_apart) {
  constexpr int64_t kSize = 740;
  for (const std::string other : {"", "value transposed", "out transposed", "data transposed"}) {
    Graph graph;
    Builder b(graph);
    const ValueId x = graph.addInput("x", DType::F32, Shape{kSize, kSize});
    const auto product = [&](ValueId a, uint64_t seed, bool transposeA, bool transposeB) {
      return b.node("matMul", {a, b.constant(floats({kSize, kSize}, seed, -0.1, 0.1))}, {{"transposeA", int64_t{transposeA}}, {"transposeB", int64_t{transposeB}}});
    };
    const ValueId activated = b.node("silu", {product(x, 5, other == "data transposed", false)});
    graph.outputs = {product(b.mul(activated, product(x, 6, false, other == "value transposed")), 7, false, other == "out transposed")};
    EXPECT_EQ(nodesOf(*compile(graph, std::make_shared<Parameters>(), {}), "gatedLayer"), other.empty() ? 1 : 0);
  }
}

TEST(small_layers_others_inputs_and_weights_that_may_change_stay_apart) {
  EXPECT_EQ(nodesOf(*plan({"small", Shape{1, 300, 70}, 1500, 52, "silu"}, {}), "gatedLayer"), 0);
  CompileOptions reference;
  reference.backends = {"reference"};
  EXPECT_EQ(nodesOf(*plan(kForms[0], reference), "gatedLayer"), 0);
  for (const bool isFrozen : {false, true}) {
    Graph graph;
    Builder b(graph);
    const auto parameters = std::make_shared<Parameters>();
    const ValueId x = graph.addInput("x", DType::F32, Shape{400, 70}), other = graph.addInput("other", DType::F32, Shape{400, 70});
    const auto weights = [&](int64_t from, int64_t to, uint64_t seed) {
      const std::string name = "w" + std::to_string(seed);
      parameters->add(name, floats({from, to}, seed));
      return graph.addParameter(name, parameters->get(name).source);
    };
    const auto silu = [&](ValueId a, ValueId c, uint64_t seed) {
      return b.node("matMul", {b.mul(b.node("silu", {b.node("matMul", {a, weights(70, 1500, seed)})}), b.node("matMul", {c, weights(70, 1500, seed + 1)})), weights(1500, 50, seed + 2)});
    };
    // The second one's halves read different values.
    graph.outputs = {silu(x, x, 10), silu(x, other, 20)};
    CompileOptions options;
    options.frozenParameters = isFrozen;
    EXPECT_EQ(nodesOf(*compile(graph, parameters, options), "gatedLayer"), isFrozen ? 1 : 0);
  }
}

}  // namespace
}  // namespace ascribe::test
