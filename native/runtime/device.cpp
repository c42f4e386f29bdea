#include "runtime/device.h"

#include "runtime/error.h"

namespace ascribe {

DeviceBuffer::DeviceBuffer(std::shared_ptr<Device> device, std::shared_ptr<MemoryBudget> budget,
                           size_t bytes) {
  if (bytes == 0) return;
  if (!budget) budget = MemoryBudget::process();
  budget->charge(bytes, "device memory");
  try {
    address_ = device->allocate(bytes);
  } catch (...) {
    budget->refund(bytes);
    throw;
  }
  device_ = std::move(device);
  budget_ = std::move(budget);
  bytes_ = bytes;
}

DeviceBuffer::~DeviceBuffer() {
  if (address_ == nullptr) return;
  device_->free(address_);
  budget_->refund(bytes_);
}

std::shared_ptr<Device> openDevice(const std::string& name) {
  if (name == "auto" || name == "cpu") return cpuDevice();
  if (name == "fake") return makeFakeDevice();
  if (name == "cuda" || name.rfind("cuda:", 0) == 0) {
    throw Error("BACKEND_UNAVAILABLE",
                "the device " + name + " needs the CUDA backend, which this version does not have",
                "use the device 'cpu'");
  }
  throw Error("OPTION_RANGE", "no device is called '" + name + "'",
              "the devices are auto, cpu, cuda and cuda:N");
}

}  // namespace ascribe
