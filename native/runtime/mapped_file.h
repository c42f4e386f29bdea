#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ascribe {

/// Read-only bytes that weights live in: a mapped file, a private copy of one, a caller's buffer or an owned
/// one. Ranges are not aligned to any element size (protobuf aligns nothing): read them with memcpy.
///
/// The bytes of a mapped file are those of its inode, so replacing or deleting the file is harmless. Writing
/// into it in place is found by `checkUnchanged`; truncating it while a kernel reads raises SIGBUS, the one
/// hazard of `Mode::Map` that cannot be closed from here. No descriptor is kept: a model may have a file per
/// tensor.
class MappedFile {
 public:
  enum class Mode { Map, Copy };
  static constexpr uint64_t kNoLimit = UINT64_MAX;

  /// Opens a regular file. `maximumBytes` bounds what `Mode::Copy` may allocate.
  static std::shared_ptr<MappedFile> open(const std::string& path, Mode mode,
                                          uint64_t maximumBytes = kNoLimit);
  /// Wraps memory that `owner` keeps alive and nobody writes to.
  static std::shared_ptr<MappedFile> wrap(const void* data, uint64_t size, std::shared_ptr<const void> owner);
  static std::shared_ptr<MappedFile> own(std::vector<std::byte> bytes);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const noexcept { return data_; }
  uint64_t size() const noexcept { return size_; }
  std::span<const std::byte> bytes() const noexcept { return {data_, static_cast<size_t>(size_)}; }
  /// Empty for buffers.
  const std::string& path() const noexcept { return path_; }
  bool isMapped() const noexcept { return mapping_ != nullptr; }

  /// The range, or FILE_CORRUPT where it leaves the file.
  std::span<const std::byte> range(uint64_t offset, uint64_t length) const;
  /// FILE_CHANGED where the mapped file's size or modification time differs from when it was opened.
  void checkUnchanged() const;
  /// Lets the system drop the resident pages that lie wholly inside the range; they come back when read
  /// again.
  void releasePages(uint64_t offset, uint64_t length) const noexcept;
  /// Scattered reads ahead: a fault brings in its own page only.
  void expectScatteredReads(bool scattered) const noexcept;

 private:
  MappedFile() = default;
  void map(int descriptor);
  void copy(int descriptor, uint64_t maximumBytes);

  std::string path_;
  const std::byte* data_ = nullptr;
  uint64_t size_ = 0;
  void* mapping_ = nullptr;
  /// Absolute, so that a change of the working directory does not matter.
  std::string resolvedPath_;
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
  int64_t modifiedSeconds_ = 0;
  int64_t modifiedNanoseconds_ = 0;
  std::shared_ptr<const void> owner_;
};

}  // namespace ascribe
