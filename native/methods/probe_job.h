#pragma once
#include "runtime/job.h"

namespace ascribe {

/// What this machine can do at most: multiply-adds in registers and a stream through memory, apart from any kernel, so
/// that a kernel's share of it means something.
class ProbeJob : public Job {
 public:
  Step advance(Slice& slice) override;
  int threads() const { return threads_; }
  double gflops() const { return gflops_; }
  double gflopsOneThread() const { return gflopsOneThread_; }
  /// Of products of bf16; 0 where there are none.
  double bf16Gflops() const { return bf16Gflops_; }
  double gigabytesPerSecond() const { return gigabytesPerSecond_; }

 private:
  int turn_ = 0, threads_ = 1;
  double gflops_ = 0, gflopsOneThread_ = 0, bf16Gflops_ = 0, gigabytesPerSecond_ = 0;
};

}  // namespace ascribe
