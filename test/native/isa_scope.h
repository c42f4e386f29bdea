#pragma once
#include "kernels/cpu/isa.h"

namespace ascribe::test {

/// Caps the instruction sets while it lives. What was in force before is in force again afterwards, for the tests that follow in
/// this process and for ASCRIBE_MAX_ISA.
class IsaScope {
 public:
  explicit IsaScope(cpu::Isa isa) { cpu::setMaxIsa(isa); }
  ~IsaScope() { cpu::setMaxIsa(before_); }
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;

 private:
  // kernels() names nothing above AVX-512, for f32 needs nothing above it.
  cpu::Isa before_ = cpu::bf16Kernels() != nullptr ? cpu::Isa::Avx512Bf16 : cpu::kernels().isa;
};

/// The tests of `filter` pass in a process of their own under ASCRIBE_MAX_ISA: the oneDNN library fixes its instruction set
/// when it is first asked. In such a process there is nothing to do.
void expectPassesCappedTo(const char* isa, const char* filter);

}  // namespace ascribe::test
