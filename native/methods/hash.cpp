#include "methods/hash.h"

#include <algorithm>

namespace ascribe {

Job::Step HashJob::advance(Slice& slice) {
  constexpr uint64_t piece = uint64_t{1} << 20;
  do {
    slice.checkCancelled();
    const uint64_t count = std::min(piece, file_->size() - position_);
    hash_.update(file_->range(position_, count));
    position_ += count;
    slice.progress(static_cast<double>(position_), static_cast<double>(file_->size()));
    if (position_ == file_->size()) {
      file_->checkUnchanged();
      digest_ = hash_.finish();
      return Step::Done;
    }
  } while (!slice.expired());
  return Step::More;
}

}  // namespace ascribe
