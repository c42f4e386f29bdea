#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include "finding.h"
#include "runtime/onnx/scan.h"

/// The ONNX wire scan. The first byte chooses how the rest is read: whether small tensors become payloads, and whether
/// the bytes are a buffer or a file beside which external data lies.
namespace {

using namespace ascribe;
using namespace ascribe::fuzz;

enum Choice : uint8_t { kPayloads = 1, kFile = 2, kCopy = 4, kTight = 8 };

/// A folder of this process with 64 bytes of external data called "w", and a file outside it.
class Folder {
 public:
  Folder() : outside_(std::filesystem::temp_directory_path() / ("ascribe-fuzz-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(home());
    std::ofstream(home() / "w") << std::string(64, 'w');
    std::ofstream(outside_ / "secret") << std::string(64, 's');
    std::filesystem::create_directory(home() / "d");
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(outside_, ignored);
  }
  std::string write(const uint8_t* data, size_t size) const {
    const std::filesystem::path path = home() / "model";
    std::ofstream(path, std::ios::binary | std::ios::trunc).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
    return path.string();
  }

 private:
  std::filesystem::path home() const { return outside_ / "home"; }
  std::filesystem::path outside_;
};

onnx::ModelScan scan(const uint8_t* data, size_t size, uint8_t choice, const onnx::ScanOptions& options) {
  if (choice & kFile) {
    static const Folder folder;
    const auto mode = choice & kCopy ? MappedFile::Mode::Copy : MappedFile::Mode::Map;
    return onnx::scanModelFile(folder.write(data, size), mode, options);
  }
  return onnx::scanModel(MappedFile::wrap(data, size, nullptr), options);
}

void check(const onnx::ModelScan& scan, const onnx::ScanOptions& options) {
  if (scan.skeleton.size() > options.maximumSkeletonBytes) finding("the skeleton is larger than its limit");
  unsigned char sum = 0;
  for (const onnx::Payload& payload : scan.payloads) {
    if (payload.file >= scan.files.size()) finding("a payload of no file");
    // range() throws FILE_CORRUPT where it leaves the file, which is too late here.
    const MappedFile& file = *scan.files[payload.file];
    if (payload.offset > file.size() || payload.length > file.size() - payload.offset) finding("a payload leaves its file");
    for (const std::byte byte : file.range(payload.offset, std::min<uint64_t>(payload.length, 4096))) sum ^= static_cast<unsigned char>(byte);
  }
  [[maybe_unused]] static volatile unsigned char sink;
  sink = sum;
  if (!scan.payloads.empty() || scan.skeleton.empty()) return;
  // Without payloads the skeleton is a whole model again, of which nothing is left to strip.
  const auto again = onnx::scanModel(MappedFile::wrap(scan.skeleton.data(), scan.skeleton.size(), nullptr), {1 << 20});
  if (again.skeleton != scan.skeleton) finding("the skeleton of a skeleton differs from it");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = data[0];
  onnx::ScanOptions options;
  options.inlineBytes = choice & kPayloads ? 4 : 1 << 20;
  options.maximumBytes = 1 << 20;
  if (choice & kTight) options.maximumSkeletonBytes = 256, options.maximumItems = 32;
  try {
    check(scan(data + 1, size - 1, choice, options), options);
  } catch (const Error& error) {
    expectCode(error, {"FILE_CORRUPT", "FILE_NOT_FOUND", "OUT_OF_MEMORY_BUDGET"});
  }
  return 0;
}
