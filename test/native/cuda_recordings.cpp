#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "device_support.h"
#include "harness.h"
#include "op_cases/cuda.h"
#include "op_cases/driver_support.h"
#include "runtime/cuda_library.h"
#include "runtime/recordings.h"

using namespace ascribe;
using namespace ascribe::test;

namespace {

void requireCuda() {
  if (!hasCuda()) throw Skipped("there is no CUDA device, nor the emulation of one");
}
std::vector<HostTensor> once(const std::shared_ptr<const Plan>& plan, std::vector<HostTensor> inputs, std::shared_ptr<Session> session = nullptr, bool profile = false) {
  RunRequest request;
  request.plan = plan;
  request.session = std::move(session);
  request.profile = profile;
  for (HostTensor& each : inputs) request.inputs.emplace_back(std::move(each));
  return run(std::move(request));
}
CompileOptions onCuda(std::vector<std::string> without = {}) {
  CompileOptions options;
  options.device = "cuda";
  options.withoutPasses = std::move(without);
  return options;
}
/// relu((x y + x) … ) four times, with a sum that has no kernel on the device in the middle where `split`.
std::shared_ptr<const Plan> chain(bool split, const CompileOptions& options) {
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, Shape{3, 7}), y = graph.addInput("y", DType::F32, Shape{3, 7});
  Builder b(graph);
  ValueId value = x;
  for (int i = 0; i < 8; ++i) {
    value = b.node("relu", {b.node("add", {b.node("mul", {value, y}), x})});
    if (split && i == 3) value = b.node("cumSum", {value}, {{"axis", int64_t{1}}});
  }
  graph.outputs = {value};
  return compile(graph, std::make_shared<Parameters>(), options);
}

}  // namespace

TEST(recorded_runs_give_the_same_bits_as_runs_that_are_not) {
  requireCuda();
  for (const bool gradient : {false, true}) {
    const auto recorded = netPlan("cuda", 2, gradient), plain = netPlan("cuda", 2, gradient, onCuda({"record-launches"}));
    EXPECT_EQ(plain->pieces().size(), size_t{0});
    EXPECT_EQ(recorded->pieces().size(), size_t{1});
    for (uint64_t i = 0; i < 6; ++i) {
      const HostTensor x = uniform(Shape{2, 2, 6, 6}, 50 + i);
      const auto expected = once(plain, {x}), got = once(recorded, {x});
      for (size_t o = 0; o < got.size(); ++o) EXPECT_TRUE(sameBits(got[o], expected[o]));
      // The first run is as it always was, the second is written down, and all from there on are that one.
      EXPECT_EQ(recorded->recordings().made(), size_t{i < 1 ? 0u : 1u});
    }
  }
}

TEST(a_recording_is_for_its_addresses_alone) {
  requireCuda();
  const auto plan = netPlan("cuda", 2, true), plain = netPlan("cuda", 2, true, onCuda({"record-launches"}));
  const HostTensor x = uniform(Shape{2, 2, 6, 6}, 61);
  const auto expected = once(plain, {x});
  for (int i = 0; i < 3; ++i) once(plan, {x});
  EXPECT_EQ(plan->recordings().made(), size_t{1});
  // Whoever holds the memory of the runs so far makes the next ones lie elsewhere.
  const auto device = openDevice("cuda");
  std::vector<std::unique_ptr<DeviceBuffer>> held;
  for (int i = 0; i < 8; ++i)
    for (const size_t bytes : {plan->arenaBytes(), plan->scratchBytes(), x.bytes()}) held.push_back(std::make_unique<DeviceBuffer>(device, nullptr, bytes));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(sameBits(once(plan, {x})[1], expected[1]));
  EXPECT_EQ(plan->recordings().made(), size_t{2});
  held.clear();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(sameBits(once(plan, {x})[1], expected[1]));
}

TEST(runs_beside_each_other_replay_no_recording_of_another) {
  requireCuda();
  const auto plan = netPlan("cuda", 2, true), plain = netPlan("cuda", 2, true, onCuda({"record-launches"}));
  for (uint64_t round = 0; round < 4; ++round) {
    std::vector<std::thread> threads;
    std::vector<std::vector<HostTensor>> got(6);
    for (uint64_t i = 0; i < 6; ++i) threads.emplace_back([&, i] { got[i] = once(plan, {uniform(Shape{2, 2, 6, 6}, 70 + i)}); });
    for (std::thread& thread : threads) thread.join();
    for (uint64_t i = 0; i < 6; ++i) {
      const auto expected = once(plain, {uniform(Shape{2, 2, 6, 6}, 70 + i)});
      for (size_t o = 0; o < 2; ++o) EXPECT_TRUE(sameBits(got[i][o], expected[o]));
    }
  }
}

TEST(pieces_end_at_a_node_that_runs_on_the_host_and_a_profile_names_it) {
  requireCuda();
  const auto plan = chain(true, onCuda()), plain = chain(true, onCuda({"record-launches"}));
  EXPECT_EQ(plan->pieces().size(), size_t{2});
  for (uint64_t i = 0; i < 5; ++i) {
    const std::vector<HostTensor> inputs{uniform(Shape{3, 7}, 80 + i), uniform(Shape{3, 7}, 90 + i)};
    EXPECT_TRUE(sameBits(once(plan, inputs)[0], once(plain, inputs)[0]));
  }
  EXPECT_EQ(plan->recordings().made(), size_t{1});
  EXPECT_EQ(plan->recordingReport(), std::string("recorded launches, replayed from the third run on: 24 of 25 nodes in 2 pieces; on the host: a node (cumSum, reference-cumSum)"));
  EXPECT_EQ(plain->recordingReport(), std::string("launches are not recorded: record-launches is left out"));
  EXPECT_EQ(chain(false, onCuda())->recordingReport(), std::string("recorded launches, replayed from the third run on: 24 of 24 nodes in 1 piece"));
  CompileOptions host;
  host.device = "cpu";
  EXPECT_EQ(chain(false, host)->recordingReport(), std::string());
}

TEST(an_environment_variable_turns_recordings_off) {
  requireCuda();
  setenv("ASCRIBE_CUDA_RECORDING", "off", 1);
  const auto plan = chain(false, onCuda());
  unsetenv("ASCRIBE_CUDA_RECORDING");
  EXPECT_EQ(plan->pieces().size(), size_t{0});
  EXPECT_EQ(plan->recordingReport(), std::string("launches are not recorded: ASCRIBE_CUDA_RECORDING is off"));
}

TEST(a_profiled_run_goes_node_by_node) {
  requireCuda();
  const auto plan = chain(false, onCuda());
  const std::vector<HostTensor> inputs{uniform(Shape{3, 7}, 80), uniform(Shape{3, 7}, 90)};
  const auto expected = once(plan, inputs);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(sameBits(once(plan, inputs, nullptr, true)[0], expected[0]));
  EXPECT_EQ(plan->recordings().made(), size_t{0});
}

TEST(weights_that_changed_are_read_by_a_recording_too) {
  requireCuda();
  CompileOptions options = onCuda(), without = onCuda({"record-launches"});
  options.frozenParameters = without.frozenParameters = false;
  const auto parameters = netParameters();
  const auto plan = netPlan("cuda", 2, true, options, parameters), plain = netPlan("cuda", 2, true, without, parameters);
  const HostTensor x = uniform(Shape{2, 2, 6, 6}, 9);
  for (uint64_t i = 0; i < 5; ++i) {
    parameters->write("w2", uniform(Shape{5, 3}, 77 + i));
    const auto got = once(plan, {x}), expected = once(plain, {x});
    for (size_t o = 0; o < 2; ++o) EXPECT_TRUE(sameBits(got[o], expected[o]));
  }
  EXPECT_EQ(plan->recordings().made(), size_t{1});
}

TEST(recorded_steps_move_the_states_of_their_own_session) {
  requireCuda();
  Graph graph;
  const ValueId x = graph.addInput("x", DType::F32, Shape{2, 3}), position = graph.addInput("position", DType::I64, Shape{});
  const ValueId first = graph.addState("first", DType::F32, Shape{8, 3}), second = graph.addState("second", DType::F32, Shape{8, 3});
  Builder b(graph);
  const ValueId doubled = b.node("add", {x, x});
  graph.outputs = {b.node("sub", {b.node("neg", {b.node("appendState", {first, x, position}, {{"axis", int64_t{0}}})}), b.node("appendState", {second, doubled, position}, {{"axis", int64_t{0}}})})};
  const auto plan = compile(graph, std::make_shared<Parameters>(), onCuda());
  for (uint64_t conversation = 0; conversation < 3; ++conversation) {
    auto session = std::make_shared<Session>(graph, std::map<std::string, int64_t>{}, openDevice("cuda"));
    std::vector<float> expected(24, 0.0f);
    for (int64_t step = 0; step < 4; ++step) {
      const HostTensor rows = uniform(Shape{2, 3}, 100 + conversation * 10 + static_cast<uint64_t>(step));
      const HostTensor out = once(plan, {rows, HostTensor::scalar(DType::I64, static_cast<double>(2 * step))}, session)[0];
      for (int64_t i = 0; i < 6; ++i) expected[static_cast<size_t>(step * 6 + i)] = -3 * static_cast<float>(rows.real(i));
      for (int64_t i = 0; i < 24; ++i) EXPECT_TRUE(std::abs(out.real(i) - static_cast<double>(expected[static_cast<size_t>(i)])) <= 1e-6);
    }
  }
  // Sessions that follow each other lie where the first one lay.
  EXPECT_EQ(plan->recordings().made(), size_t{1});
}

TEST(an_index_outside_its_axis_is_found_in_a_recording_too) {
  requireCuda();
  Graph graph;
  const ValueId table = graph.addInput("table", DType::F32, Shape{4, 3}), rows = graph.addInput("rows", DType::I64, Shape{2});
  Builder b(graph);
  ValueId value = b.node("gather", {table, rows}, {{"axis", int64_t{0}}});
  for (int i = 0; i < 4; ++i) value = b.node("neg", {value});
  graph.outputs = {value};
  const auto plan = compile(graph, std::make_shared<Parameters>(), onCuda());
  const HostTensor data = uniform(Shape{4, 3}, 5);
  const auto at = [](int64_t a, int64_t c) {
    HostTensor out(DType::I64, Shape{2});
    static_cast<int64_t*>(out.mutableData())[0] = a;
    static_cast<int64_t*>(out.mutableData())[1] = c;
    return out;
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(once(plan, {data, at(-1, 0)})[0].real(0), data.real(9));
    EXPECT_THROWS_CODE(once(plan, {data, at(1, 4)}), "INPUT_VALUE");
  }
  EXPECT_EQ(plan->recordings().made(), size_t{1});
}

TEST(a_device_that_refuses_to_record_runs_node_by_node_and_says_so) {
  if (!hasCuda() || cudaIsHardware()) throw Skipped("only the emulation can be told to refuse");
  const auto plan = chain(false, onCuda());
  const std::vector<HostTensor> inputs{uniform(Shape{3, 7}, 80), uniform(Shape{3, 7}, 90)};
  const auto expected = once(plan, inputs);
  setenv("ASCRIBE_TEST_REFUSE_RECORDING", "1", 1);
  const auto got = once(plan, inputs);
  unsetenv("ASCRIBE_TEST_REFUSE_RECORDING");
  EXPECT_TRUE(sameBits(got[0], expected[0]));
  EXPECT_TRUE(sameBits(once(plan, inputs)[0], expected[0]));
  EXPECT_EQ(plan->recordings().made(), size_t{0});
  EXPECT_EQ(plan->recordingReport(), std::string("launches are not recorded: a recording: refused"));
}
