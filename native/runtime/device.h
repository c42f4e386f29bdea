#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "runtime/memory.h"

namespace ascribe {

/// Where plans run and their buffers lie. Addresses that `allocate` returns belong to the device: whoever
/// holds one passes it on, and only code inside the device's queue may look behind it, through `view`.
///
/// One queue, in order: everything below but allocate is enqueued and returns at once, except on the CPU,
/// where it has happened on return. Host memory given to upload and download stays untouched until
/// `synchronize` or until work enqueued later has run. Work that fails stops the queue: what was enqueued
/// behind it is skipped, and the next `synchronize` throws its error and clears it.
class Device {
 public:
  virtual ~Device() = default;
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  virtual std::string name() const = 0;
  /// True where addresses may be read and written by the host.
  virtual bool hostAccessible() const = 0;

  /// 64-byte aligned, contents undefined; never null for bytes > 0. Throws OUT_OF_MEMORY_BUDGET.
  virtual void* allocate(size_t bytes) = 0;
  /// The address is free for work enqueued after this call, not for work before it. Null is allowed.
  virtual void free(void* address) noexcept = 0;

  virtual void upload(void* to, const void* from, size_t bytes) = 0;
  virtual void download(void* to, const void* from, size_t bytes) = 0;
  /// Within the device; the ranges do not overlap.
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  virtual void fill(void* to, uint8_t value, size_t bytes) = 0;
  /// Runs `work` in order with the rest. Also how a job gets to know that it may go on (JobHandle::wake).
  virtual void enqueue(std::function<void()> work) = 0;
  /// Waits until the queue is empty.
  virtual void synchronize() = 0;

  /// What work inside the queue may touch for an address; throws INTERNAL outside the queue or for an address
  /// that is not the device's.
  virtual void* view(void* address) const = 0;
};

/// The host's own memory and threads: addresses are plain pointers, work runs at once on the calling thread.
std::shared_ptr<Device> cpuDevice();

/// A device for tests, with everything that makes a real one different: an address space of its own (the host
/// faults when it touches an address), a queue on its own thread, copies and kernels that come late, memory
/// that holds NaNs until it is written. `capacity` bounds its memory.
std::shared_ptr<Device> makeFakeDevice(size_t capacity = size_t{1} << 30,
                                       std::chrono::microseconds delay = std::chrono::microseconds{50});

/// By name: "auto", "cpu", "fake", "cuda", "cuda:N". Throws BACKEND_UNAVAILABLE with the reason.
std::shared_ptr<Device> openDevice(const std::string& name);

/// Device memory with an owner, charged to a budget.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(std::shared_ptr<Device> device, std::shared_ptr<MemoryBudget> budget, size_t bytes);
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
