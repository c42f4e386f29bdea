#include <cstring>
#include <mutex>
#include <new>

#include "runtime/device.h"
#include "runtime/error.h"

namespace ascribe {
namespace {

class CpuDevice final : public Device {
 public:
  std::string name() const override { return "cpu"; }
  bool hostAccessible() const override { return true; }

  void* allocate(size_t bytes) override {
    if (bytes == 0) return nullptr;
    void* address = bytes <= SIZE_MAX / 2 ? ::operator new(bytes, alignment, std::nothrow) : nullptr;
    if (address == nullptr) throw Error("OUT_OF_MEMORY_BUDGET", "the system refused " + sizeText(bytes));
    return address;
  }
  void free(void* address) noexcept override { ::operator delete(address, alignment); }

  void upload(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
  void download(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
  void copy(void* to, const void* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  void fill(void* to, uint8_t value, size_t bytes) override {
    if (bytes > 0) std::memset(to, value, bytes);
  }
  // At once, so a failure is the caller's at once: there is nothing behind it in a queue.
  void enqueue(std::function<void()> work) override { work(); }
  void synchronize() override {}
  void* view(void* address) const override { return address; }

 private:
  static constexpr std::align_val_t alignment{64};
};

}  // namespace

std::shared_ptr<Device> cpuDevice() {
  static const auto* only = new std::shared_ptr<Device>(std::make_shared<CpuDevice>());
  return *only;
}

}  // namespace ascribe
