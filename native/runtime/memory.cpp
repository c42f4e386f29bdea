#include "runtime/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "runtime/error.h"

namespace ascribe {
namespace {

constexpr size_t cacheLine = 64;
constexpr size_t mappedFrom = size_t{1} << 20;
/// By the rounded size, so that one size is never one kind of block here and the other kind there.
constexpr bool isMapped(size_t bytes) { return bytes > mappedFrom - cacheLine; }
constexpr size_t hugePage = size_t{2} << 20;

size_t pageSize() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

bool wantsHugePages() {
  static const bool wanted = [] {
    const char* setting = std::getenv("ASCRIBE_HUGE_PAGES");
    return setting == nullptr || std::strcmp(setting, "0") != 0;
  }();
  return wanted;
}

[[noreturn]] void refuseBySystem(size_t bytes, const char* purpose) {
  throw Error("OUT_OF_MEMORY_BUDGET", "the system refused " + sizeText(bytes) + " for " + purpose,
              "use smaller batches, or free memory");
}

size_t roundedUp(size_t bytes, size_t unit, const char* purpose) {
  if (bytes > SIZE_MAX - unit) refuseBySystem(bytes, purpose);
  return (bytes + unit - 1) / unit * unit;
}

void* mapBlock(size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
  // Only a request; blocks of few huge pages would gain little and waste up to one.
  if (bytes >= 4 * hugePage && wantsHugePages()) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

}  // namespace

std::string sizeText(size_t bytes) {
  char text[32];
  const double value = static_cast<double>(bytes);
  if (bytes >= size_t{1} << 30) {
    std::snprintf(text, sizeof text, "%.2f GiB", value / 0x1p30);
  } else if (bytes >= size_t{1} << 20) {
    std::snprintf(text, sizeof text, "%.2f MiB", value / 0x1p20);
  } else {
    std::snprintf(text, sizeof text, "%zu bytes", bytes);
  }
  return text;
}

MemoryBudget::MemoryBudget(size_t limit, std::shared_ptr<MemoryBudget> parent, std::string owner)
    : limit_(limit), parent_(parent ? std::move(parent) : process()), owner_(std::move(owner)) {}

const std::shared_ptr<MemoryBudget>& MemoryBudget::process() {
  // Leaked: blocks may be freed while static destructors run.
  static const auto* root = new std::shared_ptr<MemoryBudget>(new MemoryBudget(Root{}));
  return *root;
}

void MemoryBudget::charge(size_t bytes, const char* purpose) {
  size_t before = current_.load(std::memory_order_relaxed);
  do {
    if (bytes > limit_ || before > limit_ - bytes) {
      throw Error("OUT_OF_MEMORY_BUDGET",
                  sizeText(bytes) + " for " + purpose + " do not fit: " + owner_ + " uses " +
                      sizeText(before) + " of " + sizeText(limit_),
                  "raise the memory bound, or use smaller batches");
    }
  } while (!current_.compare_exchange_weak(before, before + bytes, std::memory_order_relaxed));
  if (parent_) {
    try {
      parent_->charge(bytes, purpose);
    } catch (...) {
      current_.fetch_sub(bytes, std::memory_order_relaxed);
      throw;
    }
  }
  // After the parents agreed: a refused charge leaves no trace, in the peak either.
  size_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < before + bytes &&
         !peak_.compare_exchange_weak(peak, before + bytes, std::memory_order_relaxed)) {
  }
}

void MemoryBudget::refund(size_t bytes) noexcept {
  for (MemoryBudget* budget = this; budget != nullptr; budget = budget->parent_.get()) {
    budget->current_.fetch_sub(bytes, std::memory_order_relaxed);
  }
}

size_t MemoryBudget::available() const {
  size_t least = unlimited;
  for (const MemoryBudget* budget = this; budget != nullptr; budget = budget->parent_.get()) {
    if (budget->limit_ == unlimited) continue;
    const size_t used = budget->current();
    least = std::min(least, used < budget->limit_ ? budget->limit_ - used : 0);
  }
  return least;
}

size_t occupiedOnHost(size_t bytes, const char* purpose) {
  return roundedUp(bytes, isMapped(bytes) ? pageSize() : cacheLine, purpose);
}

void* allocateHost(size_t bytes, const char* purpose) {
  if (bytes == 0) return nullptr;
  const size_t rounded = occupiedOnHost(bytes, purpose);
  void* data = isMapped(bytes) ? mapBlock(rounded)
                                   : ::operator new (rounded, std::align_val_t{cacheLine}, std::nothrow);
  if (data == nullptr) refuseBySystem(bytes, purpose);
  return data;
}

void freeHost(void* address, size_t bytes) noexcept {
  if (address == nullptr) return;
  if (isMapped(bytes)) {
    munmap(address, (bytes + pageSize() - 1) / pageSize() * pageSize());
  } else {
    ::operator delete (address, std::align_val_t{cacheLine});
  }
}

void offerToSystem(void* address, size_t occupied) noexcept {
#ifdef MADV_FREE
  if (isMapped(occupied)) madvise(address, occupied, MADV_FREE);
#else
  (void)address, (void)occupied;
#endif
}

Block::Block(std::shared_ptr<MemoryBudget> budget, size_t bytes, const char* purpose) {
  if (bytes == 0) return;
  if (!budget) budget = MemoryBudget::process();
  const size_t rounded = occupiedOnHost(bytes, purpose);
  budget->charge(rounded, purpose);
  try {
    data_ = allocateHost(bytes, purpose);
  } catch (...) {
    budget->refund(rounded);
    throw;
  }
  budget_ = std::move(budget);
  bytes_ = bytes;
  charged_ = rounded;
}

Block::~Block() {
  if (data_ == nullptr) return;
  freeHost(data_, bytes_);
  budget_->refund(charged_);
}

void Block::clear() {
  if (bytes_ > 0 && !isMapped(bytes_)) std::memset(data_, 0, bytes_);
}

void Block::swap(Block& other) noexcept {
  std::swap(budget_, other.budget_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(charged_, other.charged_);
}

}  // namespace ascribe
