#include "kernels/onednn_bridge/packed_weights.h"

#include <map>
#include <mutex>

namespace ascribe::onednn_bridge {

PackedWeights::PackedWeights(std::shared_ptr<const Primitive> primitive, const void* plain)
    : primitive_(std::move(primitive)), bytes_((primitive_->bytes(ASCRIBE_SECOND) + 63) / 64 * 64) {
  primitive_->pack(ASCRIBE_SECOND, plain, bytes_.get());
}

std::shared_ptr<const PackedWeights> packedOnce(const std::shared_ptr<const Primitive>& primitive, const HostTensor& source, Turn turn,
                                                const std::function<const void*()>& plain) {
  struct Entry {
    std::weak_ptr<const void> owner;
    std::weak_ptr<const PackedWeights> packed;
  };
  static std::mutex guard;
  static std::multimap<std::pair<const void*, Turn>, Entry> known;
  const HostTensor::Identity identity = source.identity();
  // Held while packing: two plans that are made at the same time shall not hold two copies.
  const std::lock_guard lock(guard);
  std::erase_if(known, [](const auto& entry) { return entry.second.packed.expired(); });
  const std::pair key(identity.data, turn);
  const auto [first, last] = known.equal_range(key);
  for (auto at = first; at != last; ++at) {
    const Entry& entry = at->second;
    std::shared_ptr<const PackedWeights> packed = entry.packed.lock();
    if (packed && identity.isOwnedBy(entry.owner) && packed->primitive().sharesFormat(*primitive, ASCRIBE_SECOND)) return packed;
  }
  auto packed = std::make_shared<const PackedWeights>(primitive, plain());
  known.emplace(key, Entry{identity.owner, packed});
  return packed;
}

}  // namespace ascribe::onednn_bridge
