#pragma once
#include <algorithm>
#include <string>
#include <string_view>

#include "graph/op.h"
#include "kernels/cpu/isa.h"
#include "kernels/kernel.h"
#include "runtime/cpu_set.h"
#include "runtime/parallel.h"

namespace ascribe::cpu {

/// What the kernels of this backend share: the instruction set of the moment the plan was compiled, and a bound
/// on the threads that their scratch is made for (a plan does not know the lane that will run it).
class CpuKernel : public Kernel {
 public:
  explicit CpuKernel(std::string_view name) : name_(name) {}
  /// For a node that may ask for products of bf16.
  CpuKernel(std::string_view name, const Node& node)
      : name_(std::string(name) + (multipliesBf16(node) ? "-bf16" : "")), isa_(multipliesBf16(node) ? requiredBf16Kernels() : kernels()) {}
  std::string_view name() const override { return name_; }

 protected:
  const IsaKernels& isa() const { return isa_; }
  int mostThreads() const { return mostThreads_; }
  int threads() const { return std::min(parallelWidth(), mostThreads_); }

 private:
  std::string name_;
  const IsaKernels& isa_ = kernels();
  int mostThreads_ = usableCores();
};

inline bool takesF32(const NodeSignature& s) { return s.inputs[0].dtype == DType::F32; }

/// Elements that are worth a thread of their own where an element costs about a nanosecond.
constexpr int64_t kElementGrain = 16384;

}  // namespace ascribe::cpu
