#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "graph/host_tensor.h"

namespace ascribe {

/// Named weights. Copies of an overlay share everything it does not replace; writes are copy-on-write, so a mapped
/// file is never changed. Safe from several threads.
class Parameters {
 public:
  struct Entry {
    std::string name;
    HostTensor source;  // in its storage dtype
    uint64_t version = 0;
  };

  /// Throws MODEL_INVALID for a name given twice.
  void add(std::string name, HostTensor source);
  std::vector<Entry> list() const;
  /// Throws LAYER_NOT_FOUND.
  Entry get(std::string_view name) const;
  /// The tensor is copied; throws INPUT_SHAPE or INPUT_DTYPE where it does not fit.
  void write(std::string_view name, const HostTensor& tensor);
  std::shared_ptr<Parameters> overlay(const std::vector<std::pair<std::string, HostTensor>>& replacements) const;
  /// Sum of all versions: two equal sums of one store mean that nothing was written between.
  uint64_t version() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
};

}  // namespace ascribe
