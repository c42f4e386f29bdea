#include <cstring>
#include <vector>

#include "cpu_support.h"
#include "device_support.h"
#include "harness.h"
#include "runtime/memory.h"
#include "runtime/onednn_library.h"

/// Weights of convolutions are packed once for all plans that read them.
namespace ascribe::test {
namespace {

constexpr int64_t kChannels = 256;
constexpr size_t kWeightBytes = kChannels * kChannels * 9 * sizeof(float);

std::shared_ptr<const Plan> planFor(const HostTensor& weights, int64_t batch, bool gradient) {
  Graph graph;
  Builder b(graph);
  const ValueId x = graph.addInput("x", DType::F32, Shape{batch, kChannels, 12, 12});
  const ValueId y = b.node("conv", {b.node("relu", {x}), b.constant(weights)}, {{"pads", std::vector<int64_t>(4, 1)}});
  graph.outputs = {y};
  if (gradient) {
    const ValueId seeds = graph.addInput("seeds", DType::F32, Shape{1, batch, kChannels, 12, 12});
    graph.outputs.push_back(b.node("vjp", {y, seeds, x}, {{"outputs", int64_t{1}}}));
  }
  return compile(graph, std::make_shared<Parameters>(), CompileOptions{});
}
size_t inUse() { return MemoryBudget::process()->current(); }

TEST(plans_share_packed_weights_wherever_they_lie) {
  if (onednn() == nullptr) SKIP("no oneDNN backend");
  const HostTensor values = floats({kChannels, kChannels, 3, 3}, 3, -0.02, 0.02);
  for (const size_t offset : {size_t{0}, size_t{1}}) {  // files place theirs at any byte
    const auto bytes = std::make_shared<std::vector<std::byte>>(kWeightBytes + 64);
    const size_t skew = (64 - reinterpret_cast<uintptr_t>(bytes->data()) % 64) % 64;
    std::byte* at = bytes->data() + skew + offset;
    std::memcpy(at, values.data(), kWeightBytes);
    const HostTensor weights(DType::F32, values.shape(), at, bytes);
    for (const bool gradient : {false, true}) {
      const size_t before = inUse();
      const auto first = planFor(weights, 2, gradient);
      const size_t one = inUse() - before;
      const auto second = planFor(weights, 4, gradient), third = planFor(weights, 2, gradient);
      const size_t more = inUse() - before - one;
      EXPECT_TRUE(one >= kWeightBytes);
      EXPECT_TRUE(more < kWeightBytes);
    }
    // Other weights at the same address are not taken for these.
    const auto plan = planFor(weights, 2, false);
    const HostTensor others(DType::F32, values.shape(), at, std::make_shared<int>(0));
    const size_t before = inUse();
    const auto apart = planFor(others, 2, false);
    EXPECT_TRUE(inUse() - before >= kWeightBytes);
  }
}

}  // namespace
}  // namespace ascribe::test
