#include "methods/rows_job.h"

#include <algorithm>
#include <cstring>

#include "device_support.h"
#include "harness.h"

/// How many passes of a job run side by side, by what their arenas hold.
namespace ascribe::test {
namespace {

struct Ran {
  HostTensor output;
  size_t bytes;
};

Ran rowsWithin(size_t bytesTogether) {
  RowsRequest request;
  request.plan = netPlan("cpu", 2, false);
  request.chunk = 2;
  request.count = 12;
  request.tables.resize(1);
  request.marks.resize(1);
  request.rows = {uniform(Shape{12, 2, 6, 6}, 7)};
  request.bytesTogether = bytesTogether;
  request.check();
  const auto job = std::make_shared<RowsJob>(std::move(request));
  drive(job, 3);
  return {job->takeOutputs()[0], job->peakBytes()};
}

TEST(passes_side_by_side_hold_no_more_than_their_bound) {
  const auto plan = netPlan("cpu", 2, false);
  const size_t each = plan->arenaBytes() + plan->scratchBytes();
  REQUIRE(each > 0);
  const Ran one = rowsWithin(1), two = rowsWithin(2 * each), most = rowsWithin(size_t{1} << 30);
  EXPECT_EQ(two.bytes, 2 * one.bytes);
  EXPECT_EQ(most.bytes, 3 * one.bytes);
  EXPECT_TRUE(sameBits(one.output, two.output));
  EXPECT_TRUE(sameBits(one.output, most.output));
}

/// Scores of an item have one order over all inputs that share them.
TEST(tables_hold_the_places_of_an_items_scores) {
  Graph graph;
  Builder b(graph);
  const ValueId first = graph.addInput("first", DType::F32, Shape{2, 1, 2}), second = graph.addInput("second", DType::F32, Shape{2, 3}), whole = graph.addInput("whole", DType::I64, Shape{2, 3});
  graph.outputs = {b.node("abs", {first}), b.node("abs", {second}), b.node("abs", {whole})};
  RowsRequest request;
  request.plan = compile(graph, std::make_shared<Parameters>(), {});
  request.chunk = request.count = 2;
  request.rows.resize(3);
  request.marks.resize(3);
  request.tables = {std::nullopt, std::nullopt, HostTensor(DType::I64, {2, 3})};
  const auto scoresOf = [](DType dtype, const Shape& shape) {
    constexpr double kScores[] = {0.5, -1, 3, 0.5, 2, -4, -3, 1e-300, -5, 1e-301};
    HostTensor scores(dtype, shape);
    if (dtype == DType::F64) std::memcpy(scores.mutableData(), kScores, std::min(sizeof kScores, scores.bytes()));
    return scores;
  };
  const auto with = [&](HostTensor scores, std::vector<size_t> inputs) {
    RowsRequest ranked = request;
    ranked.ranked = RowsRequest::Ranked{std::move(scores), std::move(inputs)};
    ranked.check();
    return ranked;
  };
  const auto job = std::make_shared<RowsJob>(with(scoresOf(DType::F64, {2, 5}), {1, 0}));
  drive(job, 2);
  const std::vector<HostTensor> tables = job->takeOutputs();
  // The second input has the first three scores.
  const std::vector<float> expectedFirst{3, 1, 4, 1}, expectedSecond{2, 4, 0, 3, 2, 0};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(tables[0].as<float>()[i], expectedFirst[i]);
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(tables[1].as<float>()[i], expectedSecond[i]);

  EXPECT_THROWS_CODE(with(scoresOf(DType::F64, {2, 6}), {1, 0}), "INPUT_SHAPE");
  EXPECT_THROWS_CODE(with(scoresOf(DType::F64, {10}), {1, 0}), "INPUT_SHAPE");
  EXPECT_THROWS_CODE(with(scoresOf(DType::F64, {2, 5, 3}), {1, 0}), "INPUT_SHAPE");
  EXPECT_THROWS_CODE(with(scoresOf(DType::F64, {1, 5}), {1, 0}), "INPUT_SHAPE");
  EXPECT_THROWS_CODE(with(scoresOf(DType::F32, {2, 5}), {1, 0}), "INPUT_DTYPE");
  EXPECT_THROWS_CODE(with(scoresOf(DType::F64, {2, 5}), {2, 0}), "INPUT_DTYPE");
}

}  // namespace
}  // namespace ascribe::test
