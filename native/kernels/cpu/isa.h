#pragma once
#include <string_view>

namespace ascribe::cpu {

struct GemmKernels;
struct MathKernels;
struct RowKernels;

/// In order: what a processor has, it has from the first of its own kind on (x86-64 has no Neon, arm64 nothing above it).
enum class Isa { Baseline, Neon, Avx2, Avx512, Avx512Bf16 };

/// The kernels that exist once per instruction set. Everything else of this folder is portable code.
struct IsaKernels {
  Isa isa;
  std::string_view name;
  const GemmKernels* gemm;
  const MathKernels* math;
  const RowKernels* rows;
};

/// Whether this processor (and its operating system) runs `isa`.
bool isaAvailable(Isa isa);
/// The best set that this machine has and that neither ASCRIBE_MAX_ISA (baseline, neon, avx2, avx512, avx512_bf16) nor setMaxIsa forbids.
const IsaKernels& kernels();
/// The same with products of factors rounded to bf16; null where the machine has no instruction for them, or it is forbidden.
const IsaKernels* bf16Kernels();
/// The same; PRECISION_UNAVAILABLE instead of null.
const IsaKernels& requiredBf16Kernels();
/// Caps what kernels() returns, for tests and for reproducing another machine's results. Plans made before keep theirs.
void setMaxIsa(Isa isa);

}  // namespace ascribe::cpu
