#include "runtime/fair_queue.h"

#include <algorithm>

namespace ascribe {

void FairQueue::push(std::shared_ptr<JobRecord> record) {
  record->virtualTime = std::max(record->virtualTime, clock_);
  requeue(std::move(record));
}

void FairQueue::requeue(std::shared_ptr<JobRecord> record) {
  record->sequence = ++sequence_;
  activeWeight_ += record->weight;
  ready_.insert(std::move(record));
}

std::shared_ptr<JobRecord> FairQueue::pop() {
  auto node = ready_.extract(ready_.begin());
  ++inTurn_;
  return std::move(node.value());
}

void FairQueue::charge(JobRecord& record, double seconds) {
  record.costSeconds += seconds;
  record.virtualTime += seconds / record.weight;
  clock_ += seconds / activeWeight_;
  activeWeight_ -= record.weight;
  // What rounding left behind ends with the last job.
  if (--inTurn_ == 0 && ready_.empty()) activeWeight_ = 0;
}

bool FairQueue::remove(const std::shared_ptr<JobRecord>& record) {
  if (ready_.erase(record) == 0) return false;
  activeWeight_ -= record->weight;
  return true;
}

}  // namespace ascribe
