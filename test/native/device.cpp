#include "runtime/cuda_library.h"
#include "runtime/device.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <thread>
#include <vector>

#include "harness.h"
#include "kernels/kernel.h"

using namespace ascribe;
using namespace std::chrono_literals;

namespace {

/// Whether the kernel can read from an address for us: false exactly where touching it would fault.
bool readable(const void* address) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const bool could = write(ends[1], address, 1) == 1;
  const bool faults = !could && errno == EFAULT;
  close(ends[0]);
  close(ends[1]);
  REQUIRE(could || faults);
  return could;
}

struct DoubleKernel : Kernel {
  void run(const KernelArguments& k) const override {
    for (int64_t i = 0; i < k.outputs[0].count(); ++i) k.outputs[0].as<float>()[i] *= 2;
  }
  std::string_view name() const override { return "double"; }
};

struct FailingKernel : DoubleKernel {
  void run(const KernelArguments&) const override { throw Error("NOT_FINITE", "kernel"); }
};

struct CountingKernel : DoubleKernel {
  explicit CountingKernel(std::atomic<int>& count) : count(count) {}
  void run(const KernelArguments&) const override { ++count; }
  std::atomic<int>& count;
};

void launch(DeviceQueue& queue, const Kernel& kernel, void* data, int64_t count) {
  const TensorRef tensor{data, DType::F32, Shape{count}, Layout::Plain};
  queue.launch(kernel, {{}, std::span(&tensor, 1), nullptr});
}

std::vector<std::shared_ptr<Device>> devices() {
  return {cpuDevice(), makeFakeDevice(1 << 20, 20us)};
}

}  // namespace

TEST(copies_and_kernels_happen_in_order) {
  for (const auto& device : devices()) {
    std::vector<float> in(1000), out(1000, -1), twice(1000, -1);
    std::iota(in.begin(), in.end(), 1.0f);
    const size_t bytes = in.size() * sizeof(float);
    DeviceBuffer a(device, nullptr, bytes), b(device, nullptr, bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.address()) % 64, uintptr_t{0});
    const auto queue = device->openQueue();
    queue->upload(a.address(), in.data(), bytes);
    queue->copy(b.address(), a.address(), bytes);
    const DoubleKernel kernel;
    launch(*queue, kernel, b.address(), 1000);
    queue->download(twice.data(), b.address(), bytes);
    queue->fill(a.address(), 0, bytes / 2);
    queue->download(out.data(), a.address(), bytes);
    queue->synchronize();
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(twice[i], 2 * in[i]);
      EXPECT_EQ(out[i], i < 500 ? 0 : in[i]);
    }
    device->free(nullptr, 0);
    EXPECT_TRUE(device->allocate(0) == nullptr);
  }
}

TEST(the_host_cannot_touch_the_fake_devices_memory) {
  const auto fake = makeFakeDevice(1 << 20);
  const DeviceBuffer there(fake, nullptr, 100), here(cpuDevice(), nullptr, 100);
  EXPECT_TRUE(!fake->hostAccessible());
  EXPECT_TRUE(!readable(there.address()));
  std::memset(here.address(), 0, 100);
  EXPECT_TRUE(readable(here.address()));
}

TEST(the_fake_device_is_late) {
  const auto fake = makeFakeDevice(1 << 20, 20ms);
  const DeviceBuffer buffer(fake, nullptr, 4);
  const auto queue = fake->openQueue();
  const float value = 7;
  float got = -1;
  queue->upload(buffer.address(), &value, 4);
  queue->download(&got, buffer.address(), 4);
  EXPECT_EQ(got, -1.0f);
  queue->synchronize();
  EXPECT_EQ(got, 7.0f);
}

TEST(fresh_fake_memory_holds_nans_also_when_it_is_used_again) {
  const auto fake = makeFakeDevice(4096, 0us);
  const auto queue = fake->openQueue();
  for (int round = 0; round < 3; ++round) {
    float got = 0;
    const DeviceBuffer buffer(fake, nullptr, 4096);
    queue->download(&got, buffer.address(), 4);
    queue->synchronize();
    EXPECT_TRUE(std::isnan(got));
    queue->fill(buffer.address(), 0, 4096);
    queue->synchronize();
  }
}

TEST(a_failure_stops_its_queue_until_it_is_noticed_and_no_other) {
  const auto fake = makeFakeDevice(1 << 20, 0us);
  const DeviceBuffer buffer(fake, nullptr, 64);
  const auto queue = fake->openQueue(), other = fake->openQueue();
  const FailingKernel failing;
  const DoubleKernel doubling;
  float value = 3, got = 0;
  queue->upload(buffer.address(), &value, 4);
  launch(*queue, failing, buffer.address(), 1);
  launch(*queue, doubling, buffer.address(), 1);
  launch(*other, doubling, buffer.address(), 1);
  EXPECT_THROWS_CODE(queue->synchronize(), "NOT_FINITE");
  other->synchronize();
  queue->download(&got, buffer.address(), 4);
  queue->synchronize();
  EXPECT_EQ(got, 6.0f);  // doubled once: by the other queue

  int host = 0;
  launch(*queue, doubling, &host, 1);
  EXPECT_THROWS_CODE(queue->synchronize(), "INTERNAL");
  queue->download(&host, buffer.address(), 1 << 21);
  EXPECT_THROWS_CODE(queue->synchronize(), "INTERNAL");
}

TEST(fences_are_reached_in_order_and_receive_failures) {
  for (const auto& device : devices()) {
    const DeviceBuffer buffer(device, nullptr, 64);
    const auto queue = device->openQueue();
    float value = 3, got = 0;
    queue->upload(buffer.address(), &value, 4);
    queue->download(&got, buffer.address(), 4);
    std::atomic<bool> there{false};
    queue->fence([&](std::exception_ptr error) { there = error == nullptr && got == 3; });
    queue->synchronize();
    EXPECT_TRUE(there);
  }
  const auto fake = makeFakeDevice(1 << 20, 20us);
  const DeviceBuffer buffer(fake, nullptr, 64);
  const auto queue = fake->openQueue();
  const FailingKernel failing;
  std::exception_ptr first, second;
  launch(*queue, failing, buffer.address(), 1);
  queue->fill(buffer.address(), 0, 4);
  queue->fence([&](std::exception_ptr error) { first = error; });
  queue->fence([&](std::exception_ptr error) { second = error; });
  queue->synchronize();
  EXPECT_THROWS_CODE(std::rethrow_exception(first), "NOT_FINITE");
  EXPECT_TRUE(second == nullptr);
}

TEST(a_queue_that_goes_drops_its_work_and_only_its_own) {
  const auto fake = makeFakeDevice(1 << 20, 5ms);
  const DeviceBuffer buffer(fake, nullptr, 64);
  auto queue = fake->openQueue();
  const auto other = fake->openQueue();
  std::atomic<int> run{0};
  const CountingKernel counting(run);
  for (int i = 0; i < 200; ++i) launch(*queue, counting, buffer.address(), 1);
  std::atomic<bool> reached{false};
  other->fence([&](std::exception_ptr) { reached = true; });
  std::this_thread::sleep_for(20ms);
  queue.reset();
  const int then = run;
  EXPECT_TRUE(then >= 1 && then < 100);
  other->synchronize();
  EXPECT_TRUE(reached);
  EXPECT_EQ(run.load(), then);
}

TEST(fake_memory_is_bounded_and_reused_without_holes) {
  const auto fake = makeFakeDevice(1 << 16, 0us);
  std::vector<void*> all;
  for (int i = 0; i < 16; ++i) all.push_back(fake->allocate(4096));
  EXPECT_THROWS_CODE(fake->allocate(1), "OUT_OF_MEMORY_BUDGET");
  EXPECT_THROWS_CODE(fake->allocate(SIZE_MAX), "OUT_OF_MEMORY_BUDGET");
  // In an order that needs merging with the gap before, behind, and both.
  for (const int i : {0, 2, 1, 5, 4, 3, 15, 7, 9, 8, 6, 10, 14, 12, 13, 11}) fake->free(all[i], 4096);
  void* whole = fake->allocate(1 << 16);
  EXPECT_TRUE(whole != nullptr);
  fake->free(whole, 1 << 16);
}

TEST(host_blocks_kept_for_reuse_go_back_the_way_they_came) {
  // Just below and at the size from which blocks are mapped: as many bytes taken, so one may follow the other.
  constexpr size_t edge = size_t{1} << 20;
  for (int round = 0; round < 3; ++round)
    for (const size_t bytes : {edge + 1, edge - 64, edge, edge - 1}) {
      DeviceBuffer buffer(cpuDevice(), nullptr, bytes);
      std::memset(buffer.address(), 1, bytes);
    }
  // Larger ones push the kept ones out.
  for (int i = 0; i < 40; ++i) DeviceBuffer(cpuDevice(), nullptr, edge + size_t(i + 2) * 4096);
}

TEST(buffers_are_charged_and_given_back) {
  const auto fake = makeFakeDevice(1 << 16, 0us);
  const auto budget = std::make_shared<MemoryBudget>(10000);
  {
    DeviceBuffer a(fake, budget, 6000);
    EXPECT_EQ(budget->current(), size_t{6016});  // whole cache lines
    EXPECT_THROWS_CODE(DeviceBuffer(fake, budget, 6000), "OUT_OF_MEMORY_BUDGET");
    DeviceBuffer b(std::move(a));
    EXPECT_TRUE(a.address() == nullptr && b.address() != nullptr);
  }
  EXPECT_EQ(budget->current(), size_t{0});
  EXPECT_THROWS_CODE(DeviceBuffer(fake, nullptr, 1 << 20), "OUT_OF_MEMORY_BUDGET");
}

TEST(devices_open_by_name) {
  const std::string before = std::getenv("ASCRIBE_DEVICE");
  for (const char* none : {"", "auto"}) {
    setenv("ASCRIBE_DEVICE", none, 1);
    EXPECT_EQ(openDevice("auto")->name(), std::string(cudaIsHardware() ? "cuda:0" : "cpu"));
  }
  setenv("ASCRIBE_DEVICE", "fake", 1);
  EXPECT_EQ(openDevice("auto")->name(), "fake");
  EXPECT_EQ(openDevice("cpu")->name(), "cpu");
  setenv("ASCRIBE_DEVICE", "gpu", 1);
  EXPECT_THROWS_CODE(openDevice("auto"), "OPTION_RANGE");
  setenv("ASCRIBE_DEVICE", before.c_str(), 1);
  EXPECT_EQ(openDevice("fake")->name(), "fake");
  // Plans and sessions share it, as long as one of them is there.
  const auto fake = openDevice("fake");
  EXPECT_TRUE(openDevice("fake") == fake);
  EXPECT_THROWS_CODE(openDevice("cuda:255"), "BACKEND_UNAVAILABLE");
  EXPECT_THROWS_CODE(openDevice("cuda:"), "OPTION_RANGE");
  EXPECT_THROWS_CODE(openDevice("cuda:x"), "OPTION_RANGE");
  EXPECT_THROWS_CODE(openDevice("gpu"), "OPTION_RANGE");
}
