#include <cstring>

#include "kernels/kernel.h"
#include "runtime/device.h"

namespace ascribe {
namespace {

// Everything happens at once, so a failure is the caller's at once: there is nothing behind it in a queue.
class CpuQueue final : public DeviceQueue {
 public:
  void upload(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
  void download(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
  void copy(void* to, const void* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void fill(void* to, uint8_t value, size_t bytes) override {
    if (bytes > 0) std::memset(to, value, bytes);
  }
  void launch(const Kernel& kernel, const KernelArguments& arguments) override { kernel.run(arguments); }
  void fence(std::function<void(std::exception_ptr)> reached) override { reached(nullptr); }
  void synchronize() override {}
};

class CpuDevice final : public Device {
 public:
  std::string name() const override { return "cpu"; }
  bool hostAccessible() const override { return true; }
  void* allocate(size_t bytes) override { return allocateHost(bytes, "working memory"); }
  void free(void* address, size_t bytes) noexcept override { freeHost(address, bytes); }
  size_t occupied(size_t bytes) const override { return occupiedOnHost(bytes, "working memory"); }
  std::unique_ptr<DeviceQueue> openQueue() override { return std::make_unique<CpuQueue>(); }
};

}  // namespace

std::shared_ptr<Device> cpuDevice() {
  // Leaked: buffers may be freed while static destructors run.
  static const auto* only = new std::shared_ptr<Device>(std::make_shared<CpuDevice>());
  return *only;
}

}  // namespace ascribe
