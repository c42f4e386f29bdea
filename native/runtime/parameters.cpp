#include "runtime/parameters.h"

#include <cstring>

#include "runtime/error.h"

namespace ascribe {

namespace {
/// What a storage dtype is computed in.
DType computeType(DType stored) { return isStorageOnly(stored) ? DType::F32 : stored; }
}  // namespace

void Parameters::add(std::string name, HostTensor source) {
  const std::lock_guard lock(mutex_);
  if (!index_.emplace(name, entries_.size()).second)
    throw Error("MODEL_INVALID", "two parameters are called " + name);
  entries_.push_back({std::move(name), std::move(source), 0});
}

std::vector<Parameters::Entry> Parameters::list() const {
  const std::lock_guard lock(mutex_);
  return entries_;
}

Parameters::Entry Parameters::get(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(name);
  if (found == index_.end()) throw Error("LAYER_NOT_FOUND", "the model has no parameter called " + std::string(name));
  return entries_[found->second];
}

void Parameters::write(std::string_view name, const HostTensor& tensor) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(name);
  if (found == index_.end()) throw Error("LAYER_NOT_FOUND", "the model has no parameter called " + std::string(name));
  Entry& entry = entries_[found->second];
  if (!(tensor.shape() == entry.source.shape()))
    throw Error("INPUT_SHAPE", "parameter " + entry.name + " has shape " + entry.source.shape().text() + ", got " + tensor.shape().text());
  if (tensor.dtype() != entry.source.dtype() && tensor.dtype() != computeType(entry.source.dtype()))
    throw Error("INPUT_DTYPE", "parameter " + entry.name + " is stored as " + std::string(nameOf(entry.source.dtype())) + ", got " + std::string(nameOf(tensor.dtype())));
  HostTensor copy(tensor.dtype(), tensor.shape());
  if (tensor.bytes()) std::memcpy(copy.mutableData(), tensor.data(), tensor.bytes());
  entry.source = std::move(copy);
  ++entry.version;
}

std::shared_ptr<Parameters> Parameters::overlay(const std::vector<std::pair<std::string, HostTensor>>& replacements) const {
  auto out = std::make_shared<Parameters>();
  {
    const std::lock_guard lock(mutex_);
    out->entries_ = entries_;
    out->index_ = index_;
  }
  for (const auto& [name, tensor] : replacements) out->write(name, tensor);
  return out;
}

uint64_t Parameters::version() const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.version;
  return sum;
}

}  // namespace ascribe
