#include <cstring>
#include <mutex>
#include <vector>

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

/// Blocks that runs gave back, for the next run of the same plan: fresh pages cost a fault each and are cleared, which took
/// small nets as long as computing, and batches of eight three times as long. A bounded sum, the oldest go first. What is
/// large is the system's to take while it lies here (MADV_FREE), so that it stands in nobody's way.
class Reserve {
 public:
  struct Kept {
    void* address;
    size_t bytes, occupied;
  };

  void* take(size_t occupied) {
    const std::lock_guard lock(mutex_);
    // The last one first: it may still be in the caches.
    for (size_t i = kept_.size(); i-- > 0;) {
      if (kept_[i].occupied != occupied) continue;
      void* address = kept_[i].address;
      sum_ -= occupied;
      kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(i));
      return address;
    }
    return nullptr;
  }

  void put(const Kept& block) noexcept {
    if (block.occupied > most) return freeHost(block.address, block.bytes);
    if (block.occupied > small) offerToSystem(block.address, block.occupied);
    const std::lock_guard lock(mutex_);
    while (sum_ + block.occupied > most || kept_.size() == slots) {
      sum_ -= kept_.front().occupied;
      freeHost(kept_.front().address, kept_.front().bytes);
      kept_.erase(kept_.begin());
    }
    sum_ += block.occupied;
    kept_.push_back(block);
  }

 private:
  static constexpr size_t small = size_t{32} << 20, most = size_t{1} << 30, slots = 32;
  std::mutex mutex_;
  std::vector<Kept> kept_ = [] {
    std::vector<Kept> empty;
    empty.reserve(slots);  // put must not throw
    return empty;
  }();
  size_t sum_ = 0;
};

class CpuDevice final : public Device {
 public:
  std::string name() const override { return "cpu"; }
  bool hostAccessible() const override { return true; }
  void* allocate(size_t bytes) override {
    void* kept = reserve_.take(occupied(bytes));
    return kept != nullptr ? kept : allocateHost(bytes, "working memory");
  }
  void free(void* address, size_t bytes) noexcept override {
    if (address != nullptr) reserve_.put({address, bytes, occupied(bytes)});
  }
  size_t occupied(size_t bytes) const override { return occupiedOnHost(bytes, "working memory"); }
  std::unique_ptr<DeviceQueue> openQueue() override { return std::make_unique<CpuQueue>(); }

 private:
  Reserve reserve_;
};

}  // namespace

std::shared_ptr<Device> cpuDevice() {
  // Leaked: buffers may be freed while static destructors run.
  static const auto* only = new std::shared_ptr<Device>(std::make_shared<CpuDevice>());
  return *only;
}

}  // namespace ascribe
