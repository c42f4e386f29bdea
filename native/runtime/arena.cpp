#include "runtime/arena.h"

#include <new>

namespace ascribe {

Block::Block(std::shared_ptr<MemoryBudget> budget, size_t bytes) : budget_(std::move(budget)), bytes_(bytes) {
  if (bytes) data_ = ::operator new(bytes, std::align_val_t{64});
}

Block::~Block() {
  if (data_) ::operator delete(data_, std::align_val_t{64});
}

}  // namespace ascribe
