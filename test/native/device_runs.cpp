#include <cmath>
#include <cstring>
#include <thread>

#include "device_support.h"
#include "harness.h"

using namespace ascribe;
using namespace ascribe::test;

namespace {

RunRequest request(std::shared_ptr<const Plan> plan, const HostTensor& x) {
  RunRequest out;
  out.plan = std::move(plan);
  out.inputs = {x};
  return out;
}

const char* const kDevices[] = {"cpu", "fake"};

}  // namespace

TEST(a_run_is_bit_equal_on_every_device_and_width) {
  for (const bool gradient : {false, true}) {
    for (const int threads : {1, 3}) {
      const HostTensor x = uniform(Shape{4, 2, 6, 6}, 7);
      const auto here = run(request(netPlan("cpu", 4, gradient), x), threads), there = run(request(netPlan("fake", 4, gradient), x), threads);
      REQUIRE(here.size() == there.size() && here.size() == (gradient ? 2u : 1u));
      for (size_t i = 0; i < here.size(); ++i) EXPECT_TRUE(sameBits(here[i], there[i]));
      EXPECT_TRUE(here[0].real(0) != 0);
    }
  }
}

TEST(inputs_of_another_precision_are_widened_before_the_upload) {
  CompileOptions oracle;
  oracle.specialise.precision = DType::F64;
  const HostTensor x = uniform(Shape{2, 2, 6, 6}, 8);
  const auto here = run(request(netPlan("cpu", 2, true, oracle), x)), there = run(request(netPlan("fake", 2, true, oracle), x));
  EXPECT_TRUE(here[0].dtype() == DType::F64);
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(sameBits(here[i], there[i]));
}

TEST(outputs_that_are_inputs_or_constants_come_home_too) {
  for (const char* device : kDevices) {
    Graph graph;
    const ValueId x = graph.addInput("x", DType::F32, Shape{3}), unused = graph.addInput("unused", DType::F32, Shape{2});
    (void)unused;
    const ValueId constant = graph.addConstant(uniform(Shape{5}, 3));
    Builder b(graph);
    graph.outputs = {x, b.reshape(x, Shape{3, 1}), constant};
    CompileOptions options;
    options.device = device;
    RunRequest wanted = request(compile(graph, std::make_shared<Parameters>(), options), uniform(Shape{3}, 4));
    wanted.inputs.resize(2);
    const auto out = run(wanted);
    EXPECT_TRUE(sameBits(out[0], uniform(Shape{3}, 4)));
    EXPECT_TRUE(out[1].shape() == (Shape{3, 1}) && out[1].real(2) == uniform(Shape{3}, 4).real(2));
    EXPECT_TRUE(sameBits(out[2], uniform(Shape{5}, 3)));
  }
}

TEST(weights_may_lie_at_any_byte_of_a_file) {
  const auto shifted = std::make_shared<Parameters>();
  for (const Parameters::Entry& entry : netParameters()->list()) {
    const auto file = std::make_shared<std::vector<std::byte>>(entry.source.bytes() + 1);
    std::memcpy(file->data() + 1, entry.source.data(), entry.source.bytes());
    shifted->add(entry.name, HostTensor(DType::F32, entry.source.shape(), file->data() + 1, file));
  }
  const HostTensor x = uniform(Shape{2, 2, 6, 6}, 9);
  for (const bool frozen : {true, false}) {
    CompileOptions options;
    options.frozenParameters = frozen;
    // Every backend alone too: a UBSan build finds the loads that would not be allowed.
    for (const std::vector<std::string>& backends : {std::vector<std::string>{}, {"cpu", "reference"}, {"reference"}}) {
      options.backends = backends;
      for (const char* device : kDevices) {
        const auto expected = run(request(netPlan(device, 2, true, options), x));
        const auto got = run(request(netPlan(device, 2, true, options, shifted), x));
        for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(sameBits(got[i], expected[i]));
      }
    }
  }
}

TEST(mutable_parameters_are_read_again_after_a_write) {
  CompileOptions options;
  options.frozenParameters = false;
  std::vector<std::vector<HostTensor>> results;
  for (const char* device : kDevices) {
    const auto parameters = netParameters();
    const auto plan = netPlan(device, 2, true, options, parameters);
    const HostTensor x = uniform(Shape{2, 2, 6, 6}, 9);
    results.push_back(run(request(plan, x)));
    parameters->write("w1", uniform(Shape{5, 4, 3, 3}, 99));
    results.push_back(run(request(plan, x)));
  }
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(sameBits(results[0][i], results[2][i]));
    EXPECT_TRUE(sameBits(results[1][i], results[3][i]));
    EXPECT_TRUE(!sameBits(results[0][i], results[1][i]));
  }
}

namespace {
/// y = tanh(x @ w) for x [n, 3] with n a run length, and its sum over n.
std::shared_ptr<const Plan> lengthsPlan(const char* device) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, std::vector<DeclaredDim>{{-1, "n"}, {3, ""}});
  graph.value(x).type.shape = Shape{8, 3};
  Builder b(graph);
  const ValueId y = b.node("tanh", {b.node("matMul", {x, b.constant(uniform(Shape{3, 4}, 5))})});
  graph.outputs = {y, b.sum(y, {0}, false)};
  CompileOptions options;
  options.device = device;
  options.specialise.sizes = {{"n", 8}};
  options.specialise.runLengths = {"n"};
  return compile(graph, std::make_shared<Parameters>(), options);
}
}  // namespace

TEST(run_lengths_shorten_a_run_and_shapes_are_checked_against_them) {
  for (const int64_t n : {5, 8, 1}) {
    std::vector<std::vector<HostTensor>> results;
    for (const char* device : kDevices) {
      RunRequest wanted = request(lengthsPlan(device), uniform(Shape{n, 3}, 6));
      wanted.runLengths = {{"n", n}};
      results.push_back(run(wanted));
      EXPECT_TRUE(results.back()[0].shape() == (Shape{n, 4}));
      for (int64_t column = 0; column < 4; ++column) {
        double sum = 0;
        for (int64_t row = 0; row < n; ++row) sum += results.back()[0].real(row * 4 + column);
        EXPECT_NEAR(results.back()[1].real(column), sum, 1e-5);
      }
    }
    for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(sameBits(results[0][i], results[1][i]));
  }
  for (const char* device : kDevices) {
    RunRequest wanted = request(lengthsPlan(device), uniform(Shape{3, 3}, 6));
    wanted.runLengths = {{"n", 8}};
    EXPECT_THROWS_CODE(run(wanted), "INPUT_SHAPE");
  }
}

namespace {
/// total' = total + x, in place; returns total'.
Graph counter() {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, Shape{3});
  const ValueId total = graph.addState("total", DType::F32, Shape{3});
  Builder b(graph);
  graph.outputs = {b.node("assignState", {total, b.add(total, x)})};
  return graph;
}
}  // namespace

TEST(sessions_keep_states_on_the_device) {
  for (const char* device : kDevices) {
    CompileOptions options;
    options.device = device;
    const auto plan = compile(counter(), std::make_shared<Parameters>(), options);
    const auto session = std::make_shared<Session>(counter(), std::map<std::string, int64_t>{}, openDevice(device));
    RunRequest wanted = request(plan, uniform(Shape{3}, 4));
    EXPECT_THROWS_CODE(run(wanted), "INPUT_MISSING");
    wanted.session = session;
    for (int round = 1; round <= 3; ++round) {
      const auto out = run(wanted);
      EXPECT_NEAR(out[0].real(1), round * uniform(Shape{3}, 4).real(1), 1e-6);
      EXPECT_TRUE(sameBits(out[0], session->read(0)));
    }
    session->write(0, uniform(Shape{3}, 50));
    EXPECT_TRUE(sameBits(session->read(0), uniform(Shape{3}, 50)));
    EXPECT_THROWS_CODE(session->write(0, uniform(Shape{2}, 50)), "INPUT_SHAPE");
    {
      const Session::Use use(*session);
      EXPECT_THROWS_CODE(run(wanted), "OPTION_RANGE");
      EXPECT_THROWS_CODE(session->read(0), "OPTION_RANGE");
    }
    run(wanted);

    const auto elsewhere = std::make_shared<Session>(counter(), std::map<std::string, int64_t>{}, device == kDevices[0] ? openDevice("fake") : cpuDevice());
    wanted.session = elsewhere;
    EXPECT_THROWS_CODE(run(wanted), "OPTION_RANGE");
    wanted.session = std::make_shared<Session>(Graph{}, std::map<std::string, int64_t>{}, openDevice(device));
    EXPECT_THROWS_CODE(run(wanted), "INPUT_SHAPE");
  }
}

TEST(a_nan_names_the_node_where_it_began) {
  for (const char* device : kDevices) {
    Graph graph;
    const ValueId x = graph.addInput("x", DType::F32, Shape{3});
    Builder b(graph);
    const ValueId root = b.node("sqrt", {b.add(x, x)});
    graph.nodes.back().name = "the root";
    graph.outputs = {b.node("tanh", {b.scale(root, 2)})};
    CompileOptions options;
    options.device = device;
    HostTensor negative(DType::F32, Shape{3});
    static_cast<float*>(negative.mutableData())[1] = -1;
    RunRequest wanted = request(compile(graph, std::make_shared<Parameters>(), options), negative);
    try {
      run(wanted);
      EXPECT_TRUE(false);
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.code()), "NOT_FINITE");
      EXPECT_TRUE(std::string(error.what()).find("the root") != std::string::npos);
    }
    wanted.guard = false;
    EXPECT_TRUE(std::isnan(run(wanted)[0].real(1)));
  }
}

TEST(profiles_time_every_node_on_a_device) {
  for (const char* device : kDevices) {
    RunRequest wanted = request(netPlan(device, 2, true), uniform(Shape{2, 2, 6, 6}, 7));
    const size_t steps = wanted.plan->steps().size();
    wanted.profile = true;
    const auto job = std::make_shared<RunJob>(wanted);
    drive(job);
    EXPECT_EQ(job->profile().size(), steps);
    // Every step of the fake device is late by 50 microseconds, and only a profile that waits sees it.
    if (device == std::string("fake"))
      for (const ProfiledNode& node : job->profile()) EXPECT_TRUE(node.milliseconds >= 0.04);
  }
}

TEST(a_jobs_bound_counts_device_memory) {
  for (const char* device : kDevices) {
    const auto process = MemoryBudget::process()->current();
    {
      const HostTensor x = uniform(Shape{2, 2, 6, 6}, 7);
      RunRequest wanted = request(netPlan(device, 2, true), x);
      wanted.budget = std::make_shared<MemoryBudget>();
      run(wanted);
      const size_t needed = wanted.budget->peak();
      EXPECT_TRUE(needed >= wanted.plan->arenaBytes() + x.bytes());
      EXPECT_EQ(wanted.budget->current(), size_t{0});
      wanted.budget = std::make_shared<MemoryBudget>(needed);
      run(wanted);
      wanted.budget = std::make_shared<MemoryBudget>(needed - 1);
      EXPECT_THROWS_CODE(run(wanted), "OUT_OF_MEMORY_BUDGET");
      EXPECT_EQ(wanted.budget->current(), size_t{0});
    }
    EXPECT_EQ(MemoryBudget::process()->current(), process);
  }
}

TEST(a_failure_inside_the_queue_settles_the_job_and_spares_others) {
  const auto fake = openDevice("fake");
  Graph graph;
  const ValueId position = graph.addInput("position", DType::I64, Shape{});
  const ValueId state = graph.addState("cache", DType::F32, Shape{4});
  Builder b(graph);
  graph.outputs = {b.node("appendState", {state, b.constant(uniform(Shape{2}, 3)), position}, {{"axis", int64_t{0}}})};
  CompileOptions options;
  options.device = "fake";
  RunRequest wanted;
  wanted.plan = compile(graph, std::make_shared<Parameters>(), options);
  wanted.session = std::make_shared<Session>(graph, std::map<std::string, int64_t>{}, fake);
  wanted.inputs = {HostTensor::scalar(DType::I64, 3)};
  EXPECT_THROWS_CODE(run(wanted), "INPUT_VALUE");
  wanted.inputs = {HostTensor::scalar(DType::I64, 2)};
  EXPECT_EQ(run(wanted)[0].real(3), uniform(Shape{2}, 3).real(1));
}

TEST(cancelling_a_job_whose_work_is_queued_settles_it_and_frees_its_memory) {
  // 20 ms for every step: the job has everything enqueued and waits.
  const HostTensor x = uniform(Shape{2, 2, 6, 6}, 7);
  Graph graph;
  const ValueId input = graph.addInput("x", DType::F32, Shape{2, 2, 6, 6});
  Builder b(graph);
  ValueId value = input;
  for (int i = 0; i < 400; ++i) value = b.node(i % 2 ? "tanh" : "sin", {value});
  graph.outputs = {value};
  CompileOptions options;
  options.device = "fake";
  RunRequest wanted = request(compile(graph, std::make_shared<Parameters>(), options), x);
  wanted.budget = std::make_shared<MemoryBudget>();

  EngineConfiguration configuration;
  configuration.lanes = 1;
  Engine engine(configuration);
  engine.acquire(1);
  std::atomic<int> outcome{0};
  SubmitOptions submit;
  submit.environment = 1;
  submit.onSettled = [&](const Error* error) { outcome = error == nullptr ? 1 : std::string(error->code()) == "ABORTED" ? 2 : 3; };
  auto handle = engine.submit(std::make_shared<RunJob>(wanted), submit);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  handle.cancel();
  for (int i = 0; i < 2000 && outcome == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(outcome.load(), 2);
  engine.release(1);
  EXPECT_EQ(wanted.budget->current(), size_t{0});

  // Released in the middle instead: the same, without an outcome.
  outcome = 0;
  engine.acquire(2);
  submit.environment = 2;
  engine.submit(std::make_shared<RunJob>(wanted), submit);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  engine.release(2);
  EXPECT_EQ(outcome.load(), 0);
  EXPECT_EQ(wanted.budget->current(), size_t{0});
}
