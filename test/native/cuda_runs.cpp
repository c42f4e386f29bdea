#include <cmath>
#include <cstring>
#include <thread>

#include "device_support.h"
#include "harness.h"
#include "op_cases/cuda.h"
#include "op_cases/driver_support.h"
#include "runtime/cuda_library.h"

using namespace ascribe;
using namespace ascribe::test;

namespace {

void requireCuda() {
  if (!hasCuda()) throw Skipped("there is no CUDA device, nor the emulation of one");
}
RunRequest request(std::shared_ptr<const Plan> plan, std::vector<HostTensor> inputs) {
  RunRequest out;
  out.plan = std::move(plan);
  for (HostTensor& each : inputs) out.inputs.emplace_back(std::move(each));
  return out;
}
HostTensor integers(const Shape& shape, const std::vector<int64_t>& values) {
  HostTensor out(DType::I64, shape);
  std::copy(values.begin(), values.end(), static_cast<int64_t*>(out.mutableData()));
  return out;
}
std::string codeOf(const std::function<void()>& f, std::string* message = nullptr) {
  try {
    f();
  } catch (const Error& error) {
    if (message) *message = error.what();
    return error.code();
  }
  return "nothing thrown";
}
/// Kernels of a plan, by whose they are.
int countSteps(const Plan& plan, bool onDevice) {
  int count = 0;
  for (const PlanStep& step : plan.steps()) count += step.kernel->name().starts_with("cuda-") == onDevice;
  return count;
}

}  // namespace

TEST(a_net_and_its_gradient_give_what_the_cpu_gives_and_run_on_the_device_alone) {
  requireCuda();
  for (const bool gradient : {false, true}) {
    const HostTensor x = uniform(Shape{4, 2, 6, 6}, 7);
    const auto plan = netPlan("cuda", 4, gradient);
    EXPECT_EQ(countSteps(*plan, false), 0);
    const auto here = run(request(netPlan("cpu", 4, gradient), {x})), there = run(request(plan, {x})), again = run(request(plan, {x}));
    REQUIRE(here.size() == there.size());
    for (size_t i = 0; i < here.size(); ++i) {
      EXPECT_TRUE(largestDifference(there[i], here[i]) < 2e-6);
      EXPECT_TRUE(sameBits(there[i], again[i]));
    }
    EXPECT_TRUE(here[0].real(0) != 0);
  }
}

TEST(weights_that_change_are_sent_anew) {
  requireCuda();
  CompileOptions options;
  options.frozenParameters = false;
  const auto parameters = netParameters();
  const HostTensor x = uniform(Shape{2, 2, 6, 6}, 9);
  const auto plan = netPlan("cuda", 2, true, options, parameters);
  const auto before = run(request(plan, {x}));
  parameters->write("w2", uniform(Shape{5, 3}, 77));
  const auto after = run(request(plan, {x})), expected = run(request(netPlan("cpu", 2, true, options, parameters), {x}));
  EXPECT_TRUE(largestDifference(before[1], after[1]) > 1e-3);
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(largestDifference(after[i], expected[i]) < 2e-6);
}

TEST(what_has_no_kernel_on_the_device_runs_on_the_host) {
  requireCuda();
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, Shape{1});  // smaller than any shape that a default tensor has
  const ValueId y = graph.addInput("y", DType::F32, Shape{3, 5});
  Builder b(graph);
  const ValueId sums = b.node("cumSum", {b.node("mul", {y, x})}, {{"axis", int64_t{1}}});
  graph.outputs = {b.node("cumSum", {b.node("relu", {x})}, {{"axis", int64_t{0}}}), b.node("add", {sums, y})};
  for (const bool reference : {false, true}) {
    CompileOptions options;
    options.device = "cuda";
    if (reference) options.backends = {"reference"};
    const auto plan = compile(graph, std::make_shared<Parameters>(), options);
    EXPECT_EQ(countSteps(*plan, false), reference ? 5 : 2);
    CompileOptions host;
    host.device = "cpu";
    host.backends = {"reference"};
    const std::vector<HostTensor> inputs{uniform(Shape{1}, 3, 0.5, 1), uniform(Shape{3, 5}, 4)};
    const auto here = run(request(compile(graph, std::make_shared<Parameters>(), host), inputs)), there = run(request(plan, inputs));
    for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(largestDifference(there[i], here[i]) <= 1e-6);
  }
}

TEST(plans_in_double_precision_give_the_same_bits) {
  requireCuda();
  CompileOptions oracle;
  oracle.specialise.precision = DType::F64;
  const HostTensor x = uniform(Shape{2, 2, 6, 6}, 8);
  const auto here = run(request(netPlan("cpu", 2, true, oracle), {x})), there = run(request(netPlan("cuda", 2, true, oracle), {x}));
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(there[i].dtype() == DType::F64 && sameBits(here[i], there[i]));
}

TEST(an_index_outside_its_axis_is_an_error_and_the_next_run_is_sound) {
  requireCuda();
  Graph graph;
  const ValueId table = graph.addInput("table", DType::F32, Shape{4, 3}), rows = graph.addInput("rows", DType::I64, Shape{2});
  Builder b(graph);
  graph.outputs = {b.node("gather", {table, rows}, {{"axis", int64_t{0}}})};
  CompileOptions options;
  options.device = "cuda";
  const auto plan = compile(graph, std::make_shared<Parameters>(), options);
  EXPECT_EQ(countSteps(*plan, true), 1);
  const HostTensor data = uniform(Shape{4, 3}, 5);
  std::string message;
  EXPECT_EQ(codeOf([&] { run(request(plan, {data, integers(Shape{2}, {1, 4})})); }, &message), std::string("INPUT_VALUE"));
  EXPECT_TRUE(message.find("index 4 is outside an axis of size 4") != std::string::npos);
  const auto out = run(request(plan, {data, integers(Shape{2}, {-1, 0})}));
  EXPECT_EQ(out[0].real(0), data.real(9));
  EXPECT_EQ(out[0].real(3), data.real(0));
}

TEST(a_failing_node_stops_its_run_and_no_other) {
  requireCuda();
  // gatherElements has no kernel on the device, and throws on the host.
  Graph graph;
  const ValueId table = graph.addInput("table", DType::F32, Shape{4}), rows = graph.addInput("rows", DType::I64, Shape{2});
  Builder b(graph);
  graph.outputs = {b.node("relu", {b.node("gatherElements", {table, rows}, {{"axis", int64_t{0}}})})};
  CompileOptions options;
  options.device = "cuda";
  const auto plan = compile(graph, std::make_shared<Parameters>(), options);
  const HostTensor data = uniform(Shape{4}, 5, 1, 2);
  EXPECT_EQ(codeOf([&] { run(request(plan, {data, integers(Shape{2}, {1, 4})})); }), std::string("INPUT_VALUE"));
  EXPECT_EQ(run(request(plan, {data, integers(Shape{2}, {3, 0})}))[0].real(0), data.real(3));
}

TEST(a_device_that_is_not_there_is_refused_with_the_reason) {
  requireCuda();
  EXPECT_EQ(codeOf([] { openDevice("cuda:99"); }), std::string("BACKEND_UNAVAILABLE"));
  EXPECT_EQ(codeOf([] { openDevice("cuda:"); }), std::string("OPTION_RANGE"));
  EXPECT_EQ(codeOf([] { openDevice("cuda:1x"); }), std::string("OPTION_RANGE"));
  EXPECT_TRUE(openDevice("cuda") == openDevice("cuda:0"));
  CompileOptions options;
  options.device = "cuda";
  options.backends = {"onednn"};
  EXPECT_EQ(codeOf([&] { netPlan("cuda", 2, false, options); }), std::string("BACKEND_UNAVAILABLE"));
  EXPECT_TRUE(cudaIsHardware() || openDevice("auto")->name() == "cpu");
}

TEST(memory_that_the_device_lacks_is_refused) {
  requireCuda();
  const auto device = openDevice("cuda");
  EXPECT_EQ(codeOf([&] { device->allocate(size_t{1} << 50); }), std::string("OUT_OF_MEMORY_BUDGET"));
  void* block = device->allocate(1000);
  device->free(block, 1000);
  // What was given back comes again.
  EXPECT_TRUE(device->allocate(1000) == block);
  device->free(block, 1000);
}

TEST(a_cache_is_appended_to_on_the_device_and_a_position_without_room_is_an_error) {
  requireCuda();
  for (const DType type : {DType::I64, DType::I32}) {
    Graph graph;
    const ValueId x = graph.addInput("x", DType::F32, Shape{2, 2, 3}), position = graph.addInput("position", type, Shape{});
    const ValueId state = graph.addState("cache", DType::F32, Shape{2, 5, 3});
    Builder b(graph);
    graph.outputs = {b.node("neg", {b.node("appendState", {state, x, b.node("add", {position, position})}, {{"axis", int64_t{1}}})})};
    CompileOptions options;
    options.device = "cuda";
    const auto plan = compile(graph, std::make_shared<Parameters>(), options);
    EXPECT_EQ(countSteps(*plan, false), 0);
    auto session = std::make_shared<Session>(graph, std::map<std::string, int64_t>{}, openDevice("cuda"));
    const auto step = [&](const HostTensor& rows, int64_t at) {
      RunRequest wanted = request(plan, {rows, HostTensor::scalar(type, static_cast<double>(at))});
      wanted.session = session;
      return run(wanted)[0];
    };
    const HostTensor first = uniform(Shape{2, 2, 3}, 41), second = uniform(Shape{2, 2, 3}, 42);
    step(first, 0);
    std::string message;
    EXPECT_EQ(codeOf([&] { step(second, 2); }, &message), std::string("INPUT_VALUE"));
    EXPECT_TRUE(message.find("position 4 leaves no room for 2 in a state of 5") != std::string::npos);
    EXPECT_EQ(codeOf([&] { step(second, -1); }), std::string("INPUT_VALUE"));
    const HostTensor out = step(second, 1);
    for (int64_t outer = 0; outer < 2; ++outer)
      for (int64_t row = 0; row < 5; ++row)
        for (int64_t i = 0; i < 3; ++i) {
          const HostTensor& from = row < 2 ? first : second;
          const double expected = row < 4 ? -from.real((outer * 2 + row % 2) * 3 + i) : 0;
          EXPECT_EQ(out.real((outer * 5 + row) * 3 + i), expected);
        }
  }
}

TEST(large_copies_arrive_whole) {
  requireCuda();
  const auto device = openDevice("cuda");
  const auto queue = device->openQueue();
  for (const size_t bytes : {size_t{3} << 20, (size_t{9} << 20) + 5, (size_t{70} << 20) + 12345}) {
    std::vector<uint32_t> sent((bytes + 3) / 4), received(sent.size());
    for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<uint32_t>(i * 2654435761u);
    const DeviceBuffer buffer(device, nullptr, bytes);
    // Twice, so that what they pass through is used again.
    for (int round = 0; round < 2; ++round) {
      sent[sent.size() / 2] += 1;
      queue->upload(buffer.address(), sent.data(), bytes);
      queue->download(received.data(), buffer.address(), bytes);
      queue->synchronize();
      EXPECT_TRUE(std::memcmp(sent.data(), received.data(), bytes) == 0);
    }
  }
}

TEST(gradients_of_overlapping_maxima_are_collected_on_the_device) {
  requireCuda();
  struct Window {
    std::vector<int64_t> kernel, strides, pads, dilations;
  };
  for (const Window& w : {Window{{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}}, Window{{3, 2}, {1, 1}, {1, 0, 1, 1}, {1, 1}}, Window{{2, 3}, {2, 1}, {0, 2, 1, 2}, {2, 2}}}) {
    std::vector<std::vector<HostTensor>> out;
    for (const char* device : {"cpu", "cuda"}) {
      Graph graph;
      const ValueId x = graph.addInput("x", DType::F32, Shape{2, 3, 9, 8});
      Builder b(graph);
      const ValueId y = b.node("maxPool", {x}, {{"kernel", w.kernel}, {"strides", w.strides}, {"pads", w.pads}, {"dilations", w.dilations}});
      Shape cotangents = b.shape(y);
      const ValueId g = graph.addInput("g", DType::F32, Shape{2, cotangents[0], cotangents[1], cotangents[2], cotangents[3]});
      graph.outputs = {b.node("vjp", {y, g, x}, {{"outputs", int64_t{1}}})};
      CompileOptions options;
      options.device = device;
      const auto plan = compile(graph, std::make_shared<Parameters>(), options);
      if (std::string(device) == "cuda") EXPECT_EQ(countSteps(*plan, false), 0);
      out.push_back(run(request(plan, {uniform(Shape{2, 3, 9, 8}, 31), uniform(graph.shape(g), 32)})));
    }
    EXPECT_TRUE(largestDifference(out[1][0], out[0][0]) <= 1e-6);
    EXPECT_TRUE(relativeNorm(out[1], out[0]) <= 1e-6);
  }
}

TEST(runs_beside_each_other_do_not_meet) {
  requireCuda();
  const auto plan = netPlan("cuda", 2, true);
  std::vector<std::vector<HostTensor>> expected, got(8);
  for (uint64_t i = 0; i < 8; ++i) expected.push_back(run(request(plan, {uniform(Shape{2, 2, 6, 6}, 20 + i)})));
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 8; ++i) threads.emplace_back([&, i] { got[i] = run(request(plan, {uniform(Shape{2, 2, 6, 6}, 20 + i)})); });
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < 8; ++i)
    for (size_t j = 0; j < 2; ++j) EXPECT_TRUE(sameBits(got[i][j], expected[i][j]));
}
