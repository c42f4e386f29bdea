#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/memory.h"

namespace ascribe {

class Kernel;
struct KernelArguments;
class DeviceQueue;

/// Launches that a queue wrote down, to enqueue them at once as often as it is asked to. It is of one queue's making, and
/// good for that one alone.
class DeviceRecording {
 public:
  virtual ~DeviceRecording() = default;
};

/// Where plans run and their buffers lie. Addresses that `allocate` returns belong to the device: whoever
/// holds one passes it on, and only the device's own kernels and copies look behind it.
class Device {
 public:
  virtual ~Device() = default;
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  virtual std::string name() const = 0;
  /// True where addresses may be read and written by the host. Work has then happened when a call of a queue
  /// returns, and copies between host and device can be left out.
  virtual bool hostAccessible() const = 0;

  /// Whose kernels its queues run, fastest first. Kernels of the host run there too: what they read and write is brought
  /// to them and back where it lies elsewhere.
  virtual std::vector<std::string_view> backends() const { return {"onednn", "cpu", "reference"}; }

  /// 64-byte aligned, contents undefined; never null for bytes > 0. Throws OUT_OF_MEMORY_BUDGET.
  virtual void* allocate(size_t bytes) = 0;
  /// The size is the one that was asked for. The address is free for work enqueued after this call: whoever
  /// frees it has waited for the queues that use it. Null is allowed.
  virtual void free(void* address, size_t bytes) noexcept = 0;
  /// What an allocation of that size takes.
  virtual size_t occupied(size_t bytes) const = 0;

  /// Its queues can write down launches of this kernel.
  virtual bool records(const Kernel&) const { return false; }

  /// The queue keeps the device alive.
  virtual std::unique_ptr<DeviceQueue> openQueue() = 0;
};

/// Work on a device, in order: everything is enqueued and returns at once, except where the device is the host,
/// where it has happened on return. Host memory given to upload and download, and kernels, stay untouched until
/// the work has run. Work that fails stops its queue, no other: what was enqueued behind it is skipped until
/// `synchronize` throws its error or a fence receives it, which clears it.
///
/// A queue is used by one thread at a time. Its destructor drops what has not begun and waits for what has.
class DeviceQueue {
 public:
  virtual ~DeviceQueue() = default;
  DeviceQueue() = default;
  DeviceQueue(const DeviceQueue&) = delete;
  DeviceQueue& operator=(const DeviceQueue&) = delete;

  virtual void upload(void* to, const void* from, size_t bytes) = 0;
  virtual void download(void* to, const void* from, size_t bytes) = 0;
  /// Within the device; the ranges do not overlap.
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  virtual void fill(void* to, uint8_t value, size_t bytes) = 0;
  /// All addresses in the arguments are the device's; the tensors are copied, the kernel is not.
  virtual void launch(const Kernel& kernel, const KernelArguments& arguments) = 0;
  /// Writes down what `enqueue` launches (kernels that the device records, and nothing else) instead of doing it. Null, and
  /// why, where that fails: then nothing has been done, and the launches are still to be made.
  virtual std::shared_ptr<DeviceRecording> record(const std::function<void()>& enqueue, std::string& why);
  /// Enqueues all of it.
  virtual void replay(const DeviceRecording& recording);
  /// The number of what recordings are bound to: they outlive a queue whose successor has the same.
  virtual uint64_t identity() const { return 0; }
  /// Calls `reached` once everything enqueued before has run, or was skipped after a failure; with that failure
  /// or nullptr. On a thread of the device: it neither throws nor waits for the device.
  virtual void fence(std::function<void(std::exception_ptr)> reached) = 0;
  /// Waits until the queue is empty.
  virtual void synchronize() = 0;
};

/// The host's own memory and threads: addresses are plain pointers, work runs at once on the calling thread.
std::shared_ptr<Device> cpuDevice();

/// A device for tests, with everything that makes a real one different: an address space of its own (the host
/// faults when it touches an address), queues that run on its own thread, copies and kernels that come late,
/// memory that holds NaNs until it is written. Its kernels are those of the CPU, as wide as the lane that launched
/// them, so results are bit-equal. `capacity` bounds its memory.
std::shared_ptr<Device> makeFakeDevice(size_t capacity = size_t{1} << 30,
                                       std::chrono::microseconds delay = std::chrono::microseconds{50});

/// A GPU by its number. Throws BACKEND_UNAVAILABLE with the reason where there is none.
std::shared_ptr<Device> openCudaDevice(int index);

/// By name: "auto" (the first GPU, or the CPU where there is none), "cpu", "fake", "cuda", "cuda:N". The same device for the same name while anyone holds it, so that
/// plans and sessions share it. Throws BACKEND_UNAVAILABLE with the reason.
std::shared_ptr<Device> openDevice(const std::string& name);

/// Device memory with an owner, charged to a budget (to the process's alone where that is null).
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(std::shared_ptr<Device> device, std::shared_ptr<MemoryBudget> budget, size_t bytes,
               const char* purpose = "device memory");
  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    DeviceBuffer taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~DeviceBuffer();
  void* address() const { return address_; }
  size_t bytes() const { return bytes_; }

 private:
  void swap(DeviceBuffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(budget_, other.budget_);
    std::swap(address_, other.address_);
    std::swap(bytes_, other.bytes_);
  }
  std::shared_ptr<Device> device_;
  std::shared_ptr<MemoryBudget> budget_;
  void* address_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace ascribe
