#include <sys/mman.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/kernel.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/memory_plan.h"
#include "runtime/team.h"
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

class FakeDevice final : public Device, public std::enable_shared_from_this<FakeDevice> {
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
  size_t occupied(size_t bytes) const override { return (bytes + alignment - 1) / alignment * alignment; }

  void* allocate(size_t bytes) override {
    if (bytes == 0) return nullptr;
    size_t offset = SIZE_MAX;
    const size_t rounded = bytes <= capacity_ ? occupied(bytes) : 0;
    {
      const std::lock_guard lock(mutex_);
      if (rounded > 0) offset = ranges_.take(rounded);
    }
    if (offset == SIZE_MAX) {
      throw Error("OUT_OF_MEMORY_BUDGET",
                  "the fake device of " + sizeText(capacity_) + " has no room for " + sizeText(bytes));
    }
    // In order with the queues: work that still uses the range's last owner runs before.
    Item item;
    item.work = [this, offset, rounded] { std::memset(memory_ + offset, poison, rounded); };
    item.late = false;
    push(std::move(item));
    return addresses_ + offset;
  }

  void free(void* address, size_t) noexcept override {
    if (address == nullptr) return;
    const std::lock_guard lock(mutex_);
    if (!ranges_.give(static_cast<size_t>(static_cast<std::byte*>(address) - addresses_))) std::terminate();
  }

  std::unique_ptr<DeviceQueue> openQueue() override;

 private:
  friend class FakeQueue;

  /// What a queue's work shares; guarded by the device's mutex.
  struct QueueState {
    std::exception_ptr error;
    size_t pending = 0;
  };
  struct Item {
    std::function<void()> work;
    std::function<void(std::exception_ptr)> reached;
    std::shared_ptr<QueueState> queue;  // null: the device's own work
    int width = 1;
    bool late = true;
  };

  void push(Item item) {
    {
      const std::lock_guard lock(mutex_);
      if (item.queue) ++item.queue->pending;
      queue_.push_back(std::move(item));
    }
    changed_.notify_all();
  }

  /// Called by work in a queue only.
  std::byte* view(const void* address, size_t bytes) const {
    const auto* at = static_cast<const std::byte*>(address);
    if (at < addresses_ || at > addresses_ + capacity_)
      throw Error("INTERNAL", "an address that is not the device's was used in its queue");
    if (bytes > static_cast<size_t>(addresses_ + capacity_ - at))
      throw Error("INTERNAL", "device memory was used past its end");
    return memory_ + (at - addresses_);
  }

  void loop() {
    nameThread("ascribe-fake");
    std::unique_ptr<Team> team;
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return quit_ || !queue_.empty(); });
      if (queue_.empty()) return;
      Item item = std::move(queue_.front());
      queue_.pop_front();
      std::exception_ptr error;
      if (item.reached) error = std::exchange(item.queue->error, nullptr);
      const bool skip = item.queue && item.queue->error;
      lock.unlock();
      if (item.reached) {
        item.reached(std::exchange(error, nullptr));
      } else if (!skip) {
        if (item.width > 1 && (!team || team->width() != item.width)) team = std::make_unique<Team>(item.width);
        std::optional<TeamScope> scope;
        if (item.width > 1) scope.emplace(*team);
        // Late enough that a host which did not wait sees old contents, or has already changed what is uploaded.
        if (item.late && delay_.count() > 0) std::this_thread::sleep_for(delay_);
        try {
          item.work();
        } catch (...) {
          error = std::current_exception();
        }
      }
      // What the closures own goes before anyone is told that they have run.
      item.work = nullptr;
      item.reached = nullptr;
      lock.lock();
      if (item.queue) {
        if (error) item.queue->error = error;
        --item.queue->pending;
      }
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
  bool quit_ = false;
  std::thread thread_;
};

class FakeQueue final : public DeviceQueue {
 public:
  explicit FakeQueue(std::shared_ptr<FakeDevice> device) : device_(std::move(device)) {}

  ~FakeQueue() override {
    std::deque<FakeDevice::Item> dropped;
    std::unique_lock lock(device_->mutex_);
    auto& all = device_->queue_;
    const auto mine = [&](const FakeDevice::Item& item) { return item.queue == state_; };
    for (auto& item : all)
      if (mine(item)) dropped.push_back(std::move(item));
    std::erase_if(all, [](const FakeDevice::Item& item) { return !item.work && !item.reached; });
    state_->pending -= dropped.size();
    device_->changed_.wait(lock, [&] { return state_->pending == 0; });
  }

  void upload(void* to, const void* from, size_t bytes) override {
    push([=, device = device_.get()] { std::memcpy(device->view(to, bytes), from, bytes); });
  }
  void download(void* to, const void* from, size_t bytes) override {
    push([=, device = device_.get()] { std::memcpy(to, device->view(from, bytes), bytes); });
  }
  void copy(void* to, const void* from, size_t bytes) override {
    push([=, device = device_.get()] { std::memcpy(device->view(to, bytes), device->view(from, bytes), bytes); });
  }
  void fill(void* to, uint8_t value, size_t bytes) override {
    push([=, device = device_.get()] { std::memset(device->view(to, bytes), value, bytes); });
  }

  void launch(const Kernel& kernel, const KernelArguments& arguments) override {
    std::vector<TensorRef> inputs(arguments.inputs.begin(), arguments.inputs.end());
    std::vector<TensorRef> outputs(arguments.outputs.begin(), arguments.outputs.end());
    push([device = device_.get(), kernel = &kernel, inputs = std::move(inputs), outputs = std::move(outputs),
          scratch = arguments.scratch]() mutable {
      for (auto* tensors : {&inputs, &outputs})
        for (TensorRef& tensor : *tensors)
          if (tensor.data != nullptr)
            tensor.data = device->view(tensor.data, bytesOf({tensor.dtype, tensor.shape, tensor.layout}));
      kernel->run({inputs, outputs, scratch == nullptr ? nullptr : device->view(scratch, kernel->scratchBytes())});
    });
  }

  void fence(std::function<void(std::exception_ptr)> reached) override {
    FakeDevice::Item item;
    item.reached = std::move(reached);
    item.queue = state_;
    device_->push(std::move(item));
  }

  void synchronize() override {
    if (std::this_thread::get_id() == device_->thread_.get_id())
      throw Error("INTERNAL", "work in a device's queue waits for that queue");
    std::unique_lock lock(device_->mutex_);
    device_->changed_.wait(lock, [&] { return state_->pending == 0; });
    if (const auto error = std::exchange(state_->error, nullptr)) std::rethrow_exception(error);
  }

 private:
  void push(std::function<void()> work) {
    FakeDevice::Item item;
    item.work = std::move(work);
    item.queue = state_;
    item.width = parallelWidth();
    device_->push(std::move(item));
  }

  std::shared_ptr<FakeDevice> device_;
  std::shared_ptr<FakeDevice::QueueState> state_ = std::make_shared<FakeDevice::QueueState>();
};

std::unique_ptr<DeviceQueue> FakeDevice::openQueue() { return std::make_unique<FakeQueue>(shared_from_this()); }

}  // namespace

std::shared_ptr<Device> makeFakeDevice(size_t capacity, std::chrono::microseconds delay) {
  return std::make_shared<FakeDevice>(capacity, delay);
}

}  // namespace ascribe
