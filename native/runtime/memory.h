#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace ascribe {

/// Bytes in use against a bound. Budgets nest (job in environment in process): a charge counts in all of
/// them, and the first that is exceeded refuses it. Safe from several threads.
class MemoryBudget {
 public:
  static constexpr size_t unlimited = SIZE_MAX;

  /// `owner` names the budget in messages ("the job"). Without a parent the process's own total is the
  /// parent.
  explicit MemoryBudget(size_t limit = unlimited, std::shared_ptr<MemoryBudget> parent = nullptr,
                        std::string owner = "the job");

  /// The total of everything charged anywhere, without a bound: what native memory costs this process.
  static const std::shared_ptr<MemoryBudget>& process();

  /// Throws OUT_OF_MEMORY_BUDGET, with all sizes, and then charges nothing. `purpose` names the memory.
  void charge(size_t bytes, const char* purpose = "memory");
  void refund(size_t bytes) noexcept;

  size_t limit() const { return limit_; }
  size_t current() const { return current_.load(std::memory_order_relaxed); }
  size_t peak() const { return peak_.load(std::memory_order_relaxed); }
  /// What could still be charged, here and in every parent.
  size_t available() const;
  void resetPeak() { peak_.store(current()); }

 private:
  struct Root {};
  explicit MemoryBudget(Root) : limit_(unlimited), owner_("the process") {}

  const size_t limit_;
  const std::shared_ptr<MemoryBudget> parent_;
  const std::string owner_;
  std::atomic<size_t> current_{0}, peak_{0};
};

/// One block, aligned to 64 bytes, charged to a budget (to the process's alone where that is null). Blocks of
/// a megabyte and more come straight from the system, zeroed, and go straight back, so that the memory a
/// process holds is what runs, not what once ran. Throws OUT_OF_MEMORY_BUDGET also where the system refuses.
class Block {
 public:
  Block() = default;
  Block(std::shared_ptr<MemoryBudget> budget, size_t bytes, const char* purpose = "working memory");
  Block(Block&& other) noexcept { swap(other); }
  Block& operator=(Block&& other) noexcept {
    Block taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Block();

  void* data() const { return data_; }
  /// Zeroes it, where it does not come zeroed from the system anyway: call it before the first use.
  void clear();
  /// As asked for; what is charged is rounded up to whole cache lines or pages.
  size_t bytes() const { return bytes_; }

 private:
  void swap(Block& other) noexcept;

  std::shared_ptr<MemoryBudget> budget_;
  void* data_ = nullptr;
  size_t bytes_ = 0, charged_ = 0;
};

/// Host memory as blocks have it, for owners that count it themselves. Null for 0 bytes; throws
/// OUT_OF_MEMORY_BUDGET where the system refuses. It is freed with the size it was asked for with.
void* allocateHost(size_t bytes, const char* purpose);
void freeHost(void* address, size_t bytes) noexcept;
/// What lies there may go where memory is short; until it is written again its pages hold it or zeros.
void offerToSystem(void* address, size_t occupied) noexcept;
/// Bytes rounded up to whole cache lines or pages.
size_t occupiedOnHost(size_t bytes, const char* purpose);

/// "1.50 GiB", for messages.
std::string sizeText(size_t bytes);

}  // namespace ascribe
