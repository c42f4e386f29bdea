#include "runtime/onnx/external.h"

#include <algorithm>
#include <system_error>

#include "runtime/error.h"

namespace ascribe::onnx {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& location, const std::string& tensor, const char* reason) {
  throw Error("FILE_CORRUPT",
              "Tensor '" + tensor + "' keeps its data in '" + location + "', which cannot be used: " + reason,
              "External data must lie in the folder of the model file, or below it.");
}

}  // namespace

ModelFiles::ModelFiles(std::shared_ptr<MappedFile> file, MappedFile::Mode mode, uint64_t maximumBytes)
    : files_{std::move(file)}, mode_(mode), bytesLeft_(maximumBytes) {
  if (mode == MappedFile::Mode::Copy) bytesLeft_ -= std::min(bytesLeft_, files_.front()->size());
}

uint32_t ModelFiles::external(const std::string& location, const std::string& tensor) {
  const auto known = byLocation_.find(location);
  if (known != byLocation_.end()) return known->second;
  auto file = MappedFile::open(resolve(location, tensor).string(), mode_, bytesLeft_);
  if (mode_ == MappedFile::Mode::Copy) bytesLeft_ -= file->size();
  files_.push_back(std::move(file));
  const auto index = static_cast<uint32_t>(files_.size() - 1);
  byLocation_.emplace(location, index);
  return index;
}

uint32_t ModelFiles::add(std::vector<std::byte> bytes) {
  files_.push_back(MappedFile::own(std::move(bytes)));
  return static_cast<uint32_t>(files_.size() - 1);
}

fs::path ModelFiles::resolve(const std::string& location, const std::string& tensor) const {
  if (model().path().empty())
    refuse(location, tensor, "the model was given as a buffer, which has no folder");
  if (location.empty()) refuse(location, tensor, "the location is empty");
  if (location.find('\0') != std::string::npos) refuse("…", tensor, "the location holds a zero byte");
  const fs::path relative(location);
  if (relative.is_absolute()) refuse(location, tensor, "the location is not relative");
  std::error_code error;
  // The model itself may be a link (a download cache makes them); its tensors lie beside the link or its
  // target.
  const fs::path given = fs::absolute(fs::path(model().path()), error);
  for (const fs::path& home : {given.parent_path(), fs::canonical(given, error).parent_path()}) {
    const fs::path folder = fs::canonical(home, error);
    if (error) continue;
    const fs::path target = fs::canonical(folder / relative, error);
    if (error) continue;
    const auto ends = std::mismatch(folder.begin(), folder.end(), target.begin(), target.end());
    if (ends.first == folder.end()) return target;
    refuse(location, tensor, "it lies outside the model's folder");
  }
  throw Error("FILE_NOT_FOUND",
              "Tensor '" + tensor + "' keeps its data in '" + location +
                  "', which is not in the folder of the model file",
              "Copy the external data file next to the model.");
}

}  // namespace ascribe::onnx
