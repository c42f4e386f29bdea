#pragma once
#include <string_view>

namespace ascribe::cpu {

struct GemmKernels;
struct MathKernels;
struct RowKernels;

enum class Isa { Baseline, Avx2, Avx512 };

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
/// The best set that this machine has and that neither ASCRIBE_MAX_ISA (baseline, avx2, avx512) nor setMaxIsa forbids.
const IsaKernels& kernels();
/// Caps what kernels() returns, for tests and for reproducing another machine's results. Plans made before keep theirs.
void setMaxIsa(Isa isa);

}  // namespace ascribe::cpu
