#include "methods/rows_job.h"

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

}  // namespace
}  // namespace ascribe::test
