// The table of the CUDA backend: devices, memory, streams; what kernels do is in calls.h.
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

#include "kernels/cuda/calls.h"
#include "kernels/cuda/copy_team.h"

namespace {

using namespace ascribe::cuda;

/// Downloads land in pinned memory first: into pageable memory they would hold up whoever enqueues them.
constexpr size_t kStagingBytes = size_t{32} << 20;

int explain(cudaError_t error, const char* what, char* message, size_t bytes) {
  std::snprintf(message, bytes, "%s: %s", what, cudaGetErrorString(error));
  cudaGetLastError();  // else the next launch would report it once more
  return error == cudaSuccess ? ASCRIBE_OK : ASCRIBE_FAILED;
}
int noteError(Stream& stream, cudaError_t error, const char* what) {
  if (error == cudaSuccess) return ASCRIBE_OK;
  cudaGetLastError();
  return fail(stream, what, cudaGetErrorString(error));
}

int deviceCount(char* message, size_t bytes) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return count;
  if (error == cudaSuccess) std::snprintf(message, bytes, "the driver sees no device");
  else explain(error, "no device can be used", message, bytes);
  return 0;
}
int information(int device, AscribeCudaInformation* out, char* message, size_t bytes) {
  cudaDeviceProp properties;
  const cudaError_t error = cudaGetDeviceProperties(&properties, device);
  if (error != cudaSuccess) return explain(error, "the device does not answer", message, bytes);
  std::snprintf(out->name, sizeof out->name, "%s", properties.name);
  out->major = properties.major;
  out->minor = properties.minor;
  out->multiprocessors = properties.multiProcessorCount;
  out->memory_bytes = properties.totalGlobalMem;
  return ASCRIBE_OK;
}

void* allocate(int device, size_t size, char* message, size_t bytes) {
  void* address = nullptr;
  cudaError_t error = cudaSetDevice(device);
  if (error == cudaSuccess) error = cudaMalloc(&address, size);
  if (error == cudaSuccess) return address;
  explain(error, "allocation", message, bytes);
  return nullptr;
}
void release(int device, void* address) {
  if (cudaSetDevice(device) == cudaSuccess) cudaFree(address);
}

/// Streams with their pinned memory, which the driver takes a millisecond to make: as long as a small network runs.
struct Idle {
  std::mutex mutex;
  std::vector<AscribeCudaStream*> streams;
};
Idle& idle() {
  static auto* all = new Idle;
  return *all;
}
constexpr size_t kMostIdle = 16;

void destroyStream(AscribeCudaStream* stream) {
  cudaSetDevice(stream->device);
  if (stream->handle) {
    cudaStreamSynchronize(stream->handle);
    cudaStreamDestroy(stream->handle);
  }
  if (stream->fault) cudaFreeHost(stream->fault);
  if (stream->staging) cudaFreeHost(stream->staging);
  if (stream->sending) cudaFreeHost(stream->sending);
  delete stream;
}
void closeStream(AscribeCudaStream* stream) {
  cudaSetDevice(stream->device);
  if (cudaStreamSynchronize(stream->handle) == cudaSuccess) {
    stream->status = ASCRIBE_OK;
    stream->fault->kind = 0;
    stream->stagingUsed = stream->sendingUsed = 0;
    const std::lock_guard lock(idle().mutex);
    if (idle().streams.size() < kMostIdle) return idle().streams.push_back(stream);
  }
  cudaGetLastError();
  destroyStream(stream);
}
AscribeCudaStream* openStream(int device, char* message, size_t bytes) {
  {
    const std::lock_guard lock(idle().mutex);
    for (size_t i = idle().streams.size(); i-- > 0;) {
      AscribeCudaStream* stream = idle().streams[i];
      if (stream->device != device) continue;
      idle().streams.erase(idle().streams.begin() + static_cast<std::ptrdiff_t>(i));
      return stream;
    }
  }
  auto* stream = new (std::nothrow) AscribeCudaStream;
  if (!stream) return nullptr;
  stream->device = device;
  cudaError_t error = cudaSetDevice(device);
  if (error == cudaSuccess) error = cudaStreamCreateWithFlags(&stream->handle, cudaStreamNonBlocking);
  if (error == cudaSuccess) error = cudaHostAlloc(reinterpret_cast<void**>(&stream->fault), sizeof(AscribeCudaFault), cudaHostAllocMapped);
  if (error == cudaSuccess) {
    stream->fault->kind = 0;
    error = cudaHostGetDevicePointer(reinterpret_cast<void**>(&stream->deviceFault), stream->fault, 0);
  }
  if (error == cudaSuccess) return stream;
  explain(error, "a stream", message, bytes);
  destroyStream(stream);
  return nullptr;
}

int ready(AscribeCudaStream* stream) {
  if (stream->status != ASCRIBE_OK) return stream->status;
  return noteError(*stream, cudaSetDevice(stream->device), "the device");
}
/// Large uploads go by pinned memory, a piece while the next is copied there: left to itself the driver does that with one
/// thread.
constexpr size_t kSentFrom = 2 * CopyTeam::kPiece;
cudaError_t send(Stream& stream, char* to, const char* from, size_t bytes) {
  if (!stream.sending && cudaHostAlloc(reinterpret_cast<void**>(&stream.sending), kStagingBytes, cudaHostAllocDefault) != cudaSuccess) {
    cudaGetLastError();
    stream.sending = nullptr;
    return cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream.handle);
  }
  cudaError_t error = cudaSuccess;
  while (bytes > 0 && error == cudaSuccess) {
    if (stream.sendingUsed == kStagingBytes || (bytes <= kStagingBytes && bytes > kStagingBytes - stream.sendingUsed)) {
      error = cudaStreamSynchronize(stream.handle);
      stream.sendingUsed = 0;
      if (error != cudaSuccess) break;
    }
    const size_t room = kStagingBytes - stream.sendingUsed, now = bytes < room ? bytes : room;
    char* by = stream.sending + stream.sendingUsed;
    CopyTeam::shared().copy(by, from, now, [&](size_t offset, size_t size) {
      if (error == cudaSuccess) error = cudaMemcpyAsync(to + offset, by + offset, size, cudaMemcpyHostToDevice, stream.handle);
    });
    stream.sendingUsed += now;
    to += now, from += now, bytes -= now;
  }
  return error;
}
int upload(AscribeCudaStream* stream, void* to, const void* from, size_t bytes) {
  if (const int status = ready(stream)) return status;
  if (bytes < kSentFrom) return noteError(*stream, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream->handle), "an upload");
  return noteError(*stream, send(*stream, static_cast<char*>(to), static_cast<const char*>(from), bytes), "an upload");
}

struct Landing {
  AscribeCudaStream* stream;
  void* to;
  const char* from;
  size_t bytes;
};
void CUDART_CB land(void* context) {
  auto* landing = static_cast<Landing*>(context);
  CopyTeam::shared().copy(landing->to, landing->from, landing->bytes, [](size_t, size_t) {});
  __atomic_sub_fetch(&landing->stream->downloads, 1, __ATOMIC_RELEASE);
  delete landing;
}
int download(AscribeCudaStream* stream, void* to, const void* from, size_t bytes) {
  if (const int status = ready(stream)) return status;
  if (!stream->staging && cudaHostAlloc(reinterpret_cast<void**>(&stream->staging), kStagingBytes, cudaHostAllocDefault) != cudaSuccess) {
    cudaGetLastError();
    stream->staging = nullptr;
  }
  if (__atomic_load_n(&stream->downloads, __ATOMIC_ACQUIRE) == 0) stream->stagingUsed = 0;
  auto* landing = stream->staging && bytes <= kStagingBytes - stream->stagingUsed ? new (std::nothrow) Landing{stream, to, stream->staging + stream->stagingUsed, bytes} : nullptr;
  if (!landing) return noteError(*stream, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream->handle), "a download");
  cudaError_t error = cudaMemcpyAsync(stream->staging + stream->stagingUsed, from, bytes, cudaMemcpyDeviceToHost, stream->handle);
  if (error == cudaSuccess) {
    stream->stagingUsed += (bytes + 63) / 64 * 64;
    if (stream->stagingUsed > kStagingBytes) stream->stagingUsed = kStagingBytes;
    __atomic_add_fetch(&stream->downloads, 1, __ATOMIC_RELAXED);
    error = cudaLaunchHostFunc(stream->handle, land, landing);
    if (error != cudaSuccess) __atomic_sub_fetch(&stream->downloads, 1, __ATOMIC_RELAXED);
  }
  if (error != cudaSuccess) delete landing;
  return noteError(*stream, error, "a download");
}
int copy(AscribeCudaStream* stream, void* to, const void* from, size_t bytes) {
  if (const int status = ready(stream)) return status;
  return noteError(*stream, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream->handle), "a copy");
}
int fill(AscribeCudaStream* stream, void* to, int value, size_t bytes) {
  if (const int status = ready(stream)) return status;
  return noteError(*stream, cudaMemsetAsync(to, value, bytes, stream->handle), "a fill");
}
int run(AscribeCudaStream* stream, const AscribeCudaCall* call) {
  if (const int status = ready(stream)) return status;
  return runCall(*stream, *call);
}

}  // namespace

struct AscribeCudaRecording {
  cudaGraphExec_t launches = nullptr;
  int device = 0;
  uint64_t identity = 0;
};

namespace {

/// Other threads go on as they please: only what this one asks of the stream is written down.
int beginRecording(AscribeCudaStream* stream, char* message, size_t bytes) {
  cudaError_t error = stream->status == ASCRIBE_OK ? cudaSetDevice(stream->device) : cudaErrorNotReady;
  if (error == cudaSuccess) error = cudaStreamBeginCapture(stream->handle, cudaStreamCaptureModeThreadLocal);
  return error == cudaSuccess ? ASCRIBE_OK : explain(error, "a recording", message, bytes);
}
AscribeCudaRecording* endRecording(AscribeCudaStream* stream, char* message, size_t bytes) {
  cudaGraph_t graph = nullptr;
  cudaError_t error = cudaStreamEndCapture(stream->handle, &graph);
  auto* recording = new (std::nothrow) AscribeCudaRecording{nullptr, stream->device, stream->identity};
  const bool whole = error == cudaSuccess && stream->status == ASCRIBE_OK && recording != nullptr;
  if (whole) error = cudaGraphInstantiate(&recording->launches, graph, 0);
  if (graph) cudaGraphDestroy(graph);
  if (whole && error == cudaSuccess) return recording;
  delete recording;
  if (stream->status != ASCRIBE_OK) std::snprintf(message, bytes, "%s", stream->message);
  else explain(error == cudaSuccess ? cudaErrorMemoryAllocation : error, "a recording", message, bytes);
  cudaGetLastError();
  stream->status = ASCRIBE_OK;
  return nullptr;
}
int replay(AscribeCudaStream* stream, const AscribeCudaRecording* recording) {
  if (const int status = ready(stream)) return status;
  // Its kernels write their faults where that stream's were read.
  if (recording->identity != stream->identity) return fail(*stream, "a recording", "is another stream's");
  return noteError(*stream, cudaGraphLaunch(recording->launches, stream->handle), "a recording");
}
void dropRecording(AscribeCudaRecording* recording) {
  if (cudaSetDevice(recording->device) == cudaSuccess) cudaGraphExecDestroy(recording->launches);
  delete recording;
}
uint64_t identity(const AscribeCudaStream* stream) { return stream->identity; }

struct Fence {
  AscribeCudaStream* stream;
  AscribeCudaReached reached;
  void* context;
  int status;
  char message[256];
};
void CUDART_CB arrive(void* context) {
  auto* fence = static_cast<Fence*>(context);
  AscribeCudaStream& stream = *fence->stream;
  if (fence->status == ASCRIBE_OK && stream.fault->kind != 0) {
    explainFault(*stream.fault, fence->message, sizeof fence->message);
    fence->status = ASCRIBE_INVALID;
  }
  stream.fault->kind = 0;
  fence->reached(fence->context, fence->status, fence->message);
  delete fence;
}
void fence(AscribeCudaStream* stream, AscribeCudaReached reached, void* context) {
  auto* item = new (std::nothrow) Fence{stream, reached, context, stream->status, ""};
  if (!item) return reached(context, ASCRIBE_FAILED, "there is no memory");
  std::memcpy(item->message, stream->message, sizeof item->message);
  stream->status = ASCRIBE_OK;
  cudaError_t error = cudaSetDevice(stream->device);
  if (error == cudaSuccess) error = cudaLaunchHostFunc(stream->handle, arrive, item);
  if (error == cudaSuccess) return;
  // A device that is lost: nothing runs any more, so that everything before has been skipped.
  std::snprintf(item->message, sizeof item->message, "the device is lost: %s", cudaGetErrorString(error));
  cudaGetLastError();
  reached(context, ASCRIBE_FAILED, item->message);
  delete item;
}
int synchronize(AscribeCudaStream* stream, char* message, size_t bytes) {
  cudaError_t error = cudaSetDevice(stream->device);
  if (error == cudaSuccess) error = cudaStreamSynchronize(stream->handle);
  noteError(*stream, error, "the device");
  return takeFailure(*stream, message, bytes);
}

char version[32];
const AscribeCudaTable table{ASCRIBE_CUDA_ABI, sizeof(AscribeCudaTable), version, deviceCount, information, allocate, release, openStream, closeStream,
                             upload, download, copy, fill, run, fence, synchronize, beginRecording, endRecording, replay, dropRecording, identity, scratchBytes};

}  // namespace

extern "C" __attribute__((visibility("default"))) uint32_t ascribe_backend_abi() { return ASCRIBE_BACKEND_ABI; }
extern "C" __attribute__((visibility("default"))) const AscribeCudaTable* ascribe_cuda_table(char* message, size_t bytes) {
  int runtime = 0;
  if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) {
    std::snprintf(message, bytes, "the CUDA runtime does not start");
    return nullptr;
  }
  std::snprintf(version, sizeof version, "%d.%d", runtime / 1000, runtime % 1000 / 10);
  return &table;
}
