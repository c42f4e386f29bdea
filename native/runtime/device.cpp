#include "runtime/device.h"

#include <mutex>

#include "runtime/cuda_library.h"
#include "runtime/error.h"

namespace ascribe {

std::shared_ptr<DeviceRecording> DeviceQueue::record(const std::function<void()>&, std::string& why) {
  why = "this device writes down nothing";
  return nullptr;
}
void DeviceQueue::replay(const DeviceRecording&) { throw Error("INTERNAL", "a recording was given to a queue that makes none"); }

DeviceBuffer::DeviceBuffer(std::shared_ptr<Device> device, std::shared_ptr<MemoryBudget> budget, size_t bytes,
                           const char* purpose) {
  if (bytes == 0) return;
  if (!budget) budget = MemoryBudget::process();
  budget->charge(device->occupied(bytes), purpose);
  try {
    address_ = device->allocate(bytes);
  } catch (...) {
    budget->refund(device->occupied(bytes));
    throw;
  }
  device_ = std::move(device);
  budget_ = std::move(budget);
  bytes_ = bytes;
}

DeviceBuffer::~DeviceBuffer() {
  if (address_ == nullptr) return;
  device_->free(address_, bytes_);
  budget_->refund(device_->occupied(bytes_));
}

namespace {
std::shared_ptr<Device> sharedFakeDevice() {
  static auto* guard = new std::mutex;
  static auto* last = new std::weak_ptr<Device>;
  const std::lock_guard lock(*guard);
  auto device = last->lock();
  if (!device) *last = device = makeFakeDevice();
  return device;
}
}  // namespace

std::shared_ptr<Device> openDevice(const std::string& name) {
  if (name == "auto") return openDevice(automaticDevice());
  if (name == "cpu") return cpuDevice();
  if (name == "fake") return sharedFakeDevice();
  if (name == "cuda") return openCudaDevice(0);
  const bool numbered = name.rfind("cuda:", 0) == 0 && name.size() > 5 && name.size() < 9 && name.find_first_not_of("0123456789", 5) == std::string::npos;
  if (numbered) return openCudaDevice(std::stoi(name.substr(5)));
  throw Error("OPTION_RANGE", "no device is called '" + name + "'",
              "the devices are auto, cpu, cuda and cuda:N");
}

}  // namespace ascribe
