#include "runtime/fair_queue.h"

#include <algorithm>

namespace ascribe {

void FairQueue::push(std::shared_ptr<JobRecord> record) {
  record->virtualTime = std::max(record->virtualTime, clock_);
  record->sequence = ++sequence_;
  ready_.insert(std::move(record));
}

void FairQueue::charge(JobRecord& record, double seconds) const {
  record.costSeconds += seconds;
  record.virtualTime += seconds / record.weight;
}

std::shared_ptr<JobRecord> FairQueue::pop() {
  auto node = ready_.extract(ready_.begin());
  clock_ = std::max(clock_, node.value()->virtualTime);
  return std::move(node.value());
}

bool FairQueue::remove(const std::shared_ptr<JobRecord>& record) {
  return ready_.erase(record) > 0;
}

}  // namespace ascribe
