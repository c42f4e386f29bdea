#include "runtime/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "runtime/error.h"

namespace ascribe {
namespace {

[[noreturn]] void failToOpen(const std::string& path, const char* reason) {
  throw Error("FILE_NOT_FOUND", "Cannot open " + path + ": " + reason);
}

#if defined(__APPLE__)
timespec modified(const struct stat& status) {
  return status.st_mtimespec;
}
#else
timespec modified(const struct stat& status) {
  return status.st_mtim;
}
#endif

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

}  // namespace

std::shared_ptr<MappedFile> MappedFile::open(const std::string& path, Mode mode, uint64_t maximumBytes) {
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->path_ = path;
  // O_NONBLOCK: opening a named pipe would otherwise wait for a writer for ever.
  const Descriptor descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (descriptor.value < 0) failToOpen(path, std::strerror(errno));
  struct stat status {};
  if (::fstat(descriptor.value, &status) != 0) failToOpen(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) failToOpen(path, "it is not a regular file");
  file->size_ = static_cast<uint64_t>(status.st_size);
  if (mode == Mode::Copy) {
    file->copy(descriptor.value, maximumBytes);
    return file;
  }
  std::error_code ignored;
  file->resolvedPath_ = std::filesystem::absolute(path, ignored).string();
  file->device_ = static_cast<uint64_t>(status.st_dev);
  file->inode_ = static_cast<uint64_t>(status.st_ino);
  file->modifiedSeconds_ = modified(status).tv_sec;
  file->modifiedNanoseconds_ = modified(status).tv_nsec;
  file->map(descriptor.value);
  return file;
}

std::shared_ptr<MappedFile> MappedFile::wrap(const void* data, uint64_t size,
                                             std::shared_ptr<const void> owner) {
  std::shared_ptr<MappedFile> file(new MappedFile);
  file->data_ = static_cast<const std::byte*>(data);
  file->size_ = size;
  file->owner_ = std::move(owner);
  return file;
}

std::shared_ptr<MappedFile> MappedFile::own(std::vector<std::byte> bytes) {
  auto owned = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return wrap(owned->data(), owned->size(), owned);
}

MappedFile::~MappedFile() {
  if (mapping_ != nullptr) ::munmap(mapping_, static_cast<size_t>(size_));
}

void MappedFile::map(int descriptor) {
  if (size_ == 0) return;  // mmap refuses empty ranges
  void* mapping = ::mmap(nullptr, static_cast<size_t>(size_), PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (mapping == MAP_FAILED) failToOpen(path_, std::strerror(errno));
  mapping_ = mapping;
  data_ = static_cast<const std::byte*>(mapping);
}

void MappedFile::copy(int descriptor, uint64_t maximumBytes) {
  if (size_ > maximumBytes)
    throw Error("OUT_OF_MEMORY_BUDGET",
                path_ + " has " + std::to_string(size_) + " bytes; the limit for a copy is " +
                    std::to_string(maximumBytes),
                "Raise the memory limit, or load with weights: 'map'.");
  auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<size_t>(size_));
  uint64_t filled = 0;
  while (filled < size_) {
    const ssize_t count = ::pread(descriptor, bytes->data() + filled, static_cast<size_t>(size_ - filled),
                                  static_cast<off_t>(filled));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) failToOpen(path_, std::strerror(errno));
    if (count == 0) throw Error("FILE_CHANGED", path_ + " became shorter while it was read");
    filled += static_cast<uint64_t>(count);
  }
  data_ = bytes->data();
  owner_ = std::move(bytes);
}

std::span<const std::byte> MappedFile::range(uint64_t offset, uint64_t length) const {
  if (offset > size_ || length > size_ - offset)
    throw Error("FILE_CORRUPT", (path_.empty() ? std::string("The buffer") : path_) + " has " +
                                    std::to_string(size_) + " bytes; the range of " + std::to_string(length) +
                                    " bytes at " + std::to_string(offset) + " leaves it");
  return {data_ + offset, static_cast<size_t>(length)};
}

void MappedFile::checkUnchanged() const {
  if (mapping_ == nullptr) return;
  struct stat status {};
  // Deleted or replaced: the mapping keeps the old inode alive and whole.
  if (::stat(resolvedPath_.c_str(), &status) != 0 || static_cast<uint64_t>(status.st_ino) != inode_ ||
      static_cast<uint64_t>(status.st_dev) != device_)
    return;
  if (static_cast<uint64_t>(status.st_size) == size_ && modified(status).tv_sec == modifiedSeconds_ &&
      modified(status).tv_nsec == modifiedNanoseconds_)
    return;
  throw Error("FILE_CHANGED", path_ + " changed on disk since it was loaded",
              "Load the model again, or load it with weights: 'copy'.");
}

void MappedFile::releasePages(uint64_t offset, uint64_t length) const noexcept {
  if (mapping_ == nullptr || offset > size_ || length > size_ - offset) return;
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t begin = (offset + page - 1) / page * page;
  const uint64_t end = (offset + length) / page * page;
  if (begin < end) ::madvise(static_cast<char*>(mapping_) + begin, end - begin, MADV_DONTNEED);
}

void MappedFile::expectScatteredReads(bool scattered) const noexcept {
  if (mapping_ != nullptr)
    ::madvise(mapping_, static_cast<size_t>(size_), scattered ? MADV_RANDOM : MADV_NORMAL);
}

}  // namespace ascribe
