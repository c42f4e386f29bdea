#include "runtime/job.h"

namespace ascribe {

Slice::Slice(const CancelToken& token, Clock::duration quantum)
    : token_(token), end_(Clock::now() + quantum) {}

void Slice::checkCancelled() const {
  if (token_.cancelled()) throw Error("ABORTED", "the job was cancelled");
}

}  // namespace ascribe
