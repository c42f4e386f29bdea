// The table of the CUDA backend over the emulation: what is enqueued has happened on return.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "kernels/cuda/calls.h"
#include "kernels/cuda/copy_team.h"

struct AscribeCudaRecording {
  std::vector<AscribeCudaCall> calls;
  uint64_t identity;
};

namespace {

using namespace ascribe::cuda;

int deviceCount(char*, size_t) { return 1; }
int information(int, AscribeCudaInformation* out, char*, size_t) {
  *out = {"emulation on the host", 0, 0, 1, uint64_t{1} << 30};
  return ASCRIBE_OK;
}
/// Behind what is allocated lies a page that nobody may touch, as close as alignment allows: whoever reads far past the end finds out.
struct Mapped {
  std::mutex mutex;
  std::map<void*, std::pair<void*, size_t>> all;
};
Mapped& mapped() {
  static auto* all = new Mapped;
  return *all;
}
void* allocate(int, size_t size, char* message, size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), wanted = (size + 255) / 256 * 256, whole = (wanted + page - 1) / page * page;
  void* base = mmap(nullptr, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED || mprotect(static_cast<char*>(base) + whole, page, PROT_NONE) != 0) {
    if (base != MAP_FAILED) munmap(base, whole + page);
    std::snprintf(message, bytes, "there is no memory");
    return nullptr;
  }
  void* address = static_cast<char*>(base) + whole - wanted;
  std::memset(address, 0xFF, size);  // NaN: whoever reads what nobody wrote finds out
  const std::lock_guard lock(mapped().mutex);
  mapped().all[address] = {base, whole + page};
  return address;
}
void release(int, void* address) {
  const std::lock_guard lock(mapped().mutex);
  const auto found = mapped().all.find(address);
  if (found == mapped().all.end()) return;
  munmap(found->second.first, found->second.second);
  mapped().all.erase(found);
}
/// Streams come again, as those of a device do.
struct Idle {
  std::mutex mutex;
  std::vector<AscribeCudaStream*> streams;
};
Idle& idle() {
  static auto* all = new Idle;
  return *all;
}
AscribeCudaStream* openStream(int device, char*, size_t) {
  const std::lock_guard lock(idle().mutex);
  if (!idle().streams.empty()) {
    AscribeCudaStream* kept = idle().streams.back();
    idle().streams.pop_back();
    return kept;
  }
  auto* stream = new AscribeCudaStream;
  stream->device = device;
  stream->fault = stream->deviceFault = new AscribeCudaFault{};
  return stream;
}
void closeStream(AscribeCudaStream* stream) {
  char message[256];
  takeFailure(*stream, message, sizeof message);
  const std::lock_guard lock(idle().mutex);
  idle().streams.push_back(stream);
}
int transfer(AscribeCudaStream* stream, void* to, const void* from, size_t bytes) {
  if (stream->recording) return fail(*stream, "a copy", "is not written down");
  size_t arrived = 0;
  if (stream->status == ASCRIBE_OK && bytes > 0) CopyTeam::shared().copy(to, from, bytes, [&](size_t offset, size_t size) {
    if (offset != arrived) fail(*stream, "a copy", "its pieces came out of order");
    arrived += size;
  });
  return stream->status;
}
int fill(AscribeCudaStream* stream, void* to, int value, size_t bytes) {
  if (stream->recording) return fail(*stream, "a fill", "is not written down");
  if (stream->status == ASCRIBE_OK && bytes > 0) std::memset(to, value, bytes);
  return stream->status;
}
int run(AscribeCudaStream* stream, const AscribeCudaCall* call) {
  if (!stream->recording) return runCall(*stream, *call);
  stream->recording->calls.push_back(*call);
  return stream->status;
}
int beginRecording(AscribeCudaStream* stream, char* message, size_t bytes) {
  // A device may refuse, and so does this one where a test asks for it.
  if (std::getenv("ASCRIBE_TEST_REFUSE_RECORDING")) return std::snprintf(message, bytes, "a recording: refused"), int{ASCRIBE_FAILED};
  stream->recording = new AscribeCudaRecording{{}, stream->identity};
  return ASCRIBE_OK;
}
AscribeCudaRecording* endRecording(AscribeCudaStream* stream, char*, size_t) { return std::exchange(stream->recording, nullptr); }
int replay(AscribeCudaStream* stream, const AscribeCudaRecording* recording) {
  if (recording->identity != stream->identity) return fail(*stream, "a recording", "is another stream's");
  for (const AscribeCudaCall& call : recording->calls)
    if (const int status = runCall(*stream, call)) return status;
  return stream->status;
}
void dropRecording(AscribeCudaRecording* recording) { delete recording; }
uint64_t identity(const AscribeCudaStream* stream) { return stream->identity; }
void fence(AscribeCudaStream* stream, AscribeCudaReached reached, void* context) {
  char message[256] = "";
  const int status = takeFailure(*stream, message, sizeof message);
  reached(context, status, message);
}
int synchronize(AscribeCudaStream* stream, char* message, size_t bytes) { return takeFailure(*stream, message, bytes); }

const AscribeCudaTable table{ASCRIBE_CUDA_ABI, sizeof(AscribeCudaTable), "emulation", deviceCount, information, allocate, release, openStream, closeStream,
                             transfer, transfer, transfer, fill, run, fence, synchronize, beginRecording, endRecording, replay, dropRecording, identity, scratchBytes};

}  // namespace

extern "C" __attribute__((visibility("default"))) uint32_t ascribe_backend_abi() { return ASCRIBE_BACKEND_ABI; }
extern "C" __attribute__((visibility("default"))) const AscribeCudaTable* ascribe_cuda_table(char*, size_t) { return &table; }
