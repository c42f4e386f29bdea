#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "kernels/cuda_bridge/cuda_kernel.h"
#include "runtime/cuda_library.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/memory_plan.h"

namespace ascribe {
namespace {

constexpr size_t kAlignment = 256;

std::exception_ptr failure(int status, const char* message) {
  return std::make_exception_ptr(status == ASCRIBE_INVALID ? Error("INPUT_VALUE", message) : Error("BACKEND_UNAVAILABLE", std::string("the CUDA device failed: ") + message, "run on the CPU: device 'cpu'"));
}

/// Blocks that runs gave back: the driver takes as long for a block as a small network for a run, and waits for the whole
/// device when it gets one back.
class CudaReserve {
 public:
  void* take(size_t occupied) {
    const std::lock_guard lock(mutex_);
    for (auto i = kept_.rbegin(); i != kept_.rend(); ++i) {
      if (i->second != occupied) continue;
      void* address = i->first;
      kept_.erase(std::next(i).base());
      sum_ -= occupied;
      return address;
    }
    return nullptr;
  }
  /// False where the block is too large to be kept.
  bool put(void* address, size_t occupied, size_t most, std::vector<void*>& dropped) {
    if (occupied > most) return false;
    const std::lock_guard lock(mutex_);
    while (sum_ + occupied > most) {
      sum_ -= kept_.front().second;
      dropped.push_back(kept_.front().first);
      kept_.erase(kept_.begin());
    }
    kept_.emplace_back(address, occupied);
    sum_ += occupied;
    return true;
  }
  std::vector<void*> takeAll() {
    const std::lock_guard lock(mutex_);
    std::vector<void*> out;
    for (const auto& [address, occupied] : std::exchange(kept_, {})) out.push_back(address);
    sum_ = 0;
    return out;
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<void*, size_t>> kept_;
  size_t sum_ = 0;
};

class CudaRecording final : public DeviceRecording {
 public:
  explicit CudaRecording(AscribeCudaRecording* own) : own_(own) {}
  ~CudaRecording() override { cuda()->drop_recording(own_); }
  CudaRecording(const CudaRecording&) = delete;
  CudaRecording& operator=(const CudaRecording&) = delete;
  const AscribeCudaRecording* own() const { return own_; }

 private:
  AscribeCudaRecording* own_;
};

class CudaDevice final : public Device, public std::enable_shared_from_this<CudaDevice> {
 public:
  explicit CudaDevice(int index) : index_(index) {
    AscribeCudaInformation information{};
    char message[256] = "";
    if (cuda()->information(index, &information, message, sizeof message) != ASCRIBE_OK) std::rethrow_exception(failure(ASCRIBE_FAILED, message));
    most_ = information.memory_bytes / 4;
  }
  ~CudaDevice() override {
    for (void* address : reserve_.takeAll()) cuda()->release(index_, address);
  }

  std::string name() const override { return "cuda:" + std::to_string(index_); }
  bool hostAccessible() const override { return false; }
  std::vector<std::string_view> backends() const override { return {"cuda", "cpu", "reference"}; }
  size_t occupied(size_t bytes) const override { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  void* allocate(size_t bytes) override {
    if (bytes == 0) return nullptr;
    const size_t wanted = occupied(bytes);
    if (void* kept = reserve_.take(wanted)) return kept;
    char message[256] = "";
    void* address = cuda()->allocate(index_, wanted, message, sizeof message);
    if (address == nullptr) {
      // What is kept for later stands in the way of what is wanted now.
      for (void* spare : reserve_.takeAll()) cuda()->release(index_, spare);
      address = cuda()->allocate(index_, wanted, message, sizeof message);
    }
    if (address == nullptr) throw Error("OUT_OF_MEMORY_BUDGET", name() + " has no room for " + sizeText(bytes) + " (" + message + ")", "take a smaller batch or chunk");
    return address;
  }
  void free(void* address, size_t bytes) noexcept override {
    if (address == nullptr) return;
    std::vector<void*> dropped;
    try {
      if (!reserve_.put(address, occupied(bytes), most_, dropped)) dropped.push_back(address);
    } catch (...) {
      cuda()->release(index_, address);
    }
    for (void* each : dropped) cuda()->release(index_, each);
  }

  bool records(const Kernel& kernel) const override { return dynamic_cast<const cuda_bridge::CudaKernel*>(&kernel) != nullptr; }
  std::unique_ptr<DeviceQueue> openQueue() override;
  int index() const { return index_; }

 private:
  int index_;
  size_t most_ = 0;
  CudaReserve reserve_;
};

class CudaQueue final : public DeviceQueue {
 public:
  explicit CudaQueue(std::shared_ptr<CudaDevice> device) : device_(std::move(device)) {
    char message[256] = "";
    stream_ = cuda()->open_stream(device_->index(), message, sizeof message);
    if (stream_ == nullptr) std::rethrow_exception(failure(ASCRIBE_FAILED, message));
  }
  ~CudaQueue() override { cuda()->close_stream(stream_); }

  // What fails in these is the stream's to keep, and the next fence's to say.
  void upload(void* to, const void* from, size_t bytes) override {
    if (!error_ && bytes > 0) cuda()->upload(stream_, to, from, bytes);
  }
  void download(void* to, const void* from, size_t bytes) override {
    if (!error_ && bytes > 0) cuda()->download(stream_, to, from, bytes);
  }
  void copy(void* to, const void* from, size_t bytes) override {
    if (!error_ && bytes > 0) cuda()->copy(stream_, to, from, bytes);
  }
  void fill(void* to, uint8_t value, size_t bytes) override {
    if (!error_ && bytes > 0) cuda()->fill(stream_, to, value, bytes);
  }
  void launch(const Kernel& kernel, const KernelArguments& arguments) override {
    if (error_) return;
    if (const auto* own = dynamic_cast<const cuda_bridge::CudaKernel*>(&kernel)) return own->enqueue(stream_, arguments);
    try {
      onHost(kernel, arguments);
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  std::shared_ptr<DeviceRecording> record(const std::function<void()>& enqueue, std::string& why) override {
    char message[256] = "";
    if (error_ || cuda()->begin_recording(stream_, message, sizeof message) != ASCRIBE_OK) {
      why = message;
      return nullptr;
    }
    enqueue();
    AscribeCudaRecording* own = cuda()->end_recording(stream_, message, sizeof message);
    if (own) return std::make_shared<CudaRecording>(own);
    why = message;
    return nullptr;
  }
  void replay(const DeviceRecording& recording) override {
    if (!error_) cuda()->replay(stream_, static_cast<const CudaRecording&>(recording).own());
  }
  uint64_t identity() const override { return cuda()->identity(stream_); }
  void fence(std::function<void(std::exception_ptr)> reached) override {
    struct Waiting {
      std::function<void(std::exception_ptr)> reached;
      std::exception_ptr error;
    };
    auto* waiting = new Waiting{std::move(reached), std::exchange(error_, nullptr)};
    cuda()->fence(stream_, [](void* context, int status, const char* message) {
      const std::unique_ptr<Waiting> own(static_cast<Waiting*>(context));
      own->reached(own->error ? own->error : status == ASCRIBE_OK ? nullptr : failure(status, message));
    }, waiting);
  }
  void synchronize() override {
    char message[256] = "";
    const int status = cuda()->synchronize(stream_, message, sizeof message);
    if (const auto error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
    if (status != ASCRIBE_OK) std::rethrow_exception(failure(status, message));
  }

 private:
  static size_t bytesIn(const TensorRef& tensor) { return tensor.data == nullptr ? 0 : bytesOf({tensor.dtype, tensor.shape, tensor.layout, tensor.channelAxis}); }

  /// A node that has no kernel on the device: its operands come to the host, its results go back.
  void onHost(const Kernel& kernel, const KernelArguments& arguments) {
    // An operand that is written in place has one copy.
    std::map<void*, HostTensor> copies;
    std::vector<TensorRef> inputs(arguments.inputs.begin(), arguments.inputs.end()), outputs(arguments.outputs.begin(), arguments.outputs.end());
    for (const auto* tensors : {&inputs, &outputs})
      for (const TensorRef& tensor : *tensors) {
        HostTensor& copy = copies[tensor.data];
        if (copy.data() == nullptr || copy.bytes() < bytesIn(tensor)) copy = HostTensor(DType::U8, Shape{static_cast<int64_t>(bytesIn(tensor))});
      }
    for (auto* tensors : {&inputs, &outputs})
      for (TensorRef& tensor : *tensors) {
        if (tensor.data == nullptr) continue;
        void* here = copies[tensor.data].mutableData();
        if (tensors == &inputs) download(here, tensor.data, bytesIn(tensor));
        tensor.data = here;
      }
    synchronize();
    HostTensor scratch;
    if (kernel.scratchBytes() > 0) scratch = HostTensor(DType::U8, Shape{static_cast<int64_t>(kernel.scratchBytes())});
    kernel.run({inputs, outputs, scratch.data() ? static_cast<std::byte*>(scratch.mutableData()) : nullptr});
    for (size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i].data != nullptr) upload(arguments.outputs[i].data, outputs[i].data, bytesIn(outputs[i]));
    synchronize();  // the copies go
  }

  std::shared_ptr<CudaDevice> device_;
  AscribeCudaStream* stream_ = nullptr;
  std::exception_ptr error_;
};

std::unique_ptr<DeviceQueue> CudaDevice::openQueue() { return std::make_unique<CudaQueue>(shared_from_this()); }

}  // namespace

std::shared_ptr<Device> openCudaDevice(int index) {
  static auto* guard = new std::mutex;
  static auto* open = new std::map<int, std::weak_ptr<Device>>;
  if (index >= cudaDevices()) {
    const BackendReport& report = cudaReport();
    std::string why;
    for (const std::string& each : report.tried) why += (why.empty() ? "" : "; ") + each;
    if (report.available) why = "there are " + std::to_string(cudaDevices());
    throw Error("BACKEND_UNAVAILABLE", "there is no device cuda:" + std::to_string(index) + " (" + why + ")", "use the device 'cpu'");
  }
  const std::lock_guard lock(*guard);
  auto device = (*open)[index].lock();
  if (!device) (*open)[index] = device = std::make_shared<CudaDevice>(index);
  return device;
}

}  // namespace ascribe
