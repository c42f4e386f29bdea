#include "cpu_support.h"
#include "device_support.h"
#include "graph/op.h"
#include "harness.h"
#include "plan_support.h"

/// Rotary positions as one node: the bits of slices, products, sums and a concatenation behind each other.
namespace ascribe::test {
namespace {

struct Form {
  Shape data, table;     // data [B, T, H, d] where transposed, else [B, H, T, d]
  bool transposed = true, isPinned = false, isReadAgain = false;
  int64_t begin = -1;    // of the second half; -1: where it is
};

ValueId turned(Graph& graph, Builder& b, const Form& form) {
  const auto integers = [&](int64_t value) {
    HostTensor one(DType::I64, {1});
    *static_cast<int64_t*>(one.mutableData()) = value;
    return b.constant(std::move(one));
  };
  const ValueId given = graph.addInput("x", DType::F32, form.data), cosine = graph.addInput("cosine", DType::F32, form.table), sine = graph.addInput("sine", DType::F32, form.table);
  const ValueId x = form.transposed ? b.node("transpose", {given}, {{"permutation", std::vector<int64_t>{0, 2, 1, 3}}}) : b.node("abs", {given});
  const int64_t half = form.data[3] / 2, begin = form.begin < 0 ? half : form.begin;
  const ValueId low = b.node("slice", {x, integers(0), integers(half), integers(3)}), high = b.node("slice", {x, integers(begin), integers(begin + half), integers(3)});
  if (form.isPinned) graph.value(low).name = "low";
  const ValueId real = b.sub(b.mul(low, cosine), b.mul(high, sine)), imaginary = b.add(b.mul(high, cosine), b.mul(low, sine));
  const ValueId out = b.node("concat", {real, imaginary}, {{"axis", int64_t{3}}});
  graph.outputs = {out};
  if (form.isReadAgain) graph.outputs.push_back(b.node("relu", {x}));
  return x;
}

TEST(rotary_positions_have_the_bits_of_their_steps) {
  for (const Form& form : {Form{{1, 700, 3, 64}, {700, 32}}, Form{{2, 9, 5, 10}, {2, 1, 9, 5}}, Form{{2, 9, 3, 10}, {1, 3, 9, 5}}, Form{{3, 4, 50, 6}, {50, 3}, false}, Form{{1, 6, 2, 2}, {1}, true}, Form{{2, 7, 3, 8}, {7, 4}, true, false, true}}) {
    CompileOptions without;
    without.withoutPasses.emplace_back("fuse-rotary");
    std::vector<HostTensor> all[2];
    for (const bool isApart : {true, false})
      for (const int threads : {1, 3}) {
        Graph graph;
        Builder b(graph);
        turned(graph, b, form);
        const auto plan = compile(graph, std::make_shared<Parameters>(), isApart ? without : CompileOptions{});
        EXPECT_EQ(nodesOf(*plan, "rotary"), isApart ? 0 : 1);
        EXPECT_EQ(nodesOf(*plan, "slice"), isApart ? 2 : 0);
        EXPECT_EQ(nodesOf(*plan, "transpose"), form.transposed && (isApart || form.isReadAgain) ? 1 : 0);
        all[isApart] = outputsOf(plan, {floats(form.data, 1), floats(form.table, 2), floats(form.table, 3)}, threads);
        if (!isApart) EXPECT_TRUE(sameBits(all[0][0], all[1][0]));
      }
  }
}

TEST(what_is_no_turn_or_seen_by_others_stays) {
  for (const Form& form : {Form{{1, 40, 3, 64}, {40, 32}, true, true}, Form{{1, 40, 3, 64}, {40, 32}, true, false, false, 31}}) {
    Graph graph;
    Builder b(graph);
    turned(graph, b, form);
    CompileOptions options;
    if (form.isPinned) options.pinned = {"low"};
    EXPECT_EQ(nodesOf(*compile(graph, std::make_shared<Parameters>(), options), "rotary"), 0);
  }
  Graph graph;
  Builder b(graph);
  turned(graph, b, {{1, 40, 3, 64}, {40, 32}});
  CompileOptions reference;
  reference.backends = {"reference"};
  EXPECT_EQ(nodesOf(*compile(graph, std::make_shared<Parameters>(), reference), "rotary"), 0);
}

/// Steps that look like a turn in all but one place keep their own numbers.
TEST(what_is_nearly_a_turn_has_the_bits_of_its_steps) {
  const auto integers = [](Builder& b, int64_t value) { return b.constant(HostTensor::ofIntegers({value})); };
  for (const std::string other : {"", "cosine", "sine", "data", "cosine for all pairs", "sine for all pairs", "step", "permutation"}) {
    Graph graph;
    Builder b(graph);
    const ValueId given = graph.addInput("x", DType::F32, Shape{5, 5, 5, 8}), second = graph.addInput("second", DType::F32, Shape{5, 5, 5, 8});
    const auto moved = [&](ValueId id) { return b.node("transpose", {id}, {{"permutation", other == "permutation" ? std::vector<int64_t>{2, 1, 0, 3} : std::vector<int64_t>{0, 2, 1, 3}}}); };
    const ValueId x = moved(given), y = other == "data" ? moved(second) : x;
    const ValueId low = other == "step" ? b.node("slice", {x, integers(b, 0), integers(b, 8), integers(b, 3), integers(b, 2)}) : b.node("slice", {x, integers(b, 0), integers(b, 4), integers(b, 3)});
    const ValueId high = b.node("slice", {y, integers(b, 4), integers(b, 8), integers(b, 3)});
    const auto table = [&](uint64_t seed, bool isForAll = false) { return b.constant(floats(Shape{5, isForAll ? 1 : 4}, seed)); };
    const ValueId cosine = table(1, other == "cosine for all pairs"), sine = table(2, other == "sine for all pairs");
    const ValueId cosines = other == "cosine" ? table(3) : cosine, sines = other == "sine" ? table(4) : sine;
    graph.outputs = {b.node("concat", {b.sub(b.mul(low, cosine), b.mul(high, sine)), b.add(b.mul(high, cosines), b.mul(low, sines))}, {{"axis", int64_t{3}}})};
    CompileOptions without;
    without.withoutPasses.emplace_back("fuse-rotary");
    const auto fused = compile(graph, std::make_shared<Parameters>(), {}), apart = compile(graph, std::make_shared<Parameters>(), without);
    EXPECT_EQ(nodesOf(*fused, "rotary"), other.empty() || other == "permutation" ? 1 : 0);
    const std::vector<HostTensor> data{floats({5, 5, 5, 8}, 5), floats({5, 5, 5, 8}, 6)};
    if (!sameBits(outputsOf(fused, data)[0], outputsOf(apart, data)[0])) fail(__FILE__, __LINE__, other);
  }
}

TEST(rotary_like_the_reference) {
  for (const int64_t transposed : {0, 1}) EXPECT_LIKE_REFERENCE({"rotary", {floats({2, 4, 4, 10}, 1), floats({4, 5}, 2), floats({2, 1, 4, 5}, 3)}, {{"transposed", transposed}}, 1, 2e-7});
}

/// A quarter turn of (1, 2, 3, 4): halves (1, 2) and (3, 4) become (-3, -4) and (1, 2).
TEST(a_quarter_turn_by_hand) {
  Graph graph;
  Builder b(graph);
  const ValueId x = b.constant(floatsOf({1, 1, 1, 4}, {1, 2, 3, 4})), cosine = b.constant(floatsOf({2}, {0, 0})), sine = b.constant(floatsOf({2}, {1, 1}));
  b.node("rotary", {x, cosine, sine}, {{"transposed", int64_t{1}}});
  const std::vector<HostTensor> operands{*graph.constant(x), *graph.constant(cosine), *graph.constant(sine)};
  EXPECT_TRUE(sameBits(evaluateReference(graph, graph.nodes.back(), operands)[0], floatsOf({1, 1, 1, 4}, {-3, -4, 1, 2})));
}

}  // namespace
}  // namespace ascribe::test
