#include <cmath>
#include <cstring>

#include "device_support.h"
#include "graph/verify.h"
#include "harness.h"
#include "runtime/memory.h"

/// Descriptions that the graph fuzzer (test/fuzz/native) found, or that it is made to find: each once read or wrote where
/// it must not, or ended in INTERNAL.
using namespace ascribe;
using namespace ascribe::test;

namespace {

std::shared_ptr<const Plan> plan(const Graph& graph, std::shared_ptr<Parameters> parameters = std::make_shared<Parameters>(), CompileOptions options = {}) {
  options.device = "cpu";
  return compile(graph, std::move(parameters), options);
}

HostTensor ones(const Shape& shape) { return uniform(shape, 1, 1, 1); }

}  // namespace

TEST(a_list_of_operands_has_no_gaps) {
  for (const char* name : {"concat", "customDerivative", "if", "vjp"}) {
    Graph graph;
    const ValueId x = graph.addInput("x", DType::F32, Shape{2});
    Attributes attributes;
    for (const AttributeSpec& spec : op(name).attributes)
      if (!spec.fallback) attributes.set(spec.name, spec.kind == AttributeKind::Text ? Attribute(std::string("a")) : Attribute(int64_t{0}));
    graph.outputs = {graph.addNode(op(name), {x, kNone, x}, attributes)};
    EXPECT_THROWS_CODE(verify(graph), "MODEL_INVALID");
  }
}

TEST(a_loop_has_neither_limit_nor_condition) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, Shape{2});
  graph.outputs = {graph.addNode(op("loop"), {kNone, kNone, x}, {{"body", std::string("a")}, {"carried", int64_t{1}}, {"captured", int64_t{0}}})};
  verify(graph);
  Graph gap;
  gap.addInput("x", DType::F32, Shape{2});
  gap.outputs = {gap.addNode(op("loop"), {kNone, kNone, kNone}, {{"body", std::string("a")}, {"carried", int64_t{1}}, {"captured", int64_t{0}}})};
  EXPECT_THROWS_CODE(verify(gap), "MODEL_INVALID");
}

TEST(a_weight_is_no_truth_value) {
  auto parameters = std::make_shared<Parameters>();
  parameters->add("w", ones(Shape{2}));
  for (const DType wanted : {DType::Bool, DType::I64}) {
    Graph graph;
    const ValueId w = graph.addParameter("w", ones(Shape{2}));
    graph.value(w).type.dtype = wanted;
    graph.outputs = {w};
    EXPECT_THROWS_CODE(plan(graph, parameters), "INPUT_DTYPE");
    CompileOptions options;
    options.frozenParameters = false;
    EXPECT_THROWS_CODE(plan(graph, parameters, options), "INPUT_DTYPE");
  }
}

TEST(only_states_are_written) {
  for (const bool constant : {false, true}) {
    Graph graph;
    const ValueId x = graph.addInput("x", DType::F32, Shape{2});
    const ValueId y = constant ? graph.addConstant(ones(Shape{2})) : graph.addInput("y", DType::F32, Shape{2});
    Builder b(graph);
    graph.outputs = {b.node("assignState", {y, x})};
    EXPECT_THROWS_CODE(plan(graph), "MODEL_INVALID");
    graph.outputs = {b.node("appendState", {b.node("identity", {y}), x, b.constant(HostTensor::scalar(DType::I64, 0))})};
    EXPECT_THROWS_CODE(plan(graph), "MODEL_INVALID");
  }
}

TEST(what_no_kernel_takes_is_the_models_fault_or_the_choice_of_backends) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, Shape{2});
  graph.outputs = {Builder(graph).node("and", {x, x})};
  EXPECT_THROWS_CODE(plan(graph), "MODEL_UNSUPPORTED_OP");
  CompileOptions options;
  options.backends = {"cpu"};
  EXPECT_THROWS_CODE(plan(graph, std::make_shared<Parameters>(), options), "BACKEND_UNAVAILABLE");
}

namespace {

/// What plans of one node with constant operands come to.
HostTensor folded(std::string_view name, std::vector<HostTensor> operands, Attributes attributes) {
  Graph graph;
  std::vector<ValueId> ids;
  for (HostTensor& operand : operands) ids.push_back(graph.addConstant(std::move(operand)));
  graph.outputs = {graph.addNode(op(name), ids, std::move(attributes))};
  verify(graph);
  RunRequest request;
  request.plan = plan(graph);
  return run(std::move(request))[0];
}

}  // namespace

TEST(numbers_beyond_an_integer_type_are_its_ends) {
  const HostTensor five = HostTensor::scalar(DType::I32, 5);
  EXPECT_EQ(folded("clip", {five}, {{"max", -1e19}}).integer(0), INT32_MIN);
  EXPECT_EQ(folded("clip", {five}, {{"min", 1e19}}).integer(0), INT32_MAX);
  EXPECT_EQ(folded("clip", {five}, {{"min", -1e19}, {"max", 1e19}}).integer(0), 5);
  const HostTensor one = HostTensor::ofIntegers({1});
  EXPECT_EQ(folded("constantOfShape", {one}, {{"value", 1e300}, {"dtype", std::string("i64")}}).integer(0), INT64_MAX);
  EXPECT_EQ(folded("constantOfShape", {one}, {{"value", -3.0}, {"dtype", std::string("u8")}}).integer(0), 0);
  EXPECT_EQ(folded("constantOfShape", {one}, {{"value", 0.5}, {"dtype", std::string("bool")}}).integer(0), 1);
  const HostTensor hot = folded("oneHot", {HostTensor::ofIntegers({INT64_MAX, INT64_MIN, 1}), HostTensor::scalar(DType::I64, 2), HostTensor::ofIntegers({0, 1})}, {});
  EXPECT_TRUE((hot.integers() == std::vector<int64_t>{0, 0, 0, 0, 0, 1}));
  const auto list = [](const std::vector<double>& values) {
    HostTensor out(DType::F32, Shape{static_cast<int64_t>(values.size())});
    for (size_t i = 0; i < values.size(); ++i) static_cast<float*>(out.mutableData())[i] = static_cast<float>(values[i]);
    return out;
  };
  HostTensor picture(DType::U8, Shape{2});
  const HostTensor cropped = folded("resize", {picture, list({1}), HostTensor::ofIntegers({2}), list({2, 3})},
                                    {{"mode", std::string("linear")}, {"coordinateMode", std::string("cropAndResize")}, {"extrapolation", 1e300}});
  EXPECT_EQ(cropped.integer(0), 255);
  EXPECT_THROWS_CODE(folded("resize", {list({1, 2}), list({1e-30}), HostTensor::ofIntegers({2})}, {{"mode", std::string("linear")}, {"antialias", int64_t{1}}}), "MODEL_INVALID");
  // The overshoot of cubic weights.
  HostTensor bytes(DType::U8, Shape{1, 1, 4});
  static_cast<uint8_t*>(bytes.mutableData())[1] = static_cast<uint8_t*>(bytes.mutableData())[2] = 255;
  HostTensor scales(DType::F32, Shape{3});
  for (int i : {0, 1, 2}) static_cast<float*>(scales.mutableData())[i] = i < 2 ? 1 : 2;
  const HostTensor resized = folded("resize", {bytes, scales}, {{"mode", std::string("cubic")}});
  EXPECT_EQ(resized.integer(0), 0);
  EXPECT_EQ(resized.integer(3), 255);
}

namespace {

/// x [T] -> what f makes of it, planned for T = 4.
template <class Body>
std::shared_ptr<const Plan> ofRunLength(Body&& body) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, {{-1, "T"}}), y = graph.addInput("y", DType::F32, {{-1, "U"}});
  Builder b(graph);
  const auto node = [&](std::string_view name, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return graph.addNode(op(name), std::move(inputs), std::move(attributes));
  };
  graph.outputs = {body(graph, node, x, y)};
  verify(graph);
  CompileOptions options;
  options.specialise.sizes = {{"T", 4}, {"U", 4}};
  options.specialise.runLengths = {"T", "U"};
  return plan(graph, std::make_shared<Parameters>(), options);
}

std::vector<HostTensor> runAt(std::shared_ptr<const Plan> plan, int64_t t, int64_t u) {
  RunRequest request;
  request.plan = std::move(plan);
  request.inputs = {ones(Shape{t}), ones(Shape{u})};
  request.runLengths = {{"T", t}, {"U", u}};
  return run(std::move(request));
}

}  // namespace

namespace {

/// As many ones as x is short of 100000.
std::shared_ptr<const Plan> missingPlan() {
  return ofRunLength([](Graph& graph, auto&& node, ValueId x, ValueId) {
    const ValueId rest = node("sub", {graph.addConstant(HostTensor::ofIntegers({100000})), node("shape", {x})});
    return node("exp", {node("constantOfShape", {rest})});
  });
}

}  // namespace

TEST(what_grows_as_run_lengths_shrink_has_no_room) {
  const auto missing = missingPlan();
  EXPECT_EQ(runAt(missing, 4, 4)[0].shape().count(), 99996);
  EXPECT_THROWS_CODE(runAt(missing, 1, 4), "INPUT_SHAPE");
}

TEST(an_execution_forgets_run_lengths_that_failed) {
  Execution execution(missingPlan(), std::make_shared<MemoryBudget>());
  const HostTensor x = ones(Shape{4});
  const auto startAt = [&](int64_t length) {
    execution.setRunLength("T", length);
    execution.bindInput(0, x.data(), DType::F32, Shape{length});
    execution.bindInput(1, x.data(), DType::F32, Shape{4});
    execution.start();
  };
  startAt(4);
  EXPECT_THROWS_CODE(startAt(1), "INPUT_SHAPE");
  startAt(4);
  const CancelToken token;
  Slice slice(token, std::chrono::hours(1));
  while (execution.advance(slice) != Job::Step::Done) {
  }
  EXPECT_EQ(execution.output(0).shape.count(), 99996);
}

TEST(run_lengths_that_are_no_longer_equal_share_no_bytes) {
  const auto sum = ofRunLength([](Graph&, auto&& node, ValueId x, ValueId y) { return node("add", {node("exp", {x}), node("exp", {y})}); });
  EXPECT_EQ(runAt(sum, 3, 3)[0].shape().count(), 3);
  // Broadcasting would read what the sum has overwritten.
  EXPECT_THROWS_CODE(runAt(sum, 1, 3), "INPUT_SHAPE");
}

namespace {

/// A body of one node over its operands and, where asked, a parameter or a body of its own.
template <class Body>
std::shared_ptr<const Graph> bodyOf(size_t inputs, Body&& write) {
  Graph body;
  std::vector<ValueId> ids;
  for (size_t i = 0; i < inputs; ++i) ids.push_back(body.addInput("in" + std::to_string(i), DType::F32, Shape{}));
  body.outputs = {write(body, ids)};
  verify(body);
  return std::make_shared<const Graph>(std::move(body));
}

const Attributes kCustom{{"forward", std::string("f")}, {"backward", std::string("b")}};

float runOn(const Graph& graph, std::shared_ptr<Parameters> parameters, bool frozen, float x) {
  CompileOptions options;
  options.frozenParameters = frozen;
  RunRequest request;
  request.plan = plan(graph, std::move(parameters), options);
  request.inputs = {HostTensor::scalar(DType::F32, x)};
  return static_cast<float>(run(std::move(request)).back().real(0));
}

}  // namespace

TEST(weights_that_only_a_custom_derivative_uses_are_attached) {
  for (const bool frozen : {true, false}) {
    const auto parameters = std::make_shared<Parameters>();
    parameters->add("w", HostTensor::scalar(DType::F32, 3));
    parameters->add("v", HostTensor::scalar(DType::F32, 5));
    const auto scaledBy = [](const char* name, size_t inputs) {
      return bodyOf(inputs, [&](Graph& body, const std::vector<ValueId>& in) {
        const ValueId w = body.addParameter(name, HostTensor(DType::F32, Shape{}, nullptr, nullptr));
        return body.addNode(op("mul"), {in.back(), w}, {});
      });
    };
    Graph graph;
    const ValueId x = graph.addInput("x", DType::F32, Shape{});
    graph.subgraphs = {{"f", scaledBy("w", 1)}, {"b", scaledBy("v", 3)}};
    const ValueId y = graph.addNode(op("customDerivative"), {x}, kCustom);
    graph.outputs = {y};
    verify(graph);
    EXPECT_NEAR(runOn(graph, parameters, frozen, 2), 6, 0);
    const ValueId seed = graph.addConstant(ones(Shape{1}));
    graph.outputs = {y, graph.addNode(op("vjp"), {y, seed, x}, {{"outputs", int64_t{1}}})};
    verify(graph);
    EXPECT_NEAR(runOn(graph, parameters, frozen, 2), 5, 0);
  }
}

TEST(bodies_of_one_name_are_told_apart) {
  const auto ofNegation = bodyOf(1, [](Graph& body, const std::vector<ValueId>& in) { return body.addNode(op("neg"), {in[0]}, {}); });
  const auto outer = bodyOf(1, [&](Graph& body, const std::vector<ValueId>& in) {
    body.subgraphs = {{"f", ofNegation}, {"b", ofNegation}};
    return body.addNode(op("exp"), {body.addNode(op("customDerivative"), {in[0]}, kCustom)}, {});
  });
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, Shape{});
  graph.subgraphs = {{"f", outer}, {"b", ofNegation}};
  graph.outputs = {graph.addNode(op("customDerivative"), {x}, kCustom)};
  verify(graph);
  EXPECT_NEAR(runOn(graph, std::make_shared<Parameters>(), true, 0), 1, 0);
  EXPECT_NEAR(runOn(graph, std::make_shared<Parameters>(), true, 1), std::exp(-1.0f), 1e-6);
}

TEST(a_body_may_hold_derivatives) {
  const auto derivative = bodyOf(1, [](Graph& body, const std::vector<ValueId>& in) {
    const ValueId seed = body.addConstant(ones(Shape{1}));
    const ValueId y = body.addNode(op("mul"), {in[0], in[0]}, {});
    const ValueId dx = body.addNode(op("vjp"), {y, seed, in[0]}, {{"outputs", int64_t{1}}});
    return body.addNode(op("sum"), {dx}, {{"keepDims", int64_t{0}}});
  });
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, Shape{});
  graph.subgraphs = {{"f", derivative}, {"b", derivative}};
  graph.outputs = {graph.addNode(op("customDerivative"), {x}, kCustom)};
  verify(graph);
  EXPECT_NEAR(runOn(graph, std::make_shared<Parameters>(), true, 3), 6, 0);
}

// It has its share; once the layer that it belongs to was read past its operands.
TEST(relevance_of_a_bias_alone_has_a_plan) {
  for (const char* name : {"conv", "convTranspose"}) {
    Graph graph;
    const ValueId bias = graph.addInput("bias", DType::F32, Shape{2});
    Builder b(graph);
    const ValueId y = b.node(name, {b.constant(ones(Shape{1, 2, 4})), b.constant(ones(Shape{2, 2, 1})), bias});
    graph.outputs = {b.node("vjp", {y, b.constant(ones(Shape{1, 1, 2, 4})), bias}, {{"outputs", int64_t{1}}, {"rules", std::string("lrp")}})};
    EXPECT_TRUE(plan(graph) != nullptr);
  }
}
