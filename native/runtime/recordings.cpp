#include "runtime/recordings.h"

#include <algorithm>
#include <utility>

namespace ascribe {

Recordings::Answer Recordings::ask(const std::vector<uintptr_t>& addresses, std::shared_ptr<const RecordedRun>& run) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& each) { return each->addresses == addresses; });
  if (found != kept_.end()) {
    std::rotate(found, found + 1, kept_.end());
    run = kept_.back();
    return Answer::Replay;
  }
  if (!refusal_.empty() || made_ == kMost) return Answer::Run;
  if (std::find(seen_.begin(), seen_.end(), addresses) != seen_.end()) return Answer::Record;
  if (seen_.size() == kSeen) seen_.erase(seen_.begin());
  seen_.push_back(addresses);
  return Answer::Run;
}

void Recordings::keep(std::shared_ptr<const RecordedRun> run) {
  std::shared_ptr<const RecordedRun> dropped;  // let go outside the lock
  const std::lock_guard lock(mutex_);
  if (kept_.size() == kKept) {
    dropped = std::move(kept_.front());
    kept_.erase(kept_.begin());
  }
  kept_.push_back(std::move(run));
  ++made_;
}

void Recordings::refuse(std::string reason) {
  const std::lock_guard lock(mutex_);
  if (refusal_.empty()) refusal_ = std::move(reason);
}

size_t Recordings::made() const {
  const std::lock_guard lock(mutex_);
  return made_;
}

std::string Recordings::refusal() const {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

}  // namespace ascribe
