#include <sys/mman.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/threads.h"

namespace ascribe {
namespace {

constexpr size_t alignment = 64;
/// Four of them make a NaN, so whoever reads memory that nobody wrote finds out.
constexpr uint8_t poison = 0xFF;

/// Which parts of [0, capacity) are taken; first fit.
class Ranges {
 public:
  explicit Ranges(size_t capacity) { free_[0] = capacity; }

  /// The offset, or SIZE_MAX if no gap is large enough.
  size_t take(size_t bytes) {
    for (auto& [offset, size] : free_) {
      if (size < bytes) continue;
      const size_t at = offset, rest = size - bytes;
      free_.erase(at);
      if (rest > 0) free_[at + bytes] = rest;
      taken_[at] = bytes;
      return at;
    }
    return SIZE_MAX;
  }

  bool give(size_t offset) {
    const auto found = taken_.find(offset);
    if (found == taken_.end()) return false;
    size_t size = found->second;
    taken_.erase(found);
    auto next = free_.lower_bound(offset);
    if (next != free_.end() && next->first == offset + size) {
      size += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      auto before = std::prev(next);
      if (before->first + before->second == offset) {
        before->second += size;
        return true;
      }
    }
    free_[offset] = size;
    return true;
  }

 private:
  std::map<size_t, size_t> free_, taken_;
};

void* reserve(size_t bytes, int protection) {
  void* base = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    throw Error("OUT_OF_MEMORY_BUDGET", "the system refused " + sizeText(bytes) + " of address space");
  return base;
}

class FakeDevice final : public Device {
 public:
  FakeDevice(size_t capacity, std::chrono::microseconds delay)
      : capacity_((capacity + 4095) / 4096 * 4096),
        delay_(delay),
        addresses_(static_cast<std::byte*>(reserve(capacity_, PROT_NONE))),
        memory_(static_cast<std::byte*>(reserve(capacity_, PROT_READ | PROT_WRITE))),
        ranges_(capacity_),
        thread_(startThread([this] { loop(); })) {}

  ~FakeDevice() override {
    {
      const std::lock_guard lock(mutex_);
      quit_ = true;
    }
    changed_.notify_all();
    thread_.join();
    munmap(addresses_, capacity_);
    munmap(memory_, capacity_);
  }

  std::string name() const override { return "fake"; }
  bool hostAccessible() const override { return false; }

  void* allocate(size_t bytes) override {
    if (bytes == 0) return nullptr;
    size_t offset = SIZE_MAX;
    const size_t rounded = bytes <= capacity_ ? (bytes + alignment - 1) / alignment * alignment : 0;
    {
      const std::lock_guard lock(mutex_);
      if (rounded > 0) offset = ranges_.take(rounded);
    }
    if (offset == SIZE_MAX) {
      throw Error("OUT_OF_MEMORY_BUDGET",
                  "the fake device of " + sizeText(capacity_) + " has no room for " + sizeText(bytes));
    }
    // In order with the queue: work that still uses the range's last owner runs before.
    push([this, offset, rounded] { std::memset(memory_ + offset, poison, rounded); }, false);
    return addresses_ + offset;
  }

  void free(void* address) noexcept override {
    if (address == nullptr) return;
    const std::lock_guard lock(mutex_);
    if (!ranges_.give(static_cast<size_t>(static_cast<std::byte*>(address) - addresses_))) std::terminate();
  }

  void upload(void* to, const void* from, size_t bytes) override {
    push([=, this] { std::memcpy(checked(to, bytes), from, bytes); });
  }
  void download(void* to, const void* from, size_t bytes) override {
    push([=, this] { std::memcpy(to, checked(const_cast<void*>(from), bytes), bytes); });
  }
  void copy(void* to, const void* from, size_t bytes) override {
    push([=, this] { std::memcpy(checked(to, bytes), checked(const_cast<void*>(from), bytes), bytes); });
  }
  void fill(void* to, uint8_t value, size_t bytes) override {
    push([=, this] { std::memset(checked(to, bytes), value, bytes); });
  }
  void enqueue(std::function<void()> work) override { push(std::move(work)); }

  void synchronize() override {
    if (std::this_thread::get_id() == thread_.get_id())
      throw Error("INTERNAL", "work in a device's queue waits for that queue");
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return queue_.empty() && !busy_; });
    if (const auto error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
  }

  void* view(void* address) const override { return checked(address, 1); }

 private:
  struct Item {
    std::function<void()> work;
    bool late = true;
  };

  void push(std::function<void()> work, bool late = true) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back({std::move(work), late});
    }
    changed_.notify_all();
  }

  void* checked(void* address, size_t bytes) const {
    if (std::this_thread::get_id() != thread_.get_id()) {
      throw Error("INTERNAL", "a device address was opened outside the device's queue");
    }
    const auto* at = static_cast<std::byte*>(address);
    if (at < addresses_ || at >= addresses_ + capacity_) {
      throw Error("INTERNAL", "an address that is not the device's was used in its queue");
    }
    if (bytes > static_cast<size_t>(addresses_ + capacity_ - at)) {
      throw Error("INTERNAL", "device memory was used past its end");
    }
    return memory_ + (at - addresses_);
  }

  void loop() {
    nameThread("ascribe-fake");
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return quit_ || !queue_.empty(); });
      if (queue_.empty()) return;
      Item item = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      const bool skip = error_ != nullptr;
      lock.unlock();
      std::exception_ptr error;
      if (!skip) {
        // Late enough that a host which did not wait sees old contents, or has already changed what is
        // uploaded.
        if (item.late && delay_.count() > 0) std::this_thread::sleep_for(delay_);
        try {
          item.work();
        } catch (...) {
          error = std::current_exception();
        }
      }
      item.work = nullptr;
      lock.lock();
      if (error) error_ = error;
      busy_ = false;
      changed_.notify_all();
    }
  }

  const size_t capacity_;
  const std::chrono::microseconds delay_;
  /// What the host holds (never accessible), and what work in the queue reads and writes.
  std::byte* const addresses_;
  std::byte* const memory_;

  std::mutex mutex_;
  std::condition_variable changed_;
  Ranges ranges_;
  std::deque<Item> queue_;
  std::exception_ptr error_;
  bool busy_ = false, quit_ = false;
  std::thread thread_;
};

}  // namespace

std::shared_ptr<Device> makeFakeDevice(size_t capacity, std::chrono::microseconds delay) {
  return std::make_shared<FakeDevice>(capacity, delay);
}

}  // namespace ascribe
