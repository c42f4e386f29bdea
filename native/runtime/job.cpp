#include "runtime/job.h"

#include <utility>

namespace ascribe {

Slice::Slice(const CancelToken& token, Clock::duration quantum, std::function<void()> wake)
    : token_(token), end_(Clock::now() + quantum), wake_(std::move(wake)) {}

void Slice::checkCancelled() const {
  if (token_.cancelled()) throw Error("ABORTED", "the job was cancelled");
}

}  // namespace ascribe
