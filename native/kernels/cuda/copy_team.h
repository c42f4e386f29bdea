#pragma once
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace ascribe::cuda {

/// Copies within the host's memory by several threads. One alone brings a device a fifth of what it could take, and less
/// where the pages it writes are touched for the first time.
class CopyTeam {
 public:
  static constexpr size_t kPiece = size_t{1} << 20;

  /// Its threads sleep between copies, and never end: whoever loads this library keeps it.
  static CopyTeam& shared() {
    static auto* team = new CopyTeam;
    return *team;
  }

  /// Calls arrived(offset, bytes) for each piece in order, on the calling thread.
  template <class F>
  void copy(void* to, const void* from, size_t bytes, F&& arrived) {
    std::shared_ptr<Work> work;
    if (bytes > 2 * kPiece && helpers_ > 0) work = begin(static_cast<char*>(to), static_cast<const char*>(from), bytes);
    if (!work) {
      std::memcpy(to, from, bytes);
      return arrived(size_t{0}, bytes);
    }
    for (size_t piece = 0; piece < work->done.size(); ++piece) {
      while (!work->done[piece].load(std::memory_order_acquire))
        if (!work->copyOne()) std::this_thread::yield();
      arrived(piece * kPiece, work->bytesOf(piece));
    }
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < waiting_.size(); ++i)
      if (waiting_[i] == work) {
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      }
  }

 private:
  struct Work {
    Work(char* toOf, const char* fromOf, size_t bytesIn) : to(toOf), from(fromOf), bytes(bytesIn), done((bytesIn + kPiece - 1) / kPiece) {}
    size_t bytesOf(size_t piece) const { return bytes - piece * kPiece < kPiece ? bytes - piece * kPiece : kPiece; }
    bool copyOne() {
      const size_t piece = next.fetch_add(1, std::memory_order_relaxed);
      if (piece >= done.size()) return false;
      std::memcpy(to + piece * kPiece, from + piece * kPiece, bytesOf(piece));
      done[piece].store(true, std::memory_order_release);
      return true;
    }
    char* to;
    const char* from;
    size_t bytes;
    std::atomic<size_t> next{0};
    std::vector<std::atomic<bool>> done;
  };

  CopyTeam() {
    const unsigned cores = std::thread::hardware_concurrency(), wanted = cores < 2 ? 0 : cores > 8 ? 7 : cores - 1;
    try {
      for (; helpers_ < wanted; ++helpers_) std::thread([this] { help(); }).detach();
    } catch (const std::system_error&) {
      // Where there are no more threads, those that there are copy.
    }
  }
  std::shared_ptr<Work> begin(char* to, const char* from, size_t bytes) {
    std::shared_ptr<Work> work;
    try {
      work = std::make_shared<Work>(to, from, bytes);
      const std::lock_guard lock(mutex_);
      waiting_.push_back(work);
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
    wake_.notify_all();
    return work;
  }
  void help() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return !waiting_.empty(); });
      const std::shared_ptr<Work> work = waiting_.front();
      lock.unlock();
      while (work->copyOne()) {}
      lock.lock();
      // All of its pieces are somebody's: whoever comes next finds what else there is.
      if (!waiting_.empty() && waiting_.front() == work) waiting_.erase(waiting_.begin());
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::shared_ptr<Work>> waiting_;
  unsigned helpers_ = 0;
};

}  // namespace ascribe::cuda
