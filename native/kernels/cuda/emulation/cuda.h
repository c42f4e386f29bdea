// Enough of CUDA on the host to run the kernels of this folder block by block, so that their arithmetic is tested where
// there is no GPU. A block's threads are fibers that take turns at __syncthreads.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static thread_local
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
inline thread_local uint3 threadIdx, blockIdx;
inline thread_local dim3 blockDim, gridDim;

struct __align__(16) float4 {
  float x, y, z, w;
};
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return static_cast<uint32_t>(static_cast<uint64_t>(a) * b >> 32); }

namespace ascribe::cuda::emulation {

/// The fibers of one block; a thread runs one block at a time. A fiber runs to its end or to a barrier; a round lets each of them do so once.
class Block {
 public:
  static Block*& current() {
    static thread_local Block* block = nullptr;
    return block;
  }

  Block(dim3 size, const std::function<void()>& body) : body_(body), threads_(size.x * size.y * size.z) {
    // Kept from block to block, and not cleared: that took longer than the threads ran.
    static thread_local std::unique_ptr<char[]> stacks;
    static thread_local size_t room = 0;
    if (threads_ * kStack > room) {
      room = threads_ * kStack;
      stacks = std::make_unique_for_overwrite<char[]>(room);
    }
    places_.resize(threads_);
    states_.assign(threads_, Fresh);
    stacks_ = stacks.get();
    size_ = size;
  }
  void run() {
    current() = this;
    for (size_t left = threads_; left > 0;)
      for (size_t i = 0; i < threads_; ++i) {
        if (states_[i] == Done) continue;
        running_ = i;
        threadIdx = {static_cast<unsigned>(i % size_.x), static_cast<unsigned>(i / size_.x % size_.y), static_cast<unsigned>(i / size_.x / size_.y)};
        turn();
        left -= states_[running_] == Done;
      }
  }
  void barrier() {
    if (_setjmp(places_[running_].buffer) == 0) _longjmp(host_, 1);
  }

 private:
  static constexpr size_t kStack = 64 * 1024;
  enum State : char { Fresh, Begun, Done };
  struct Place {
    jmp_buf buffer;
  };
  /// Contexts are for stacks alone: to switch by them asks the system for its signals every time.
  __attribute__((noinline)) void turn() {
    if (_setjmp(host_) == 0) resume();
  }
  [[noreturn]] void resume() {
    if (states_[running_] == Begun) _longjmp(places_[running_].buffer, 1);
    states_[running_] = Begun;
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = stacks_ + running_ * kStack;
    context.uc_stack.ss_size = kStack;
    context.uc_link = nullptr;
    makecontext(&context, reinterpret_cast<void (*)()>(&Block::enter), 0);
    setcontext(&context);
    std::abort();
  }
  static void enter() {
    Block& block = *current();
    block.body_();
    block.states_[block.running_] = Done;
    _longjmp(block.host_, 1);
  }
  const std::function<void()>& body_;
  size_t threads_, running_ = 0;
  char* stacks_ = nullptr;
  dim3 size_;
  std::vector<Place> places_;
  std::vector<State> states_;
  jmp_buf host_;
};

inline void runGrid(dim3 grid, dim3 block, bool together, const std::function<void()>& body) {
  gridDim = grid;
  blockDim = block;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = {x, y, z};
        if (together) {
          Block(block, body).run();
          continue;
        }
        for (unsigned c = 0; c < block.z; ++c)
          for (unsigned b = 0; b < block.y; ++b)
            for (unsigned a = 0; a < block.x; ++a) {
              threadIdx = {a, b, c};
              body();
            }
      }
}

}  // namespace ascribe::cuda::emulation

inline void __syncthreads() { ascribe::cuda::emulation::Block::current()->barrier(); }
/// A warp is the block here: all of it takes the same way to each of these.
inline void __syncwarp() { __syncthreads(); }
