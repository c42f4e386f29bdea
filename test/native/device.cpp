#include "runtime/device.h"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "harness.h"

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

std::vector<std::shared_ptr<Device>> devices() {
  return {cpuDevice(), makeFakeDevice(1 << 20, 20us)};
}

}  // namespace

TEST(copies_and_work_happen_in_order) {
  for (const auto& device : devices()) {
    std::vector<float> in(1000), out(1000, -1), twice(1000, -1);
    std::iota(in.begin(), in.end(), 1.0f);
    const size_t bytes = in.size() * sizeof(float);
    void* a = device->allocate(bytes);
    void* b = device->allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a) % 64, uintptr_t{0});
    device->upload(a, in.data(), bytes);
    device->copy(b, a, bytes);
    device->enqueue([&device, b] {
      auto* values = static_cast<float*>(device->view(b));
      for (int i = 0; i < 1000; ++i) values[i] *= 2;
    });
    device->download(twice.data(), b, bytes);
    device->fill(a, 0, bytes / 2);
    device->download(out.data(), a, bytes);
    device->synchronize();
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(twice[i], 2 * in[i]);
      EXPECT_EQ(out[i], i < 500 ? 0 : in[i]);
    }
    device->free(a);
    device->free(b);
    device->free(nullptr);
    EXPECT_TRUE(device->allocate(0) == nullptr);
  }
}

TEST(the_host_cannot_touch_the_fake_devices_memory) {
  const auto fake = makeFakeDevice(1 << 20);
  void* address = fake->allocate(100);
  EXPECT_TRUE(!fake->hostAccessible());
  EXPECT_TRUE(!readable(address));
  EXPECT_THROWS_CODE(fake->view(address), "INTERNAL");
  void* plain = cpuDevice()->allocate(100);
  std::memset(plain, 0, 100);
  EXPECT_TRUE(readable(plain));
  cpuDevice()->free(plain);
}

TEST(the_fake_device_is_late) {
  const auto fake = makeFakeDevice(1 << 20, 20ms);
  void* address = fake->allocate(4);
  const float value = 7;
  float got = -1;
  fake->upload(address, &value, 4);
  fake->download(&got, address, 4);
  EXPECT_EQ(got, -1.0f);
  fake->synchronize();
  EXPECT_EQ(got, 7.0f);
}

TEST(fresh_fake_memory_holds_nans_also_when_it_is_used_again) {
  const auto fake = makeFakeDevice(4096, 0us);
  for (int round = 0; round < 3; ++round) {
    float got = 0;
    void* address = fake->allocate(4096);
    fake->download(&got, address, 4);
    fake->synchronize();
    EXPECT_TRUE(std::isnan(got));
    fake->fill(address, 0, 4096);
    fake->free(address);
  }
}

TEST(a_failure_stops_the_queue_until_it_is_noticed) {
  const auto fake = makeFakeDevice(1 << 20, 0us);
  bool later = false;
  fake->enqueue([] { throw Error("NOT_FINITE", "kernel"); });
  fake->enqueue([&] { later = true; });
  EXPECT_THROWS_CODE(fake->synchronize(), "NOT_FINITE");
  EXPECT_TRUE(!later);
  fake->enqueue([&] { later = true; });
  fake->synchronize();
  EXPECT_TRUE(later);
  int host = 0;
  fake->enqueue([&] { fake->view(&host); });
  EXPECT_THROWS_CODE(fake->synchronize(), "INTERNAL");
  fake->download(&host, fake->allocate(64), 1 << 21);
  EXPECT_THROWS_CODE(fake->synchronize(), "INTERNAL");
}

TEST(fake_memory_is_bounded_and_reused_without_holes) {
  const auto fake = makeFakeDevice(1 << 16, 0us);
  std::vector<void*> all;
  for (int i = 0; i < 16; ++i) all.push_back(fake->allocate(4096));
  EXPECT_THROWS_CODE(fake->allocate(1), "OUT_OF_MEMORY_BUDGET");
  EXPECT_THROWS_CODE(fake->allocate(SIZE_MAX), "OUT_OF_MEMORY_BUDGET");
  // In an order that needs merging with the gap before, behind, and both.
  for (const int i : {0, 2, 1, 5, 4, 3, 15, 7, 9, 8, 6, 10, 14, 12, 13, 11}) fake->free(all[i]);
  void* whole = fake->allocate(1 << 16);
  EXPECT_TRUE(whole != nullptr);
  fake->free(whole);
}

TEST(buffers_are_charged_and_given_back) {
  const auto fake = makeFakeDevice(1 << 16, 0us);
  const auto budget = std::make_shared<MemoryBudget>(10000);
  {
    DeviceBuffer a(fake, budget, 6000);
    EXPECT_EQ(budget->current(), size_t{6000});
    EXPECT_THROWS_CODE(DeviceBuffer(fake, budget, 6000), "OUT_OF_MEMORY_BUDGET");
    DeviceBuffer b(std::move(a));
    EXPECT_TRUE(a.address() == nullptr && b.address() != nullptr);
  }
  EXPECT_EQ(budget->current(), size_t{0});
  EXPECT_THROWS_CODE(DeviceBuffer(fake, nullptr, 1 << 20), "OUT_OF_MEMORY_BUDGET");
}

TEST(devices_open_by_name) {
  EXPECT_EQ(openDevice("auto")->name(), "cpu");
  EXPECT_EQ(openDevice("fake")->name(), "fake");
  EXPECT_THROWS_CODE(openDevice("cuda:0"), "BACKEND_UNAVAILABLE");
  EXPECT_THROWS_CODE(openDevice("gpu"), "OPTION_RANGE");
}
