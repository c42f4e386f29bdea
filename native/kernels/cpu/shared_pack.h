#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "graph/host_tensor.h"

namespace ascribe::cpu {

/// Packed forms of weights: made once, and shared by all plans that read them at the same time. `Key` says what is packed and how,
/// the address of the weights among it.
template <class Key, class Packed>
class SharedPacks {
 public:
  template <class Make>
  std::shared_ptr<const Packed> get(const HostTensor::Identity& identity, const Key& key, Make make) {
    // Held while packing: two plans that are made at the same time shall not hold two copies.
    const std::lock_guard lock(guard_);
    std::erase_if(known_, [](const auto& entry) { return entry.second.packed.expired(); });
    Entry& entry = known_[key];
    if (std::shared_ptr<const Packed> packed = entry.packed.lock(); packed && identity.isOwnedBy(entry.owner)) return packed;
    std::shared_ptr<const Packed> packed = make();
    entry = {identity.owner, packed};
    return packed;
  }

 private:
  struct Entry {
    std::weak_ptr<const void> owner;
    std::weak_ptr<const Packed> packed;
  };
  std::mutex guard_;
  std::map<Key, Entry> known_;
};

}  // namespace ascribe::cpu
