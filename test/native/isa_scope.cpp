#include "isa_scope.h"

#include "cpu_support.h"
#include "harness.h"

namespace ascribe::test {
namespace {

/// Of products of bf16 kernels() says nothing.
struct InForce {
  const cpu::IsaKernels *any = &cpu::kernels(), *bf16 = cpu::bf16Kernels();
  bool operator==(const InForce&) const = default;
};

TEST(what_was_in_force_is_in_force_again) {
  const InForce before;
  {
    const IsaScope outer(cpu::Isa::Avx512);
    EXPECT_TRUE(cpu::bf16Kernels() == nullptr);
    const InForce within;
    try {
      const IsaScope inner(cpu::Isa::Baseline);
      EXPECT_TRUE(cpu::kernels().isa == cpu::Isa::Baseline);
      throw Skipped("on the way out");
    } catch (const Skipped&) {
    }
    EXPECT_TRUE(InForce() == within);
  }
  EXPECT_TRUE(InForce() == before);
}

TEST(a_case_of_every_instruction_set_leaves_them_as_they_were) {
  const InForce before;
  EXPECT_LIKE_REFERENCE({"relu", {floats({3, 17}, 1)}});
  EXPECT_TRUE(InForce() == before);
}

}  // namespace
}  // namespace ascribe::test
