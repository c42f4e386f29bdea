#include "kernels/cpu/isa.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string_view>

#include "kernels/cpu/block_kernels.h"
#include "runtime/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace ascribe::cpu {

extern const GemmKernels gemmBaseline, gemmNeon, gemmAvx2, gemmAvx512, gemmAvx512Bf16;
extern const MathKernels mathBaseline, mathNeon, mathAvx2, mathAvx512;
extern const BlockKernels blocksBaseline, blocksAvx2, blocksAvx512Vnni;
extern const RowKernels rowsBaseline, rowsNeon, rowsAvx2, rowsAvx512, rowsAvx512Bf16;

namespace {

const IsaKernels kTables[] = {
    {Isa::Baseline, "baseline", &gemmBaseline, &mathBaseline, &rowsBaseline},
#if defined(__aarch64__)
    {Isa::Neon, "neon", &gemmNeon, &mathNeon, &rowsNeon},
#elif defined(__x86_64__)
    {Isa::Avx2, "avx2", &gemmAvx2, &mathAvx2, &rowsAvx2},
    {Isa::Avx512, "avx512", &gemmAvx512, &mathAvx512, &rowsAvx512},
    {Isa::Avx512Bf16, "avx512_bf16", &gemmAvx512Bf16, &mathAvx512, &rowsAvx512Bf16},
#endif
};

Isa detect() {
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks the operating system (XCR0), which cpuid alone does not.
  __builtin_cpu_init();
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !f16c) return Isa::Baseline;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return __builtin_cpu_supports("avx512bf16") ? Isa::Avx512Bf16 : Isa::Avx512;
  return Isa::Avx2;
#elif defined(__aarch64__)
  return Isa::Neon;  // which every arm64 has
#else
  return Isa::Baseline;
#endif
}

Isa capFromEnvironment() {
  const char* text = std::getenv("ASCRIBE_MAX_ISA");
  const std::string_view cap = text ? text : "";
  if (cap == "baseline") return Isa::Baseline;
  if (cap == "neon") return Isa::Neon;
  if (cap == "avx2") return Isa::Avx2;
  if (cap == "avx512") return Isa::Avx512;
  return Isa::Avx512Bf16;
}

Isa detected() {
  static const Isa isa = detect();
  return isa;
}

std::atomic<Isa>& cap() {
  static std::atomic<Isa> value{capFromEnvironment()};
  return value;
}

/// The best set of this kind of processor that is not above `isa`.
const IsaKernels& best(Isa isa) {
  const IsaKernels* found = kTables;
  for (const IsaKernels& table : kTables)
    if (table.isa <= isa) found = &table;
  return *found;
}

Isa allowed() { return std::min(cap().load(std::memory_order_relaxed), detected()); }

}  // namespace

bool isaAvailable(Isa isa) { return isa <= detected() && best(isa).isa == isa; }

// The last set is for products that were asked for in bf16, never what f32 is computed with.
const IsaKernels& kernels() { return best(std::min(allowed(), Isa::Avx512)); }

const IsaKernels* bf16Kernels() { return allowed() == Isa::Avx512Bf16 ? &best(Isa::Avx512Bf16) : nullptr; }

const IsaKernels& requiredBf16Kernels() {
  if (const IsaKernels* found = bf16Kernels()) return *found;
  throw Error("PRECISION_UNAVAILABLE",
              detected() == Isa::Avx512Bf16 ? "products of bf16 (avx512_bf16) are forbidden by ASCRIBE_MAX_ISA" : "this processor has no products of bf16 (avx512_bf16)",
              "leave precision at f32");
}

const BlockKernels& blockKernels() {
#if defined(__x86_64__)
  const Isa most = cap().load(std::memory_order_relaxed);
  if (most > Isa::Avx512 && detected() >= Isa::Avx512 && __builtin_cpu_supports("avx512vnni")) return blocksAvx512Vnni;
  if (std::min(most, detected()) >= Isa::Avx2) return blocksAvx2;
#endif
  return blocksBaseline;
}

void setMaxIsa(Isa isa) { cap().store(isa, std::memory_order_relaxed); }

}  // namespace ascribe::cpu
