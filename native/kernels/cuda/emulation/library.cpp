// The table of the CUDA backend over the emulation: what is enqueued has happened on return.
#include <cstdlib>
#include <cstring>
#include <new>

#include "kernels/cuda/calls.h"
#include "kernels/cuda/copy_team.h"

namespace {

using namespace ascribe::cuda;

int deviceCount(char*, size_t) { return 1; }
int information(int, AscribeCudaInformation* out, char*, size_t) {
  *out = {"emulation on the host", 0, 0, 1, uint64_t{1} << 30};
  return ASCRIBE_OK;
}
void* allocate(int, size_t size, char* message, size_t bytes) {
  void* address = std::aligned_alloc(256, (size + 255) / 256 * 256);
  if (!address) std::snprintf(message, bytes, "there is no memory");
  else std::memset(address, 0xFF, size);  // NaN: whoever reads what nobody wrote finds out
  return address;
}
void release(int, void* address) { std::free(address); }
AscribeCudaStream* openStream(int device, char*, size_t) {
  auto* stream = new AscribeCudaStream;
  stream->device = device;
  stream->fault = stream->deviceFault = new AscribeCudaFault{};
  return stream;
}
void closeStream(AscribeCudaStream* stream) {
  delete stream->fault;
  delete stream;
}
int transfer(AscribeCudaStream* stream, void* to, const void* from, size_t bytes) {
  size_t arrived = 0;
  if (stream->status == ASCRIBE_OK && bytes > 0) CopyTeam::shared().copy(to, from, bytes, [&](size_t offset, size_t size) {
    if (offset != arrived) fail(*stream, "a copy", "its pieces came out of order");
    arrived += size;
  });
  return stream->status;
}
int fill(AscribeCudaStream* stream, void* to, int value, size_t bytes) {
  if (stream->status == ASCRIBE_OK && bytes > 0) std::memset(to, value, bytes);
  return stream->status;
}
int run(AscribeCudaStream* stream, const AscribeCudaCall* call) { return runCall(*stream, *call); }
void fence(AscribeCudaStream* stream, AscribeCudaReached reached, void* context) {
  char message[256] = "";
  const int status = takeFailure(*stream, message, sizeof message);
  reached(context, status, message);
}
int synchronize(AscribeCudaStream* stream, char* message, size_t bytes) { return takeFailure(*stream, message, bytes); }

const AscribeCudaTable table{ASCRIBE_CUDA_ABI, sizeof(AscribeCudaTable), "emulation", deviceCount, information, allocate, release, openStream, closeStream,
                             transfer, transfer, transfer, fill, run, fence, synchronize, scratchBytes};

}  // namespace

extern "C" __attribute__((visibility("default"))) uint32_t ascribe_backend_abi() { return ASCRIBE_BACKEND_ABI; }
extern "C" __attribute__((visibility("default"))) const AscribeCudaTable* ascribe_cuda_table(char*, size_t) { return &table; }
