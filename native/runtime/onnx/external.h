#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/mapped_file.h"

namespace ascribe::onnx {

/// The files that a model may keep tensors in: the model's own, and those beside it that `external_data`
/// names. A location is relative, and after all links are resolved it lies in the model's folder or below; a
/// model from elsewhere must not be able to read other files.
class ModelFiles {
 public:
  /// `file` without a path (a buffer) has no folder, so it can have no external data.
  ModelFiles(std::shared_ptr<MappedFile> file, MappedFile::Mode mode, uint64_t maximumBytes);

  const std::vector<std::shared_ptr<MappedFile>>& files() const { return files_; }
  const MappedFile& model() const { return *files_.front(); }
  /// Index of the file at `location`, opened at its first use.
  uint32_t external(const std::string& location, const std::string& tensor);
  /// Adds bytes that were not in any file in stored form.
  uint32_t add(std::vector<std::byte> bytes);

 private:
  std::filesystem::path resolve(const std::string& location, const std::string& tensor) const;

  std::vector<std::shared_ptr<MappedFile>> files_;
  std::map<std::string, uint32_t> byLocation_;
  MappedFile::Mode mode_;
  uint64_t bytesLeft_;
};

}  // namespace ascribe::onnx
